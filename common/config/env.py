"""Reading the environment variable by variable, collecting everything that is wrong."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

from common.config.parsers import base_url, file_content, readable_file
from common.crypto.sealing import Secret
from common.http.network_policy import NetworkPolicy

T = TypeVar("T")


class WrongSetting(ValueError):
    """Variables are missing or wrong; the message names them and never shows a secret.

    Args:
        problems: one line for each; each begins with the variable's name and says what would be right.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Variable:
    """A variable that a cloud wants from the environment.

    Args:
        name: as in the environment.
        default: used when it is not set; None: a secret without which the cloud is not offered.
    """

    name: str
    default: str | None = None


CloudSettings = Mapping[str, Secret]


class Environment:
    """The variables of a process; an empty one counts as not set.

    What is wrong is remembered rather than raised, so that all of it can be reported at once: what a `read` method
    returned may be used only after `raise_problems`.

    Attributes:
        problems: what is wrong so far, as `WrongSetting` has it.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.problems: list[str] = []

    def is_set(self, name: str) -> bool:
        """Say whether a variable is set, or as `<name>_FILE`."""
        return bool(self._text(name) or self._text(f"{name}_FILE"))

    def read(self, name: str, parse: Callable[[str], T], default: str | None = None) -> T:
        """Return the parsed value of a variable.

        Args:
            name: of the variable.
            parse: one of `common.config.parsers`.
            default: the text to parse when it is not set; None: it is required.
        """
        return self._parse(name, parse, self._text(name) or default)

    def read_secret(self, name: str, parse: Callable[[str], T]) -> T:
        """Return the parsed value of a required variable, or of the file that `<name>_FILE` names."""
        file = f"{name}_FILE"
        if not self._text(file):
            return self.read(name, parse)
        path = self.read(file, readable_file)
        if path and self._text(name):
            self.problems.append(f"{name} and {file} are both set")
        elif path and (content := self._parse(file, file_content, path)):
            return self._parse(name, parse, content)
        return cast(T, None)

    def read_cloud(self, variables: Sequence[Variable], policy: NetworkPolicy) -> CloudSettings | None:
        """Return what a cloud wants, by the variables' names; None when none of its secrets is set.

        Args:
            variables: secrets, and base URLs, which have a default.
            policy: whether plain http will do.
        """
        secrets = [variable.name for variable in variables if variable.default is None]
        missing = [name for name in secrets if not self.is_set(name)]
        if missing:
            if len(missing) < len(secrets):
                self.problems.append(f"{missing[0]} is required when the cloud's other variables are set")
            return None
        parse_url = base_url(policy)
        return {
            each.name: self.read_secret(each.name, Secret)
            if each.default is None
            else self.read(each.name, lambda text: Secret(parse_url(text)), each.default)
            for each in variables
        }

    def raise_problems(self) -> None:
        """Raise WrongSetting when anything was wrong."""
        if self.problems:
            raise WrongSetting(*dict.fromkeys(self.problems))

    def _text(self, name: str) -> str:
        return self.environ.get(name, "").strip()

    def _parse(self, name: str, parse: Callable[[str], T], text: str | None) -> T:
        try:
            if text is not None:
                return parse(text)
            self.problems.append(f"{name} is required")
        except ValueError as error:
            self.problems.append(f"{name} {error}")
        return cast(T, None)
