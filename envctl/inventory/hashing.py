"""Hash many files on all processors: the largest first, in batches that whichever worker is free takes next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
        self._workers = Workers(hasher, workers or min(processors(), _MOST_WORKERS))
        self._batches: list[list[bytes]] = []
        self._small: list[tuple[int, bytes]] = []

    def add(self, path: bytes, size: int) -> None:
        """One more file; `size` only says which come first."""
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

    def finish(self) -> Iterator[tuple[bytes, str]]:
        """Each path with what `hasher.answer` says of it."""
        missing = set(range(len(self._batches)))
        rest = b""
        for piece in self._workers.answers():
            blocks, _, rest = (rest + piece).rpartition(b"\n\n")
            for number, answers in _read(blocks, self._batches):
                missing.discard(number)
                yield from zip(self._batches[number], answers, strict=True)
        for number in sorted(missing):
            # What a worker took and never answered (it was killed, or could not start) is hashed here.
            yield from ((path, hasher.answer(path)) for path in self._batches[number])

    def __enter__(self) -> Hashing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes."""
        self._workers.__exit__(kind, error, trace)


def hash_files(files: Sequence[tuple[bytes, int]], *, workers: int | None = None) -> dict[bytes, str]:
    """Hash each (path, size) now: 64 hex digits, or `!` and a reason where a file could not be read."""
    with Hashing(workers) as hashing:
        for path, size in files:
            hashing.add(path, size)
        hashing.complete()
        return {path: line if line[0] == "!" else line[:64] for path, line in hashing.finish()}


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


def _read(blocks: bytes, batches: list[list[bytes]]) -> Iterator[tuple[int, list[str]]]:
    for block in blocks.decode("utf-8", "replace").split("\n\n"):
        number, *lines = block.split("\n")
        if number.isdecimal() and int(number) < len(batches) and len(lines) == len(batches[int(number)]):
            yield int(number), lines
