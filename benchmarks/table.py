"""Rows of the speed table and the page that holds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HEAD = """# Speed

Measured by `make bench` (`python -m benchmarks --write`), both sides of a row interleaved in one run, on {machine}.
Figures are the best of several runs: noise only ever adds. A ratio compares envctl with the tool beside it; `bar` is
what every release has to keep.

| what | envctl | beside it | ratio | bar | peak memory |
|---|---|---|---|---|---|
"""
TAIL = """
The index is asked over a network, so absolute times of `lock` say as much about that as about the tools; the ratio is
what to look at. "Nothing cached" starts every tool with an empty cache folder of its own. pip-compile runs without
hashes, which take it minutes. PDM 2.29 is missing: it does not start with the libraries that its own requirements
resolve to today.

Images: what only the engine's API gives is read as `docker export` gives it, from a container that is never started,
and the base's own layers beside it.
"""


@dataclass
class Row:
    """One comparison. `bar` is what the ratio (or the difference, in ms) must not exceed."""

    what: str
    ours: float
    other: str
    theirs: float
    bar: str
    peak: float
    unit: str = "s"
    difference: bool = False

    @property
    def ratio(self) -> str:
        """How the two compare, as the bar is stated."""
        if self.difference:
            return f"+{(self.ours - self.theirs) * 1000:.0f} ms"
        if not self.theirs:
            return "-"
        ratio = self.ours / self.theirs
        return f"{ratio:.2f}x" if ratio >= 0.5 else f"{1 / ratio:.1f}x faster"

    def cells(self) -> list[str]:
        """The row's cells as Markdown."""
        scale, unit = (1000, "ms") if self.unit == "ms" else (1, self.unit)
        theirs = f"{self.other} {self.theirs * scale:.2f} {unit}" if self.theirs else self.other
        return [self.what, f"{self.ours * scale:.2f} {unit}", theirs, self.ratio, self.bar, f"{self.peak:.0f} MB"]

    def __str__(self) -> str:
        return "  ".join(self.cells())


def document(rows: Sequence[Row], machine: str, before: str = "") -> str:
    """The whole page. Rows of the page `before` stay where they are, but for those that were measured again."""
    lines = ["| " + " | ".join(row.cells()) + " |" for row in rows]
    measured = {_what(line) for line in lines}
    page: list[str] = []
    for line in before.splitlines():
        if not line.startswith("| ") or line.startswith("| what |"):
            continue
        if _what(line) not in measured:
            page.append(line)
            continue
        page += [new for new in lines if _what(new) == _what(line)]
        lines = [new for new in lines if _what(new) != _what(line)]
    return HEAD.format(machine=machine) + "".join(f"{line}\n" for line in page + lines) + TAIL


def _what(line: str) -> str:
    return line.partition(" | ")[0]
