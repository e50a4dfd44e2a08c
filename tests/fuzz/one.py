"""One target in a process of its own: fuzzed with atheris, which is guided by what of envctl is reached; or replayed.

Bounds of each input: two seconds of processor time, and for all of them 2 GiB of address space.
"""

from __future__ import annotations

import os
import random
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

SECONDS = 2.0
MEMORY = 2 << 30


class TooSlow(Exception):
    """An input took more processor time than it may."""


def checked(name: str) -> Callable[[bytes], None]:
    """The target as a function that raises for defects only."""
    from fuzz.targets import TARGETS, bounded

    target = TARGETS[name]

    def run(data: bytes) -> None:
        start = time.process_time()
        bounded(target.run, target.refuses, data)
        if (taken := time.process_time() - start) > SECONDS:
            raise TooSlow(f"{taken:.1f} s for {len(data):,} bytes")

    return run


def guided(name: str, arguments: list[str]) -> None:
    """Fuzz until libFuzzer's own options end it."""
    import atheris

    with atheris.instrument_imports(include=["envctl"], enable_loader_override=False):
        run = checked(name)
    run(b"")
    resource.setrlimit(resource.RLIMIT_AS, (max(MEMORY, 4 << 30), resource.RLIM_INFINITY))
    atheris.Setup([sys.argv[0], *arguments], run)
    atheris.Fuzz()


def unguided(name: str, seconds: float, corpus: list[Path], crash: Path) -> int:
    """Without atheris: changed seeds, for so many seconds; nothing guides them."""
    run = checked(name)
    seeds = [path.read_bytes() for folder in corpus for path in sorted(folder.glob("*"))] or [b""]
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))
    chance = random.Random()
    end, runs = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 6)):
            at, other = chance.randint(0, len(data)), chance.choice(seeds)
            cut = chance.randint(0, len(other))
            data[at : at + chance.randint(0, 8)] = chance.choice(
                [chance.randbytes(chance.randint(0, 4)), other[cut : cut + chance.randint(1, 64)]]
            )
        try:
            run(bytes(data))
        except BaseException:
            crash.mkdir(parents=True, exist_ok=True)
            (crash / f"crash-{os.getpid()}").write_bytes(data)
            raise
        runs += 1
    print(f"Done {runs} runs")
    return 0


def replay(name: str, paths: list[Path]) -> None:
    """Run inputs from files; the first defect is raised."""
    run = checked(name)
    for path in paths:
        run(path.read_bytes())


if __name__ == "__main__":
    guided(sys.argv[1], sys.argv[2:])
