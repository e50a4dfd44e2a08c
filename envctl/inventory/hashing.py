"""Hash many files on all processors: the largest first, in batches that whoever is free takes next.

This process is one of the workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from envctl.inventory import hasher
from envctl.inventory.workers import processors, share

_BATCH_BYTES = 4 * 2**20
_BATCH_FILES = 100
_WORTH_A_WORKER = 32 * 2**20  # starting an interpreter takes about as long as hashing this many bytes
_FILE = 32 * 2**10  # opening a file takes about as long as hashing this many bytes
_MOST_WORKERS = 8


def hash_files(files: Sequence[tuple[bytes, int]], *, workers: int | None = None) -> dict[bytes, str]:
    """The sha256 (64 hex digits) of each (path, size), or `!` and a reason where a file could not be read.

    `workers` is the number of processes; by default it follows from the work and the processors.
    """
    ordered = sorted(files, key=lambda item: item[1], reverse=True)
    if workers is None:
        work = sum(size for _, size in ordered) + _FILE * len(ordered)
        workers = max(1, min(processors(), _MOST_WORKERS, work // _WORTH_A_WORKER))
    batches = _batches(ordered)
    if workers == 1 or len(batches) < 2:
        return {path: hasher.answer(path) for path, _ in ordered}
    answers = _shared(batches, workers)
    found: dict[bytes, str] = {}
    for number, batch in enumerate(batches):
        # What a helper took and never answered (it was killed, or could not start) is hashed here.
        got = answers.get(number) or [hasher.answer(path) for path in batch]
        found.update(zip(batch, got, strict=True))
    return found


def _batches(ordered: Sequence[tuple[bytes, int]]) -> list[list[bytes]]:
    batches: list[list[bytes]] = []
    room = -1
    for path, size in ordered:
        if room < size or len(batches[-1]) == _BATCH_FILES:
            batches.append([])
            room = _BATCH_BYTES
        batches[-1].append(path)
        room -= size
    return batches


def _shared(batches: list[list[bytes]], workers: int) -> dict[int, list[str]]:
    answers: dict[int, list[str]] = {}
    output = share(
        Path(hasher.__file__),
        b"\0\0".join(b"\0".join(batch) for batch in batches),
        len(batches),
        workers=workers - 1,
        meanwhile=lambda numbers: answers.update(hasher.take(numbers, batches)),
    )
    answers.update(_read(output, batches))
    return answers


def _read(output: bytes, batches: list[list[bytes]]) -> dict[int, list[str]]:
    answers = {}
    for block in output.decode("utf-8", "replace").split("\n\n")[:-1]:
        number, *lines = block.split("\n")
        if number.isdecimal() and int(number) < len(batches) and len(lines) == len(batches[int(number)]):
            answers[int(number)] = lines
    return answers
