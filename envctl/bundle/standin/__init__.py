"""What envctl's verifier uses of msgspec, in plain Python, for the archive in which no compiled library can be.

Same names, same results, same messages, as far as the verifier goes (tests/integration/test_standin.py holds both
against each other). It is slower, and knows no tagged unions, no hooks, no lax conversion and no MessagePack.
"""

from __future__ import annotations

from . import inspect, json, structs
from .builtins import Raw, to_builtins
from .convert import convert
from .errors import DecodeError, MsgspecError, ValidationError
from .struct import NODEFAULT, Meta, Struct, field

__all__ = [
    "NODEFAULT",
    "DecodeError",
    "Meta",
    "MsgspecError",
    "Raw",
    "Struct",
    "ValidationError",
    "convert",
    "field",
    "inspect",
    "json",
    "structs",
    "to_builtins",
]
