"""Paths of the Disk API: an optional scheme, a slash, names.

https://yandex.ru/dev/disk-api/doc/en/reference/meta#path
"""

from sandbox.yandex.errors import ApiError

Path = tuple[str, ...]

_NAME_CHARACTERS = 255
_PATH_CHARACTERS = 32_760


def read_path(given: str, field: str = "path") -> Path:
    """Return the names of a path as a client gives it; none for the top folder.

    Args:
        given: With `disk:` in front or, where no name has a colon, without.
        field: What the parameter is called.

    Raises:
        ApiError: It is not one.
    """
    if not given:
        raise ApiError("FieldValidationError", field, violation=f"no {field}")
    if len(given) > _PATH_CHARACTERS:
        raise ApiError("FieldValidationError", field, violation=f"a path of {len(given)} characters")
    rest = given.removeprefix("disk:")
    # Anything up to the first colon is taken for a scheme: https://github.com/ivknv/yadisk/issues/26
    if rest == given and ":" in given:
        raise ApiError("DiskNotFoundError", given, violation="a path with a colon and without disk:/")
    names = tuple(rest.strip("/").split("/")) if rest.strip("/") else ()
    for name in names:
        _check_name(name, field)
    return names


def write_path(path: Path) -> str:
    """Return a path the way Disk writes it."""
    return "disk:/" + "/".join(path)


def is_below(path: Path, above: Path) -> bool:
    """Tell whether a path is another one or below it."""
    return path[: len(above)] == above


def _check_name(name: str, field: str) -> None:
    if len(name) > _NAME_CHARACTERS:
        raise ApiError("FieldValidationError", field, violation=f"a name of {len(name)} characters")
    # What rclone never sends, since Disk does not take it: https://rclone.org/yandex/#restricted-filename-characters
    if name in ("", ".", "..") or any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        raise ApiError("FieldValidationError", field, violation=f"the name {name!r}")
