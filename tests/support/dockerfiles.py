"""Dockerfiles read back: BuildKit's own parser (the `dockerfile` package), and a port of its word processing."""

from __future__ import annotations

from typing import Any

import dockerfile
import msgspec


class Instruction(msgspec.Struct, frozen=True):
    """One instruction; `words` as the parser splits them, not yet processed."""

    name: str
    words: tuple[str, ...]
    flags: tuple[str, ...]
    json: bool


class Read(msgspec.Struct, frozen=True):
    """A whole Dockerfile."""

    instructions: tuple[Instruction, ...]

    def names(self) -> list[str]:
        return [instruction.name for instruction in self.instructions]

    def last_stage(self) -> list[Instruction]:
        start = max(i for i, instruction in enumerate(self.instructions) if instruction.name == "FROM")
        return list(self.instructions[start:])

    def one(self, name: str) -> Instruction:
        """The only instruction of that name in the last stage."""
        (found,) = [instruction for instruction in self.last_stage() if instruction.name == name]
        return found

    def pairs(self, name: str) -> dict[str, str]:
        """ENV or LABEL of the last stage as values; `$PATH` expands to itself."""
        words = self.one(name).words
        return {process(key): process(value) for key, value in zip(words[::2], words[1::2], strict=True)}


def read(text: str) -> Read:
    commands: tuple[Any, ...] = dockerfile.parse_string(text)
    return Read(tuple(Instruction(c.cmd.upper(), tuple(c.value), tuple(c.flags), c.json) for c in commands))


def process(word: str) -> str:
    """What BuildKit makes of a word (frontend/dockerfile/shell/lex.go); an expansion other than $PATH is an error."""
    out, i = [], 0
    quote = ""
    while i < len(word):
        char = word[i]
        if quote == "'":
            if char == "'":
                quote = ""
            else:
                out.append(char)
        elif char == "\\":
            following = word[i + 1 : i + 2]
            if quote == '"' and following not in ('"', "$", "\\"):
                out.append("\\")
            elif not following:
                break
            out.append(following)
            i += 1
        elif char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        elif char == "$":
            if not word.startswith("$PATH", i):
                raise ValueError(f"{word!r} expands a variable")
            out.append("$PATH")
            i += len("$PATH") - 1
        else:
            out.append(char)
        i += 1
    if quote:
        raise ValueError(f"{word!r} has an open quote")
    return "".join(out)
