"""Structs to plain values."""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Iterable
from enum import Enum
from typing import Any

from .struct import NODEFAULT, FieldInfo, Struct, fields_of


class Raw(bytes):
    """A value that is JSON already."""


def to_builtins(value: Any, *, builtin_types: Iterable[type] = ()) -> Any:
    """The value as dicts, lists, strings and numbers; values of `builtin_types` stay what they are."""
    return _plain(value, tuple(builtin_types))


def _plain(value: Any, kept: tuple[type, ...]) -> Any:  # noqa: PLR0911  # one return for each kind
    if value is None or isinstance(value, kept):
        return value
    if isinstance(value, Enum):
        return _plain(value.value, kept)
    if isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, Struct):
        omit = type(value).__struct_config__.omit_defaults  # type: ignore[attr-defined]
        pairs = ((info, getattr(value, info.name)) for info in fields_of(type(value)))
        return {info.encode_name: _plain(item, kept) for info, item in pairs if not (omit and _is_default(info, item))}
    if isinstance(value, dict):
        return {_plain(name, kept): _plain(item, kept) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item, kept) for item in value]
    if isinstance(value, Raw):
        return json.loads(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        text = value.isoformat()
        return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text
    raise TypeError(f"Encoding objects of type {type(value).__qualname__} is unsupported")


def _is_default(info: FieldInfo, value: Any) -> bool:
    """As msgspec sees it: the default itself, or something empty of the kind that the default makes."""
    if info.default_factory is not NODEFAULT:
        factory = info.default_factory
        return factory in (dict, list, set) and type(value) is factory and not value
    default = info.default
    return value is default or (
        type(value) is type(default) and isinstance(value, (str, int, float, tuple, frozenset)) and value == default
    )
