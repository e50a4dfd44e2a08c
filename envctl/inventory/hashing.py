"""Hash many files on all processors: the largest first, in batches that whichever worker is free takes next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from envctl.inventory import hasher
from envctl.inventory.workers import Workers, processors

_BATCH_BYTES = 4 * 2**20
_BATCH_FILES = 100
_LARGE = 2**20
_MOST_WORKERS = 8


class Hashing:
    """Hashes files in processes that start at once: large files as soon as they are named, the others afterwards."""

    def __init__(self, workers: int | None = None) -> None:
        self._workers = Workers(Path(hasher.__file__), workers or min(processors(), _MOST_WORKERS))
        self._batches: list[list[bytes]] = []
        self._small: list[tuple[int, bytes]] = []

    def add(self, path: bytes, size: int) -> None:
        """One more file."""
        if size >= _LARGE:
            self._give([[path]])
        else:
            self._small.append((size, path))

    def complete(self) -> None:
        """No further file."""
        self._give(_batches(sorted(self._small, reverse=True)))

    def _give(self, batches: list[list[bytes]]) -> None:
        self._batches += batches
        self._workers.give(b"\0".join(batch) for batch in batches)

    def finish(self) -> dict[bytes, str]:
        """By path, the sha256 (64 hex digits), or `!` and a reason where a file could not be read."""
        answers = _read(self._workers.answers(), self._batches)
        found: dict[bytes, str] = {}
        for number, batch in enumerate(self._batches):
            # What a worker took and never answered (it was killed, or could not start) is hashed here.
            got = answers.get(number) or [hasher.answer(path) for path in batch]
            found.update(zip(batch, got, strict=True))
        return found

    def __enter__(self) -> Hashing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes."""
        self._workers.__exit__(kind, error, trace)


def hash_files(files: Sequence[tuple[bytes, int]], *, workers: int | None = None) -> dict[bytes, str]:
    """Hash each (path, size) now; see `Hashing.finish`."""
    with Hashing(workers) as hashing:
        for path, size in files:
            hashing.add(path, size)
        hashing.complete()
        return hashing.finish()


def _batches(ordered: Sequence[tuple[int, bytes]]) -> list[list[bytes]]:
    batches: list[list[bytes]] = []
    room = -1
    for size, path in ordered:
        if room < size or len(batches[-1]) == _BATCH_FILES:
            batches.append([])
            room = _BATCH_BYTES
        batches[-1].append(path)
        room -= size
    return batches


def _read(output: bytes, batches: list[list[bytes]]) -> dict[int, list[str]]:
    answers = {}
    for block in output.decode("utf-8", "replace").split("\n\n")[:-1]:
        number, *lines = block.split("\n")
        if number.isdecimal() and int(number) < len(batches) and len(lines) == len(batches[int(number)]):
            answers[int(number)] = lines
    return answers
