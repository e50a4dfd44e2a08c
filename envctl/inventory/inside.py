"""Compile with the pinned base image's own interpreter, in a container that can reach nothing and keep nothing.

Bytecode differs between patch releases of Python, and the base image has the right one, at a digest that the lockfile
pins. It gets contents and gives back a word for each; nothing of the image that is verified is run.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping

import msgspec

from envctl.inventory import recompiler
from envctl.inventory.workers import FLAGS
from envctl.model.inventory import Bytecode
from envctl.system.sources import source_of

_SIZES = struct.Struct("<IIIB")
_ATTEMPTS = 4
_BOOT = """
import struct, sys
stream, names = sys.stdin.buffer, {"__name__": "work"}
exec(compile(stream.read(struct.unpack("<I", stream.read(4))[0]), "recompiler.py", "exec"), names)
names["_prepare"]()
while head := stream.read(13):
    sizes = struct.unpack("<IIIB", head)
    pyc, source, name = (stream.read(size) for size in sizes[:3])
    try:
        answer = names["compare"](pyc, source, name.decode("utf-8", "surrogateescape"), sizes[3])[0]
    except MemoryError:
        answer = "unknown"
    except (SyntaxError, ValueError, TypeError, EOFError, RecursionError, OverflowError):
        answer = "foreign"
    sys.stdout.write(answer + "\\n")
    sys.stdout.flush()
"""

Converse = Callable[[list[str], Iterator[bytes]], bytes]
"""Start a program in the base image with arguments, write pieces to its standard input, and give what it writes."""


class Pair(msgspec.Struct, frozen=True):
    """A `.pyc` and its source, the absolute path of the source in the image, and the optimisation level."""

    pyc: bytes
    source: bytes
    path: str
    level: int


def recompile_inside(pairs: Mapping[str, Callable[[], Pair]], converse: Converse) -> dict[str, Bytecode]:
    """How each `.pyc` compares, by its path; those on which the interpreter died are not in the answer.

    Args:
        pairs: path -> what reads the pair, so that not all are in memory at once.
    """
    known = {status.value: status for status in Bytecode}
    found: dict[str, Bytecode] = {}
    left = list(pairs)
    for _ in range(_ATTEMPTS):
        if not left:
            break
        answers = converse([*FLAGS, "-c", _BOOT], _question([pairs[path] for path in left])).decode("ascii", "replace")
        lines = answers.split("\n")[:-1]
        found.update((path, known[line]) for path, line in zip(left, lines, strict=False) if line in known)
        left = left[len(lines) + 1 :]  # the next one ended it
    return found


def _question(pairs: list[Callable[[], Pair]]) -> Iterator[bytes]:
    script = source_of(recompiler).encode()
    yield struct.pack("<I", len(script)) + script
    for read in pairs:
        pair = read()
        name = pair.path.encode("utf-8", "surrogateescape")
        yield _SIZES.pack(len(pair.pyc), len(pair.source), len(name), pair.level) + pair.pyc + pair.source + name
