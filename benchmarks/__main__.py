"""`make bench`: the rows of docs/reference/speed.md, measured here and now.

    python -m benchmarks [--only NAME]… [--runs N] [--write]

Needs a package index; everything is made under .build/bench. `--write` puts the table into docs/reference/speed.md;
with `--only`, the other rows of the page stay.
"""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path

from benchmarks import cases
from benchmarks.table import Row, document

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Measure, print, and with --write record."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--only", action="append", choices=sorted(cases.ALL), help="measure these cases alone")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    work = ROOT / ".build" / "bench"
    work.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for name in options.only or cases.ALL:
        print(f"{name}:", flush=True)
        for row in cases.ALL[name](work, options.runs):
            rows.append(row)
            print(f"  {row}", flush=True)
    if options.write:
        machine = (
            f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
        )
        page = ROOT / "docs" / "reference" / "speed.md"
        before = page.read_text("utf-8") if options.only else ""
        page.write_text(document(rows, machine, before), "utf-8")


if __name__ == "__main__":
    main()
