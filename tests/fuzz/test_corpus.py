"""Every input of the corpus: what honest files are, what fuzzing reached, and every input that was a defect once."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import pytest

from fuzz.one import SECONDS
from fuzz.targets import TARGETS, bounded

CORPUS = Path(__file__).parent / "corpus"
MEMORY = 48 * 2**20
"""Bytes that reading a small input may take at most."""


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_inputs_are_read_or_refused(name: str) -> None:
    target = TARGETS[name]
    paths = sorted((CORPUS / name).iterdir())
    assert any(path.name.startswith("seed-") for path in paths)
    bounded(target.run, target.refuses, b"")  # what is imported on the way
    tracemalloc.start()
    try:
        for path in paths:
            tracemalloc.reset_peak()
            start = time.process_time()
            bounded(target.run, target.refuses, path.read_bytes())
            assert time.process_time() - start < SECONDS * 5, path  # tracing memory slows everything down
            assert tracemalloc.get_traced_memory()[1] < MEMORY, path
    finally:
        tracemalloc.stop()


def test_each_corpus_has_its_target() -> None:
    assert {path.name for path in CORPUS.iterdir()} == TARGETS.keys()


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_seeds_are_what_the_program_makes_of_honest_files(name: str, tmp_path: Path) -> None:
    from fuzz.seeds import seeds

    target = TARGETS[name]
    made = {seed: data for of, seed, data in seeds(tmp_path) if of == name}
    assert made.keys() == {path.name.removeprefix("seed-") for path in (CORPUS / name).glob("seed-*")}
    if name not in {"document", "registry-answers", "profile"}:  # whose readers are given what others read
        for data in made.values():
            target.run(data)
