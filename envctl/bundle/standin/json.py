"""JSON by the standard library."""

from __future__ import annotations

import json
from typing import Any

from .builtins import to_builtins
from .convert import convert
from .errors import DecodeError


def encode(value: Any) -> bytes:
    """The value in one line, without spaces."""
    return json.dumps(to_builtins(value), ensure_ascii=False, separators=(",", ":")).encode()


def decode(data: bytes | str, *, type: Any = Any) -> Any:  # noqa: A002  # msgspec's own name of it
    """What the text says, as a value of that type.

    Raises:
        DecodeError: it is no JSON.
        ValidationError: it is of another type.
        UnicodeDecodeError: it is no UTF-8.
    """
    try:
        # a surrogate that stands alone is none that any text may hold
        value = json.loads(data if isinstance(data, str) else str(data, "utf-8"), parse_constant=_refuse)
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeDecodeError:
        raise
    except (ValueError, UnicodeEncodeError) as error:
        raise DecodeError(f"JSON is malformed: {error}") from error
    return convert(value, type)


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def format(data: bytes, *, indent: int = 2) -> bytes:  # noqa: A001  # msgspec's own name of it
    """The same JSON over many lines."""
    return json.dumps(json.loads(data), ensure_ascii=False, indent=indent).encode()
