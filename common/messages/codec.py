"""Dataclasses to and from JSON objects that anybody may have written.

A field's annotation says how its value is checked and, where it is not the field's name, under which key it stands:
``slices: Annotated[int, integer(0, 100)] = 0`` or ``has_ended: Annotated[bool, bool, "ended"] = False``.
"""

import json
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, get_type_hints

from common.untrusted_json import read_json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Message = TypeVar("Message", bound="DataclassInstance")
Value = TypeVar("Value")
Reader = Callable[[Any], Value]
"""Returns a checked value; raises TypeError, ValueError, KeyError, AttributeError or OverflowError."""


class DecodeError(ValueError):
    """The bytes or the object are not the message; says why without repeating a value."""


class _Wire(NamedTuple):
    key: str
    read: Reader[Any]
    default: Any


def decode_object(body: bytes, version: int) -> dict[str, Any]:
    """Return the JSON object that a body holds.

    Args:
        body: UTF-8.
        version: the only one that is understood, as its key `version` tells it.

    Raises:
        DecodeError: not JSON, no object, or of another version.
    """
    try:
        values = read_json(body)
    except ValueError:
        raise DecodeError("not JSON") from None
    if not isinstance(values, dict):
        raise DecodeError("not a JSON object")
    if values.get("version") != version:
        raise DecodeError("unknown version")
    return values


def read_fields(cls: type[Message], values: Any) -> Message:
    """Return a dataclass made of a JSON object; keys that are none of its fields' are ignored.

    Raises:
        DecodeError: a field is missing or its value is not what it should be; names its key.
    """
    if not isinstance(values, dict):
        raise DecodeError("not an object")
    known = {}
    for name, wire in _find_wire(cls).items():
        if wire.key not in values:
            if wire.default is MISSING:
                raise DecodeError(f"{wire.key} is missing")
            continue
        try:
            known[name] = wire.read(values[wire.key])
        except DecodeError as error:
            raise DecodeError(f"{wire.key}: {error}") from None
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
            raise DecodeError(f"{wire.key} is not what it should be") from None
    return cls(**known)


def write_fields(message: "DataclassInstance", *, omit_defaults: bool = False) -> dict[str, Any]:
    """Return a dataclass's values by their keys, in the order of its fields.

    Args:
        message: whose.
        omit_defaults: leave out what is as it is by default.
    """
    every = ((wire, getattr(message, name)) for name, wire in _find_wire(type(message)).items())
    return {wire.key: value for wire, value in every if not (omit_defaults and value == wire.default)}


def encode_object(version: int, values: dict[str, Any], default: Callable[[Any], Any] | None = None) -> bytes:
    """Return a JSON object as few bytes, with its version.

    Args:
        version: of its form.
        values: the rest of it.
        default: turns what JSON does not know into what it does.
    """
    told = {"version": version, **values}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"), default=default).encode()


@cache
def _find_wire(cls: type["DataclassInstance"]) -> dict[str, _Wire]:
    hints = get_type_hints(cls, include_extras=True)
    return {field.name: _describe(field, hints[field.name]) for field in fields(cls)}


def _describe(field: Field[Any], hint: Any) -> _Wire:
    read, *keys = hint.__metadata__
    has_factory = field.default_factory is not MISSING
    return _Wire(keys[0] if keys else field.name, read, None if has_factory else field.default)


def text(value: Any) -> str:
    """Return a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError("no text")
    return value


def exactly(kind: type[Value]) -> Reader[Value]:
    """Return a reader of values of one type, and of none that is derived from it."""

    def read(value: Any) -> Value:
        if type(value) is not kind:
            raise TypeError(type(value).__name__)
        return value

    return read


def integer(minimum: int, maximum: int) -> Reader[int]:
    """Return a reader of whole numbers within limits; neither `true` nor a number with a point is one."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
            raise ValueError("no such number")
        return value

    return read


def dict_of(read_value: Reader[Value]) -> Reader[dict[str, Value]]:
    """Return a reader of objects whose values are read by another reader."""
    return lambda value: {str(key): read_value(each) for key, each in value.items()}


def tuple_of(read_value: Reader[Value]) -> Reader[tuple[Value, ...]]:
    """Return a reader of arrays whose values are read by another reader."""
    return lambda value: tuple(read_value(each) for each in value)


def optional(read_value: Reader[Value]) -> Reader[Value | None]:
    """Return a reader that lets `null` be, and passes anything else to another reader."""
    return lambda value: None if value is None else read_value(value)
