"""`make fuzz`: every target for its share of FUZZ_SECONDS, one process a target, as many at once as FUZZ_JOBS says.

    make fuzz                            all targets
    make fuzz TARGET="record wheel"      these
    make fuzz-replay TARGET=… FILE=…     what one input does

What is found is in .build/fuzz/TARGET/ (crash-*, slow-*, oom-*), and inputs that reach something new are kept in
.build/fuzz/corpus/TARGET/ for the next run.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from fuzz import one
from fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
FOUND = Path(".build/fuzz")


class Result(NamedTuple):
    """What became of a target: seconds, what its process said, inputs that are defects."""

    name: str
    status: int
    seconds: float
    said: str
    defects: list[Path]


def fuzz(name: str, seconds: int) -> Result:
    """One target in a process of its own."""
    place, kept = FOUND / name, FOUND / "corpus" / name
    place.mkdir(parents=True, exist_ok=True)
    kept.mkdir(parents=True, exist_ok=True)
    before, start = set(place.iterdir()), time.monotonic()
    own = str(CORPUS / name)
    if importlib.util.find_spec("atheris") is not None:
        options = [f"-max_total_time={seconds}", f"-max_len={TARGETS[name].longest}", f"-artifact_prefix={place}/"]
        options += ["-timeout=30", "-rss_limit_mb=1024", "-malloc_limit_mb=512", "-print_final_stats=1", "-verbosity=0"]
        command = [sys.executable, "-m", "fuzz.one", name, *options, str(kept), own]
    else:
        code = (
            "import sys; from pathlib import Path; from fuzz import one;"
            "one.unguided(sys.argv[1], float(sys.argv[2]), [Path(sys.argv[3]), Path(sys.argv[4])], Path(sys.argv[5]))"
        )
        command = [sys.executable, "-c", code, name, str(seconds), str(kept), own, str(place)]
    # libFuzzer ends its process without cleaning up
    with tempfile.TemporaryDirectory(prefix="envctl-fuzz-") as scratch:
        environ = {**os.environ, "TMPDIR": scratch}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, errors="replace", check=False)
    defects = sorted(set(place.iterdir()) - before)
    return Result(name, done.returncode, time.monotonic() - start, done.stdout + done.stderr, defects)


def runs(said: str) -> str:
    """How many inputs were tried."""
    match = re.search(r"stat::number_of_executed_units:\s*(\d+)|Done (\d+) runs", said)
    return f"{int(match[1] or match[2]):,} inputs" if match else "no figures"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--replay", nargs="+", type=Path, metavar="FILE")
    options = parser.parse_args()
    names = options.targets or list(TARGETS)
    if unknown := [name for name in names if name not in TARGETS]:
        parser.error(f"no target {unknown[0]!r}; there are {', '.join(TARGETS)}")
    if options.replay:
        one.replay(names[0], options.replay)
        print("nothing wrong")
        return 0
    jobs = int(os.environ.get("FUZZ_JOBS", "2"))
    seconds = max(1, int(os.environ.get("FUZZ_SECONDS", "600")) * jobs // len(names))
    if importlib.util.find_spec("atheris") is None:
        print("atheris has no wheel for this Python: inputs are changed seeds, unguided", file=sys.stderr)
    failed = False
    with ThreadPoolExecutor(jobs) as threads:
        for result in threads.map(lambda name: fuzz(name, seconds), names):
            print(f"{result.name:18} {result.seconds:5.0f} s  {runs(result.said)}", flush=True)
            if result.status != 0 or result.defects:
                failed = True
                print("\n".join(result.said.splitlines()[-60:]))
                for path in result.defects:
                    print(f"replay: make fuzz-replay TARGET={result.name} FILE={path}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
