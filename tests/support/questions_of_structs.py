"""What a program does with structs, asked of whatever `msgspec` is here. Standard library only, beside envctl."""

from __future__ import annotations

import importlib
import json
from typing import Any

import msgspec


def answers(asked: list[list[Any]]) -> list[list[Any]]:
    """An answer to each question: its kind, and what came of it."""
    return [_answer(*question) for question in asked]


def _answer(deed: str, place: str, value: Any) -> list[Any]:
    module, _, name = place.partition(":")
    kind = getattr(importlib.import_module(module), name)
    if deed == "inspect":
        return ["types", _shape(msgspec.inspect.type_info(kind))]
    try:
        made = (
            msgspec.convert(value, kind)
            if deed == "convert"
            else msgspec.json.decode(json.dumps(value).encode(), type=kind)
        )
    except msgspec.MsgspecError as error:
        return [type(error).__name__, str(error)]
    first = made.__struct_fields__[0]
    again = msgspec.structs.replace(made, **{first: getattr(made, first)})
    assert again == made
    return [
        repr(made),
        msgspec.to_builtins(made),
        msgspec.json.format(msgspec.json.encode(made), indent=2).decode(),
        msgspec.json.encode({"rows": [msgspec.Raw(msgspec.json.encode(made))]}).decode(),
        [[info.name, info.encode_name, info.required] for info in msgspec.structs.fields(kind)],
        list(made.__struct_fields__),
        _frozen(made, first),
    ]


def _frozen(made: Any, name: str) -> list[Any]:
    """What comes of assigning a field, and of hashing."""
    found: list[Any] = []
    for deed in (lambda: setattr(made, name, getattr(made, name)), lambda: (hash(made), None)[1]):
        try:
            found.append(deed())
        except (AttributeError, TypeError) as error:
            found.append("refused" if not isinstance(error, TypeError) else "unhashable")
    return found


def _shape(kind: Any) -> Any:
    """A type as plain values, with its class's own name."""
    name = type(kind).__name__
    parts = {
        "StructType": lambda: [[f.name, f.encode_name, f.required, _shape(f.type)] for f in kind.fields],
        "UnionType": lambda: sorted(json.dumps(_shape(part)) for part in kind.types),
        "VarTupleType": lambda: _shape(kind.item_type),
        "DictType": lambda: [_shape(kind.key_type), _shape(kind.value_type)],
        "Metadata": lambda: _shape(kind.type),
        "IntType": lambda: [kind.ge, kind.le],
    }
    return [name, parts[name]() if name in parts else None]
