"""`Struct`: classes with typed fields, made by `dataclasses`, whose constructor, comparison and repr are the same."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable
from functools import cache
from typing import Any

NODEFAULT: Any = type("_NoDefault", (), {"__repr__": lambda _: "NODEFAULT", "__bool__": lambda _: False})()
_CASES: dict[str, Callable[[list[str]], str]] = {
    "kebab": "-".join,
    "camel": lambda words: words[0] + "".join(map(str.title, words[1:])),
    "pascal": lambda words: "".join(map(str.title, words)),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Meta:
    """What an annotation says beside the type; only the bounds of numbers are checked."""

    title: str | None = None
    description: str | None = None
    ge: int | None = None
    le: int | None = None
    extra_json_schema: dict[str, Any] | None = None


@dataclasses.dataclass(frozen=True)
class Marked:
    """A field whose class says more of it than its default."""

    default: Any
    default_factory: Any
    name: str | None


def field(*, default: Any = NODEFAULT, default_factory: Any = NODEFAULT, name: str | None = None) -> Any:
    """A field with another name in files, or with a default that is made anew."""
    return Marked(default, default_factory, name)


@dataclasses.dataclass(frozen=True)
class FieldInfo:
    """A field: its name here and in files, its type, and its default or what makes it."""

    name: str
    encode_name: str
    type: Any
    default: Any = NODEFAULT
    default_factory: Any = NODEFAULT

    @property
    def required(self) -> bool:
        """Whether there is no default."""
        return self.default is NODEFAULT and self.default_factory is NODEFAULT


@dataclasses.dataclass(frozen=True)
class Config:
    """The options of a class that its descendants inherit."""

    frozen: bool = False
    kw_only: bool = False
    order: bool = False
    rename: str | None = None
    omit_defaults: bool = False
    forbid_unknown_fields: bool = False


class StructMeta(type):
    """Makes a dataclass of each class."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> StructMeta:
        """The class."""
        options.pop("gc", None)  # a matter of memory, which means nothing here
        above = next((base for base in bases if isinstance(base, StructMeta)), None)
        if above is None:
            return super().__new__(cls, name, bases, namespace)
        inherited = getattr(above, "__struct_config__", Config())
        config = dataclasses.replace(inherited, **{"kw_only": False, **options})
        names = dict(getattr(above, "__struct_names__", {}))
        made = super().__new__(cls, name, bases, namespace)
        for own in inspect.get_annotations(made):
            default = namespace.get(own, NODEFAULT)
            said = default.name if isinstance(default, Marked) else None
            case = _CASES.get(config.rename or "")
            names[own] = said or (case(own.split("_")) if case else own)
            _set_default(made, own, default)
        dataclasses.dataclass(frozen=config.frozen, kw_only=config.kw_only, order=config.order)(made)  # type: ignore[arg-type]
        made.__struct_config__ = config  # type: ignore[attr-defined]
        made.__struct_names__ = names  # type: ignore[attr-defined]
        made.__struct_fields__ = tuple(found.name for found in dataclasses.fields(made))  # type: ignore[arg-type, attr-defined]
        return made


def _set_default(made: type, name: str, default: Any) -> None:
    """As a dataclass wants it: mutable defaults are made anew for each instance, as msgspec does it."""
    factory = default.default_factory if isinstance(default, Marked) else NODEFAULT
    if isinstance(default, Marked):
        default = default.default
    if type(default) in (dict, list, set) and not default:
        factory = type(default)
    if factory is not NODEFAULT:
        setattr(made, name, dataclasses.field(default_factory=factory))
    elif default is not NODEFAULT:
        # The factory, and not the value: a dataclass refuses a default that cannot be hashed.
        kept = default
        setattr(made, name, kept if _hashable(kept) else dataclasses.field(default_factory=lambda: kept))
    elif name in made.__dict__:
        delattr(made, name)


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


class Struct(metaclass=StructMeta):
    """The base of all."""


@cache
def fields_of(kind: type) -> tuple[FieldInfo, ...]:
    """The fields of a class, with their types looked up; those of a class above come first."""
    hints = typing.get_type_hints(kind, include_extras=True)
    found = []
    for item in dataclasses.fields(kind):
        default = NODEFAULT if item.default is dataclasses.MISSING else item.default
        factory = NODEFAULT if item.default_factory is dataclasses.MISSING else item.default_factory
        encode_name = kind.__struct_names__[item.name]  # type: ignore[attr-defined]
        found.append(FieldInfo(item.name, encode_name, hints[item.name], default, factory))
    return tuple(found)
