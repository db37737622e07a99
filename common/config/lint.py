"""Warnings about the environment: misspelt or unknown variables, and values that hardly anybody means.

Nothing here stops a process: other programs' variables are there too. Values are never shown.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from common.config.env import Variable

# Unknown names that begin so are probably meant for us. The clouds' prefixes come from their variables.
_PREFIX = re.compile(
    r"(CLOUD_ARCHIVE|WORKER|WEB|RETRY|GALLERY|DONE|SLICE|CHUNK|SHUTDOWN|REVOKE|REDIRECT|CORS|PHOTO|RATE_LIMIT|"
    r"FORWARDED_ALLOW|PUBLIC_BASE|ALLOW_LOCAL|SECRET_KEYS)_"
)
# Other programs' names that begin like ours: Google's and Yandex' own tools, Terraform, Chrome, uvicorn; and what our
# compose file, Kubernetes' components and demo read themselves.
_FOREIGN = re.compile(
    r"GOOGLE_(APPLICATION|CLOUD|API_USE|API_KEY|API_PYTHON|EXTERNAL_ACCOUNT|ACCOUNT|PROJECT|CREDENTIALS|IMPERSONATE|"
    r"OAUTH_ACCESS|REGION|ZONE|SDK|GENAI|CHROME|MAPS|ANALYTICS|COMPUTE|BACKEND|ENCRYPTION|BILLING|USE|GEMINI|TAG)(_.*)?"
    r"|YANDEX_(CLOUD|METRIKA|METRICA|MAPS|TRACKER|GPT|S3|DIRECT)(_.*)?"
    r"|WEB_(CONCURRENCY|PUBLISHED_PORT|IMAGE)|WORKER_(IMAGE|CONNECTIONS|CLASS)|RABBITMQ_(PASSWORD|MANAGEMENT_URL)"
)
# Variables that Kubernetes sets in every container for every Service, and that Docker's links once set.
# https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
_SERVICE = re.compile(r".+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://")
# A name of so many letters may differ in two and still be a misspelling.
_LONG_NAME = 10


def lint_environment(
    environ: Mapping[str, str], names: Sequence[str], secrets: Sequence[str], clouds: Mapping[str, Sequence[Variable]]
) -> Iterator[str]:
    """Yield one warning for each suspicious variable; each begins with its name.

    Args:
        environ: the variables.
        names: variables that the services read.
        secrets: those of them that may stand in files.
        clouds: the variables that every known cloud wants, by the cloud's name.
    """
    cloud_variables = [variable for wanted in clouds.values() for variable in wanted]
    files = [f"{name}_FILE" for name in (*secrets, *(each.name for each in cloud_variables if each.default is None))]
    known = {*names, *files, *(each.name for each in cloud_variables)}
    cloud_prefixes = tuple({each.name.partition("_")[0] + "_" for each in cloud_variables})
    for name, value in sorted(environ.items()):
        if value.strip() and name not in known and not _belongs_to_others(name, value):
            yield from _check_name(name, sorted(known), cloud_prefixes)
        elif name in known:
            yield from _check_value(name, value.strip())


def _belongs_to_others(name: str, value: str) -> bool:
    is_service = _SERVICE.fullmatch(name) or (name.endswith("_PORT") and _SERVICE_ADDRESS.match(value))
    return bool(is_service or _FOREIGN.fullmatch(name))


def _check_name(name: str, known: Sequence[str], cloud_prefixes: tuple[str, ...]) -> Iterator[str]:
    meant = min(known, key=lambda each: edit_distance(name.upper(), each))
    if edit_distance(name.upper(), meant) <= (2 if len(name) >= _LONG_NAME else 1):
        yield f"{name} is read by nobody: {meant} may be meant"
    elif _PREFIX.match(name.upper()) or name.upper().startswith(cloud_prefixes):
        yield f"{name} is read by nobody: README.md, Settings, names what is"


def _check_value(name: str, value: str) -> Iterator[str]:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        yield f"{name} stands in quotes, and they belong to its value here: leave them out"
    if name == "FORWARDED_ALLOW_IPS" and "*" in value:
        yield f"{name} believes everybody: a client that reaches web without a proxy names any address as its own"
    if name.endswith("_HOSTS") and re.search(r"(^|,)\s*\*\.[^.,]+\s*(,|$)", value):
        yield f"{name} names a whole top-level domain: every host there is allowed"


def edit_distance(name: str, other: str) -> int:
    """Return how many letters were added, left out, changed or swapped with the next one; 3 stands for more as well.

    https://en.wikipedia.org/wiki/Damerau%E2%80%93Levenshtein_distance (optimal string alignment)
    """
    if abs(len(name) - len(other)) > 2:
        return 3
    previous: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(name, 1):
        previous, second_last, row = row, previous, [i]
        for j, other_letter in enumerate(other, 1):
            cost = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (letter != other_letter))
            if i > 1 and j > 1 and letter == other[j - 2] and name[i - 2] == other_letter:
                cost = min(cost, second_last[j - 2] + 1)
            row.append(cost)
    return min(row[-1], 3)
