"""Hash many files on all processors: the largest first, in batches that whoever is free takes next.

This process is one of the workers; the others are isolated interpreters that run `hasher.py` and nothing else, so that
neither variables of the caller nor anything in an environment reaches them.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from envctl.inventory import hasher
from envctl.inventory.isolation import isolated, processors

_BATCH_BYTES = 4 * 2**20
_BATCH_FILES = 100
_MOST_BATCHES = 8_000  # their numbers, four bytes each, fit into a pipe
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
    most = max(_BATCH_FILES, len(ordered) // (_MOST_BATCHES // 2))
    space = max(_BATCH_BYTES, sum(size for _, size in ordered) // (_MOST_BATCHES // 2))
    batches: list[list[bytes]] = []
    room = -1
    for path, size in ordered:
        if room < size or len(batches[-1]) == most:
            batches.append([])
            room = space
        batches[-1].append(path)
        room -= size
    return batches


def _shared(batches: list[list[bytes]], workers: int) -> dict[int, list[str]]:
    command, environment = isolated(Path(hasher.__file__))
    numbers, fill = os.pipe()
    helpers: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryFile() as listing:
        try:
            with os.fdopen(fill, "wb") as pipe:
                pipe.write(b"".join(number.to_bytes(4, "little") for number in range(len(batches))))
            listing.write(b"\0\0".join(b"\0".join(batch) for batch in batches))
            listing.flush()
            helpers.extend(_start([*command, str(numbers)], environment, numbers, listing) for _ in range(workers - 1))
            answers = hasher.take(numbers, batches)
            for helper in helpers:
                answers.update(_read(helper.communicate()[0], batches))
            return answers
        finally:
            os.close(numbers)
            for helper in helpers:
                if helper.poll() is None:
                    helper.kill()
                    helper.communicate()


def _start(
    command: Sequence[str], environment: dict[str, str], numbers: int, listing: IO[bytes]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env=environment,
        pass_fds=(numbers,),
        stdin=listing,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _read(output: bytes, batches: list[list[bytes]]) -> dict[int, list[str]]:
    answers = {}
    for block in output.decode("utf-8", "replace").split("\n\n")[:-1]:
        number, *lines = block.split("\n")
        if number.isdecimal() and int(number) < len(batches) and len(lines) == len(batches[int(number)]):
            answers[int(number)] = lines
    return answers
