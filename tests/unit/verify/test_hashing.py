"""Hashing many files: each once, right, and by however many processes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from envctl.inventory import hasher, workers
from envctl.inventory.hashing import Hashing, hash_files


def make(folder: Path, sizes: list[int]) -> dict[bytes, str]:
    expected = {}
    for number, size in enumerate(sizes):
        path = folder / f"f{number}\n'é"
        data = bytes([number % 251]) * size
        path.write_bytes(data)
        expected[os.fsencode(path)] = hashlib.sha256(data).hexdigest()
    return expected


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_every_file_is_hashed_by_whoever_is_free(processes: int, tmp_path: Path) -> None:
    sizes = [0, 1, 131_071, 131_072, 131_073, 5 * 2**20, 2_000_001, *range(400)]
    expected = make(tmp_path, sizes)
    files = [(path, Path(os.fsdecode(path)).stat().st_size) for path in expected]
    assert hash_files(files, workers=processes) == expected


def test_nothing_to_hash_is_nothing() -> None:
    assert hash_files([]) == {}


def test_what_cannot_be_hashed_says_why(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "folder").mkdir()
    paths = [os.fsencode(tmp_path / name) for name in ("pipe", "link", "folder", "missing")]
    for processes in (1, 2):
        answers = hash_files([(path, 2**23) for path in paths], workers=processes)
        assert all(answers[path].startswith("!") for path in paths), answers


def test_a_file_that_is_written_to_meanwhile_is_not_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "growing"
    path.write_bytes(b"x" * 300_000)
    rest = hasher._rest

    def grow(descriptor: int, digest: object) -> int:
        total = rest(descriptor, digest)  # type: ignore[arg-type]
        with path.open("ab") as file:
            file.write(b"more")
        return total

    monkeypatch.setattr(hasher, "_rest", grow)
    with pytest.raises(hasher.Changed):
        hasher.measure(os.fsencode(path))


def test_a_helper_that_dies_leaves_no_file_unhashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = make(tmp_path, [5 * 2**20] * 3)
    monkeypatch.setattr(workers, "own_interpreter", lambda: "/bin/false")
    assert hash_files([(path, 5 * 2**20) for path in expected], workers=3) == expected
    monkeypatch.setattr(workers, "own_interpreter", lambda: str(tmp_path / "no-such-program"))
    assert hash_files([(path, 5 * 2**20) for path in expected], workers=3) == expected


def test_no_answer_of_workers_that_write_at_once_is_lost(tmp_path: Path) -> None:
    """Each batch is answered once; one that is not would be hashed by the caller, and hide it."""
    path = tmp_path / "small"
    path.write_bytes(b"x")
    with Hashing(8) as hashing:
        for _ in range(4000):
            hashing.add(os.fsencode(path), 2**20)  # by its size a batch of its own
        hashing.complete()
        answered = b"".join(hashing._workers.answers()).split(b"\n\n")
    numbers = sorted(int(block.partition(b"\n")[0]) for block in answered if block)
    assert numbers == list(range(4000))
