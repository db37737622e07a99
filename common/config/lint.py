"""What stands in the environment and is hardly what anybody meant: names that nobody reads, and a few values.

Nothing here stops a process: other programs' variables stand there too. Values are never shown.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from common.config.env import Variable

# Of names that begin so, those that we do not read are probably meant for us. The clouds' come from their variables.
_PREFIXES = (
    *("CLOUD_ARCHIVE_", "WORKER_", "WEB_", "RETRY_", "GALLERY_", "DONE_", "SLICE_", "CHUNK_", "SHUTDOWN_", "REVOKE_"),
    *(
        "REDIRECT_",
        "CORS_",
        "PHOTO_",
        "RATE_LIMIT_",
        "FORWARDED_ALLOW_",
        "PUBLIC_BASE_",
        "ALLOW_LOCAL_",
        "SECRET_KEYS_",
    ),
)
# Other programs' names that begin like ours: Google's and Yandex' own tools, Terraform, Chrome, uvicorn; and what our
# compose file, Kubernetes' components and demo read themselves.
_OTHERS = re.compile(
    r"GOOGLE_(APPLICATION|CLOUD|API_USE|API_KEY|API_PYTHON|EXTERNAL_ACCOUNT|ACCOUNT|PROJECT|CREDENTIALS|IMPERSONATE|"
    r"OAUTH_ACCESS|REGION|ZONE|SDK|GENAI|CHROME|MAPS|ANALYTICS|COMPUTE|BACKEND|ENCRYPTION|BILLING|USE|GEMINI|TAG)(_.*)?"
    r"|YANDEX_(CLOUD|METRIKA|METRICA|MAPS|TRACKER|GPT|S3|DIRECT)(_.*)?"
    r"|WEB_(CONCURRENCY|PUBLISHED_PORT|IMAGE)|WORKER_(IMAGE|CONNECTIONS|CLASS)|RABBITMQ_(PASSWORD|MANAGEMENT_URL)"
)
# What Kubernetes tells every container of every Service, and what Docker's links once told.
# https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
_SERVICE = re.compile(r".+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://")
# A name so long may be wrong in two letters and still be meant.
_LONG = 10


def lint_environment(
    environ: Mapping[str, str], names: Sequence[str], secrets: Sequence[str], clouds: Mapping[str, Sequence[Variable]]
) -> Iterator[str]:
    """Return one line for each doubtful variable; each begins with its name.

    Args:
        environ: the variables.
        names: that the services read.
        secrets: those of them that may stand in files.
        clouds: the variables every known cloud wants, by the cloud's name.
    """
    of_clouds = [variable for wanted in clouds.values() for variable in wanted]
    files = [f"{name}_FILE" for name in (*secrets, *(each.name for each in of_clouds if each.default is None))]
    known = {*names, *files, *(each.name for each in of_clouds)}
    prefixes = (*_PREFIXES, *{each.name.partition("_")[0] + "_" for each in of_clouds})
    for name, value in sorted(environ.items()):
        if value.strip() and name not in known and not _is_anothers(name, value):
            yield from _doubt_name(name, sorted(known), prefixes)
        elif name in known:
            yield from _doubt_value(name, value.strip())


def _is_anothers(name: str, value: str) -> bool:
    is_service = _SERVICE.fullmatch(name) or (name.endswith("_PORT") and _SERVICE_ADDRESS.match(value))
    return bool(is_service or _OTHERS.fullmatch(name))


def _doubt_name(name: str, known: Sequence[str], prefixes: Sequence[str]) -> Iterator[str]:
    meant = min(known, key=lambda each: edit_distance(name.upper(), each))
    if edit_distance(name.upper(), meant) <= (2 if len(name) >= _LONG else 1):
        yield f"{name} is read by nobody: {meant} may be meant"
    elif name.upper().startswith(tuple(prefixes)):
        yield f"{name} is read by nobody: README.md, Settings, names what is"


def _doubt_value(name: str, value: str) -> Iterator[str]:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        yield f"{name} stands in quotes, and they belong to its value here: leave them out"
    if name == "FORWARDED_ALLOW_IPS" and "*" in value:
        yield f"{name} believes everybody: a client that reaches web without a proxy names any address as its own"
    if name.endswith("_HOSTS") and re.search(r"(^|,)\s*\*\.[^.,]+\s*(,|$)", value):
        yield f"{name} names a whole top-level domain: every host there is allowed"


def edit_distance(name: str, other: str) -> int:
    """Return how many letters were added, left out, changed or swapped with the next one: 3 when they are many.

    https://en.wikipedia.org/wiki/Damerau%E2%80%93Levenshtein_distance (optimal string alignment)
    """
    if abs(len(name) - len(other)) > 2:
        return 3
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, mine in enumerate(name, 1):
        before, last, row = row, before, [i]
        for j, theirs in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (mine != theirs))
            if i > 1 and j > 1 and mine == other[j - 2] and name[i - 2] == theirs:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return min(row[-1], 3)
