"""docs/reference/attacks.md: the table of attacks, made from the rows that the tests run."""

from __future__ import annotations

import re
import textwrap
from collections import Counter

from support.attacks import CONTAINER, IMAGE, ROWS, THEMES, VENV, Attack

from envctl.model.codes import CODES

_HEAD = """\
# Attacks

What can be done to an environment, and the finding that names it. The table is made from the rows that the tests run
(`make golden`), so each line of it has been done to a real virtual environment or image, and found. `make campaign`
does the same to the wheels of the demo profile, with manifests at hand and without, and with each reader of images
alone.

A row counts when the finding has this code and names this file or setting, when nothing is reported that no deed
explains, and when the check in the last column is what finds it: with that function of `envctl.verify` taken out, the
same test fails. Where RECORD was made to agree and no manifest is at hand, RECORD
([ENV204](../findings/ENV204.md)) and the package ([ENV205](../findings/ENV205.md)) are named.

{count} rows: {venv} are done to a virtual environment, {image} to an image, {container} to a container. Severities and
verdicts are those of [the findings](../findings/README.md). A reader that sees the environment alone
(`--reader inside`) does not find, or names otherwise, what is marked with *; reading an image from outside finds all.
"""
_ALLOWED = """\
## What may differ, and who abuses it

These differences are no findings. Each is hidden behind by rows above, and none of these gets through.

| allowed | rows that abuse it |
|---|---|
"""
_OUTSIDE = """\
## What is not in the table

- The standard library and the interpreter of a virtual environment on a machine: nothing vouches for them, and the
  report's `scope` leaves out `interpreter`. In an image both are compared with the base's layers or the locked build.
- A lockfile that was edited to match what was done, where no signature is required: `envctl verify` compares with the
  lockfile that it is given. `envctl lock --check` finds the edit by the seal over the file's own lines; `envctl lock
  --check --resolve` asks the index for hashes and manifests again, and finds one whose seal was made anew.
- A RECORD without digests where the files are right: some wheels ship one, and installers leave it so.
- A kernel or file system that answers otherwise to the reader than to Python.
"""


def page() -> str:
    """The page."""
    counts = Counter(place for row in ROWS for place in row.where)
    parts = [
        _HEAD.format(count=len(ROWS), venv=counts[VENV], image=counts[IMAGE], container=counts[CONTAINER]),
        *(_theme(title, rows) for title, rows in THEMES.items()),
        _ALLOWED + "".join(f"| {what} | {'; '.join(names)} |\n" for what, names in sorted(abused().items())),
        _OUTSIDE,
    ]
    return "\n".join(parts)


def abused() -> dict[str, list[str]]:
    """Each allowed difference -> the rows that hide behind it."""
    found: dict[str, list[str]] = {}
    for row in ROWS:
        if row.abuses:
            found.setdefault(row.abuses, []).append(_cell(row.name))
    return found


def _theme(title: str, rows: tuple[Attack, ...]) -> str:
    lines = [
        f"## {title}",
        "",
        "| what is done | named by | | venv | image | container | check |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        own = not re.match(r"\w+\.\w+", row.check)
        places = ["" if place not in row.where else _mark(row, place) for place in (VENV, IMAGE, CONTAINER)]
        check = row.check if own else " and ".join(f"`{one}`" for one in row.check.split(" and "))
        lines.append(
            f"| {_cell(row.name)} | {_link(row.code)} | {_cell(_names(row))} | {' | '.join(places)} | {check} |"
        )
    return "\n".join(lines) + "\n"


def _mark(row: Attack, place: str) -> str:
    return "x*" if place == IMAGE and not row.inside else "x"


def _link(code: str) -> str:
    return f"[{code}](../findings/{code}.md) {CODES[code].name}"


_SHOWN = {
    "site": "site-packages",
    "module": "pkg/core.py",
    "mate": "pkg/more.py",
    "folder": "pkg",
    "info": "pkg-1.0.dist-info",
    "stem": "pkg",
    "script": "bin/tool",
    "own_script": "bin/tool-run",
    "data": "share/pkg.txt",
    "hook": "pkg-hook.pth",
    "package": "pkg",
    "cache": "pkg/__pycache__",
    "name": "core",
    "own_name": "tool-run",
    "tag": "cpython-311",
    "shadow": "pkg/core",
    "python": "python3.11",
    "zip": "python311.zip",
    "outside": "/srv/evil",
    "version": "1.0",
}


def _names(row: Attack) -> str:
    """The file or setting as an example; where the message names it, the message."""
    if row.path is None:
        return f'"…{row.says.format(**_SHOWN)}…"' if row.says else "the package"
    path = row.path.format(**_SHOWN)
    return "`" + re.sub(r"(d{200}/)+", "ddd…/", path) + "`"


def _cell(text: str) -> str:
    return textwrap.shorten(text.replace("|", "\\|"), 300)
