"""`python -m tools.cloud_settings`: print what each cloud takes from the environment, to be filled in.

It is the clouds' part of `.env.example`; filled in, `kubectl create secret --from-env-file` makes a secret of it.
"""

from collections.abc import Iterator, Sequence

from common.clouds import CLOUDS
from common.clouds.base import Cloud


def list_settings(clouds: Sequence[Cloud] = CLOUDS) -> Iterator[str]:
    """Yield the lines: each cloud's client, and commented out the addresses that it has already.

    Args:
        clouds: whose.
    """
    for cloud in clouds:
        yield f"# {cloud.title}"
        for variable in cloud.variables:
            yield f"{variable.name}=" if variable.default is None else f"#{variable.name}={variable.default}"


if __name__ == "__main__":
    print("\n".join(list_settings()))
