"""Plain values to typed ones, strictly: no number from a text, no text from a number."""

from __future__ import annotations

import base64
import binascii
import collections.abc
import datetime
import re
import types
import typing
from collections.abc import Callable
from enum import Enum
from typing import Any

from .errors import ValidationError
from .struct import NODEFAULT, Meta, Struct, fields_of

_NAMES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (type(None), "null"),
    (bool, "bool"),
    (int, "int"),
    (float, "float"),
    (str, "str"),
    ((bytes, bytearray, memoryview), "bytes"),
    (datetime.datetime, "datetime"),
    (datetime.date, "date"),
    (datetime.time, "time"),
    ((dict, Struct), "object"),
    ((list, tuple, set, frozenset), "array"),
)
_ORDER = ("bool", "int", "float", "str", "bytes", "datetime", "object", "array", "null")
_ARRAYS: dict[Any, Callable[[list[Any]], Any]] = {
    list: list,
    tuple: tuple,
    frozenset: frozenset,
    set: set,
    collections.abc.Sequence: list,
}
_TABLES = (dict, collections.abc.Mapping)
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?(?:([Zz])|([+-]\d\d:?\d\d))?", re.ASCII)


def convert(value: Any, type: Any) -> Any:  # noqa: A002  # msgspec's own name of the argument
    """The value as one of that type; ValidationError with the place of the first that cannot be one."""
    return _convert(value, type, "")


def _convert(value: Any, kind: Any, at: str) -> Any:
    if kind is Any:
        return value
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return _bounded(_convert(value, arguments[0], at), arguments[1:], at)
    if origin in (typing.Union, types.UnionType):
        return _one_of(value, kind, arguments, at)
    if origin is None and kind in _ARRAYS:
        origin, arguments = kind, (Any,)
    if origin in _ARRAYS and isinstance(value, (list, tuple, set, frozenset)):
        return _ARRAYS[origin]([_convert(item, arguments[0], f"{at}[{i}]") for i, item in enumerate(value)])
    if (kind in _TABLES or origin in _TABLES) and isinstance(value, dict):
        of, to = arguments or (Any, Any)
        return {_key(name, of, at): _convert(item, to, f"{at}[...]") for name, item in value.items()}
    if origin is None and isinstance(kind, type):
        return _plain(value, kind, at)
    raise _wrong(value, kind, at)


def _plain(value: Any, kind: type, at: str) -> Any:
    """A value of a class that has no arguments."""
    if issubclass(kind, Struct):
        return value if isinstance(value, kind) else _struct(value, kind, at)
    if issubclass(kind, Enum):
        return _member(value, kind, at)
    if isinstance(value, kind) and not (isinstance(value, bool) and kind in (int, float)):
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is datetime.datetime and isinstance(value, str):
        return _moment(value, at)
    if kind is bytes and isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise _error("Invalid base64 encoded string", at) from None
    raise _wrong(value, kind, at)


def _struct(value: Any, kind: type[Struct], at: str) -> Any:
    if not isinstance(value, dict):
        raise _wrong(value, kind, at)
    fields = {info.encode_name: info for info in fields_of(kind)}
    found = {}
    for name, item in value.items():
        if not isinstance(name, str):
            raise _error(f"Expected `str`{_got(name)}", at, key=True)
        info = fields.get(name)
        if info is not None:
            found[info.name] = _convert(item, info.type, f"{at}.{name}")
        elif kind.__struct_config__.forbid_unknown_fields:  # type: ignore[attr-defined]
            raise _error(f"Object contains unknown field `{name}`", at)
    for name, info in fields.items():
        if info.name not in found and info.default is NODEFAULT and info.default_factory is NODEFAULT:
            raise _error(f"Object missing required field `{name}`", at)
    return kind(**found)


def _member(value: Any, kind: type[Enum], at: str, *, key: bool = False) -> Enum:
    if isinstance(value, kind):
        return value
    for member in kind:
        if member.value == value and type(member.value) is type(value):
            return member
    if not isinstance(value, str):
        raise _error(f"Expected `str`{_got(value)}", at, key=key)
    raise _error(f"Invalid enum value {value!r}", at, key=key)


def _key(name: Any, kind: Any, at: str) -> Any:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _member(name, kind, at, key=True)
    if kind is not Any and not isinstance(name, str):
        raise _error(f"Expected `str`{_got(name)}", at, key=True)
    return name


def _one_of(value: Any, kind: Any, parts: tuple[Any, ...], at: str) -> Any:
    """A union has at most one type of each name, so what the value is called says which part it must be."""
    said = _name(value)
    for part in parts:
        name = _called(part)
        if name in ("any", said) or (said, name) in (("int", "float"), ("str", "datetime"), ("str", "bytes")):
            return _convert(value, part, at)
    raise _wrong(value, kind, at)


def _bounded(value: Any, marks: tuple[Any, ...], at: str) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        for mark in marks:
            if isinstance(mark, Meta) and mark.ge is not None and value < mark.ge:
                raise _error(f"Expected `{_name(value)}` >= {mark.ge}", at)
            if isinstance(mark, Meta) and mark.le is not None and value > mark.le:
                raise _error(f"Expected `{_name(value)}` <= {mark.le}", at)
    return value


def _moment(text: str, at: str) -> datetime.datetime:
    """RFC 3339, as far as Python can say it."""
    match = _MOMENT.fullmatch(text)
    try:
        if match is None:
            raise ValueError(text)
        day, time, part, zulu, offset = match.groups()
        micro = "." + part.ljust(6, "0") if part else ""
        zone = "+00:00" if zulu else offset or ""
        if offset and ":" not in offset:
            zone = f"{offset[:3]}:{offset[3:]}"
        return datetime.datetime.fromisoformat(f"{day}T{time}{micro}{zone}")
    except ValueError:
        raise _error("Invalid RFC3339 encoded datetime", at) from None


def _name(value: Any) -> str:
    """What JSON and TOML call a value."""
    return next((name for kind, name in _NAMES if isinstance(value, kind)), type(value).__name__)


def _called(kind: Any) -> str:  # noqa: PLR0911  # one return for each type
    """The name that values of a type have."""
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        return _called(typing.get_args(kind)[0])
    if kind is Any:
        return "any"
    if kind is None:
        return "null"
    if kind in _ARRAYS or origin in _ARRAYS:
        return "array"
    if kind in _TABLES or origin in _TABLES or issubclass(kind, Struct):
        return "object"
    if issubclass(kind, Enum):
        return "str"
    return next((name for known, name in _NAMES if issubclass(kind, known)), kind.__name__)


def _wrong(value: Any, kind: Any, at: str) -> ValidationError:
    union = typing.get_origin(kind) in (typing.Union, types.UnionType)
    names = {_called(part) for part in typing.get_args(kind)} if union else {_called(kind)}
    expected = " | ".join(sorted(names, key=_ORDER.index))
    return _error(f"Expected `{expected}`{_got(value)}", at)


def _got(value: Any) -> str:
    return f", got `{_name(value)}`"


def _error(what: str, at: str, *, key: bool = False) -> ValidationError:
    place = f" - at `key` in `${at}`" if key else f" - at `${at}`" if at else ""
    return ValidationError(what + place)
