"""The types of a struct's fields as values, for whoever walks through untrusted tables."""

from __future__ import annotations

import collections.abc
import dataclasses
import types
import typing
from functools import cache
from typing import Any

from . import struct


class Type:
    """Any of these."""


@dataclasses.dataclass(frozen=True)
class Field:
    """A field: its name here and in files, its type, and whether it has no default."""

    name: str
    encode_name: str
    type: Type
    required: bool


@dataclasses.dataclass(frozen=True)
class AnyType(Type):
    """Anything."""


@dataclasses.dataclass(frozen=True)
class NoneType(Type):
    """None."""


@dataclasses.dataclass(frozen=True)
class BoolType(Type):
    """True or false."""


@dataclasses.dataclass(frozen=True)
class IntType(Type):
    """A whole number within bounds."""

    ge: int | None = None
    le: int | None = None


@dataclasses.dataclass(frozen=True)
class StrType(Type):
    """A text."""


@dataclasses.dataclass(frozen=True)
class VarTupleType(Type):
    """A list of one type."""

    item_type: Type


@dataclasses.dataclass(frozen=True)
class DictType(Type):
    """A table of one type."""

    key_type: Type
    value_type: Type


@dataclasses.dataclass(frozen=True)
class UnionType(Type):
    """One of several."""

    types: tuple[Type, ...]


@dataclasses.dataclass(frozen=True)
class Metadata(Type):
    """A type of which an editor is told more."""

    type: Type
    extra_json_schema: Any = None


@dataclasses.dataclass(frozen=True)
class StructType(Type):
    """A table with named keys; `fields` are looked up when they are asked for."""

    cls: type

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields, in the order of the class."""
        return _fields(self.cls)


@cache
def _fields(cls: type) -> tuple[Field, ...]:
    infos = struct.fields_of(cls)
    return tuple(Field(info.name, info.encode_name, type_info(info.type), info.required) for info in infos)


def type_info(kind: Any) -> Type:
    """What a type is; TypeError for one that no table of envctl has."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return _annotated(arguments[0], arguments[1:])
    if origin in (typing.Union, types.UnionType):
        return UnionType(tuple(map(type_info, arguments)))
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return VarTupleType(type_info(arguments[0]))
    if origin in (dict, collections.abc.Mapping):
        return DictType(*map(type_info, arguments))
    if isinstance(kind, struct.StructMeta):
        return StructType(kind)
    plain = {Any: AnyType, None: NoneType, type(None): NoneType, bool: BoolType, int: IntType, str: StrType}
    return plain[kind]()


def _annotated(kind: Any, marks: tuple[Any, ...]) -> Type:
    found = type_info(kind)
    for mark in marks:
        if isinstance(found, IntType) and (mark.ge, mark.le) != (None, None):
            found = IntType(mark.ge, mark.le)
        if mark.description is not None or mark.extra_json_schema is not None or mark.title is not None:
            found = Metadata(found.type if isinstance(found, Metadata) else found, mark.extra_json_schema)
    return found
