"""Functions on structs."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from .struct import FieldInfo, Struct, fields_of

T = TypeVar("T", bound=Struct)

__all__ = ["FieldInfo", "fields", "replace"]


def replace(struct: T, /, **changes: Any) -> T:
    """A copy with other values."""
    made: T = dataclasses.replace(struct, **changes)  # type: ignore[type-var]
    return made


def fields(struct: Any) -> tuple[FieldInfo, ...]:
    """The fields of a class, or of an instance's class."""
    return fields_of(struct if isinstance(struct, type) else type(struct))
