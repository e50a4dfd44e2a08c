"""docs/reference/honest.md: what raises no alarm, made from the rows of the tests that prove it."""

from __future__ import annotations

import textwrap

from support import popular
from support.honest import DATASCIENCE, IMAGES, MINORS, ROWS, Row
from support.week import USES

_PYTHONS = {"own": "of the tests", "debian": "Debian's", "standalone": "standalone build, unpacked anywhere"}
_HEAD = """\
# What raises no alarm

Each row is an environment or image of real wheels that a test makes and verifies: no error, and no warning but
those that the row names. This page is made from these tests (`make golden`); `make campaign` runs them. What may
differ between honest environments, and why that is safe: [Allowed differences](../explanation/allowed-differences.md).

One warning depends on the machine and is left out below: [ENV302](../findings/ENV302.md) in a virtual environment of
another patch release than the locked one.
"""


def page() -> str:
    """The whole page."""
    parts = [
        _HEAD,
        "## Virtual environments\n",
        "21 wheels of the shipped profile `demo:cpu`: scikit-learn, pandas, Matplotlib, seaborn, XGBoost, joblib.\n",
        _table(("Python", "made by", "installed by", "then", "warnings"), [_row(row) for row in ROWS]),
        "## Images\n",
        "The same wheels in images of a Dockerfile of one's own, on a base that the lockfile pins. Settings of that"
        " Dockerfile\nthat the profile does not have are warnings (ENV504, ENV505).\n",
        _table(("image",), [(name,) for name in IMAGES]),
        "## Popular packages\n",
        _wrap(
            f"{len(popular.names())} distributions and what they need, locked in {len(popular.GROUPS)} groups at the"
            f" cutoff {popular.CUTOFF[:10]}; each group in an environment by uv and in another by pip. uv compiles"
            f" {_listed(sorted(popular.COMPILED))} too."
        ),
        _table(("group", "distributions"), [(name, _names(text)) for name, text in popular.GROUPS.items()]),
        "## The data science stack, and other Pythons\n",
        "`make honest` (gigabytes, tens of minutes; not in CI): the profile `datascience` of 201 packages, and six"
        " packages on\nevery other Python that the machine has, by uv and by pip, compiled.\n",
        _table(
            ("what", "installed by", "then", "read"),
            [
                *(
                    ("datascience", " ".join((row.installer, *row.options)), row.after, read)
                    for row, read in DATASCIENCE.items()
                ),
                (f"Python {', '.join(MINORS)}", "uv, pip", "compiled by itself", ""),
            ],
        ),
        "## After a week of use\n",
        _wrap(
            "Programs that ran in an environment, with their variables pointing under its prefix. What they left is"
            " accepted where `writable` of [policy] names the folder, or needs no such line. How to write that line,"
            " and where data is better kept: [Let programs write data](../how-to/let-programs-write.md)."
        ),
        _table(
            ("program", "leaves", "variable", "`writable`"),
            [_use(name) for name, use in USES.items() if not use.codes],
        ),
        "## What is named although a program did it\n",
        "Code and configuration are never accepted, whoever wrote them.\n",
        _table(
            ("program", "leaves", "found", "what to do"),
            [
                (name, use.does, ", ".join(f"[{code}](../findings/{code}.md)" for code in use.codes), use.why)
                for name, use in USES.items()
                if use.codes
            ],
        ),
        _wrap(
            "Also rightly named: a virtual environment that was copied or moved without `--relocatable` (its scripts"
            " start the old one's Python, [ENV207](../findings/ENV207.md)); `pip install --target`, which is no"
            " environment (no pyvenv.cfg, scripts in another place); activation scripts of a virtualenv or uv that is"
            " newer than this version of envctl knows."
        ).rstrip("\n"),
    ]
    return "\n".join(parts) + "\n"


def _wrap(text: str) -> str:
    return textwrap.fill(text, 118, break_on_hyphens=False, break_long_words=False) + "\n"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell or " " for cell in line) + " |" for line in lines) + "\n"


def _row(row: Row) -> tuple[str, ...]:
    warnings = ", ".join(f"[{code}](../findings/{code}.md)" for code in sorted(row.warnings)) or "none"
    return _PYTHONS[row.python], row.maker, " ".join((row.installer, *row.options)), row.after, warnings


def _use(name: str) -> tuple[str, ...]:
    use = USES[name]
    variables = ", ".join(f"`{key}`" for key, value in use.variables if "{prefix}" in value)
    return name, use.does, variables, f"`{use.writable}`" if use.writable is not None else "not needed"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1]


def _names(text: str) -> str:
    return ", ".join(text.split())
