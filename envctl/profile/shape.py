"""Keys and types of a profile file, as `envctl.model.profile` declares them; the one walk over untrusted tables."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta, inspect

from envctl.model.profile import Name, Profile
from envctl.profile import checks
from envctl.profile.positions import spell
from envctl.profile.rules import removal
from envctl.profile.show import nearest
from envctl.profile.source import Path_, Source, refuse_unseen

Unset = Annotated[
    tuple[str, ...],
    Meta(
        description="Inherited values to take away before this part is merged, by key path.",
        extra_json_schema={"examples": [["image.user", "resolver.index.torch-cpu"]]},
    ),
]


class FileKeys(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """What a file may say beside the keys of a merged profile; `variants` holds tables of those keys and `unset`."""

    extends: Annotated[
        tuple[Name, ...],
        Meta(description="Profiles of the same folder that this one builds on; later wins, this file last."),
    ] = ()
    default_variant: Annotated[
        Name | None, Meta(description="The variant that is meant where a command names the profile alone.")
    ] = None
    unset: Unset = ()


@lru_cache(maxsize=2)
def fields(kind: type[msgspec.Struct]) -> dict[str, inspect.Type]:
    """The keys of a table, as files spell them, with their types."""
    info = inspect.type_info(kind)
    return {field.encode_name: field.type for field in getattr(info, "fields", ())}


def check_file(source: Source) -> None:
    """Check keys, types and the syntax of every value of a profile file; InvalidFile for the first that is wrong."""
    own, layer = fields(FileKeys), fields(Profile)
    known = {**layer, **own}
    for key, value in source.data.items():
        if key == "variants":
            _variants(source, value)
        elif key in known:
            _value(known[key], value, (key,), key, source)
        else:
            raise _unknown(key, (), (*known, "variants"), source)


def _variants(source: Source, value: object) -> None:
    if not isinstance(value, dict):
        raise source.error("variants is not a table", ("variants",), found=value, expected="[variants.NAME] tables")
    known = {**fields(Profile), "unset": fields(FileKeys)["unset"]}
    for name, table in value.items():
        path = ("variants", name)
        _unfit(checks.name, name, path, source)
        if not isinstance(table, dict):
            raise source.error(f"{spell(path)} is not a table", path, found=table, expected="a table of profile keys")
        for key, item in table.items():
            if key not in known:
                raise _unknown(key, path, tuple(known), source)
            _value(known[key], item, (*path, key), key, source)


def _value(kind: inspect.Type, value: object, path: Path_, generic: str, source: Source) -> None:
    chosen = _choose(kind, value)
    if chosen is None:
        raise source.error(f"{spell(path)} is not {_expected(kind)}", path, found=value, hint=_type_hint(kind, value))
    check = checks.CHECKS.get(generic)
    if isinstance(value, str):
        refuse_unseen(value, path, source)
    if check is not None:
        _unfit(check, value, path, source)
    if isinstance(chosen, inspect.VarTupleType) and isinstance(value, list):
        for index, item in enumerate(value):
            entry = (*path, index)
            if removal(generic, item) is not None and isinstance(chosen.item_type, (inspect.StrType, inspect.Metadata)):
                refuse_unseen(item, entry, source)
            else:
                _value(chosen.item_type, item, entry, f"{generic}[]", source)
    elif isinstance(chosen, inspect.StructType) and isinstance(value, dict):
        _struct(chosen, value, path, generic, source)
    elif isinstance(chosen, inspect.DictType) and isinstance(value, dict):
        for key, item in value.items():
            refuse_unseen({key: None}, path, source)
            check = checks.CHECKS.get(f"{generic}{{key}}")
            if check is not None:
                _unfit(check, key, (*path, key), source)
            _value(chosen.value_type, item, (*path, key), f"{generic}{{}}", source)


def _struct(kind: inspect.StructType, value: dict[str, Any], path: Path_, generic: str, source: Source) -> None:
    known = {field.encode_name: field for field in kind.fields}
    for key, item in value.items():
        if key not in known:
            raise _unknown(key, path, tuple(known), source)
        _value(known[key].type, item, (*path, key), f"{generic}.{key}", source)
    if generic.endswith("[]"):  # entries of lists are whole; other tables are put together from several files
        missing = [name for name, field in known.items() if field.required and name not in value]
        if missing:
            raise source.error(f"{spell(path)} has no {missing[0]}", path, expected=f"the keys {', '.join(known)}")


def _unfit(check: checks.Check, value: Any, path: Path_, source: Source) -> None:
    try:
        check(value)
    except checks.Unfit as unfit:
        raise source.error(
            f"{spell(path)} {unfit.what}",
            path,
            found=unfit.found or value,
            expected=unfit.expected,
            hint=unfit.hint,
            caret=unfit.caret,
        ) from unfit


def _unknown(key: str, path: Path_, known: tuple[str, ...], source: Source) -> Exception:
    refuse_unseen({key: None}, path, source)
    near = nearest(key, known)
    hint = f"did you mean {near}?" if near else _elsewhere(key, path)
    return source.error(
        f"{spell((*path, key))} is not a key of a profile",
        (*path, key),
        expected=None if near else f"one of {', '.join(known)}",
        hint=hint,
    )


def _elsewhere(key: str, path: Path_) -> str | None:
    """Where a key that stands in the wrong table belongs."""
    if path and key in {**fields(Profile), **fields(FileKeys)}:
        return f"{key} belongs at the top of the file, before the first [table]"
    for name, kind in fields(Profile).items():
        table = _choose(kind, {})
        if isinstance(table, inspect.StructType) and name != "conda":
            near = nearest(key, [field.encode_name for field in table.fields])
            if near is not None:
                return f"{near} belongs in [{name}]"
    return None


def _choose(kind: inspect.Type, value: object) -> inspect.Type | None:  # noqa: PLR0911  # one return for each type
    """The part of a declared type that the value has; None where it has none of them."""
    match kind:
        case inspect.Metadata():
            return _choose(kind.type, value)
        case inspect.UnionType():
            return next((found for part in kind.types if (found := _choose(part, value)) is not None), None)
        case inspect.StrType():
            return kind if isinstance(value, str) else None
        case inspect.BoolType():
            return kind if isinstance(value, bool) else None
        case inspect.IntType():
            whole = isinstance(value, int) and not isinstance(value, bool)
            return kind if whole and (kind.ge or 0) <= value <= (kind.le or value) else None  # type: ignore[operator]
        case inspect.VarTupleType():
            return kind if isinstance(value, list) else None
        case inspect.StructType() | inspect.DictType():
            return kind if isinstance(value, dict) else None
    return None


def _expected(kind: inspect.Type) -> str:  # noqa: PLR0911  # one return for each type
    match kind:
        case inspect.Metadata():
            return _expected(kind.type)
        case inspect.UnionType():
            return " or ".join(_expected(part) for part in kind.types if not isinstance(part, inspect.NoneType))
        case inspect.StrType():
            return "a string"
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return f"a whole number from {kind.ge} to {kind.le}"
        case inspect.VarTupleType():
            return f"a list of {_plural(kind.item_type)}"
        case inspect.DictType():
            return f"a table of {_plural(kind.value_type)}"
    return "a table"


def _plural(kind: inspect.Type) -> str:
    name = _expected(kind)
    return {"a string": "strings", "a table": "tables"}.get(name, name.replace("a whole number", "whole numbers", 1))


def _type_hint(kind: inspect.Type, value: object) -> str | None:
    wants = _expected(kind)
    if "a string" in wants and not isinstance(value, (dict, list, bool)):
        return "write it in quotes"
    if wants.startswith("a list") and not isinstance(value, dict):
        return "write it in brackets: [ … ]"
    return None
