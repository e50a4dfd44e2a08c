"""`envctl diff`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from envctl.cli import complete
from envctl.cli.context import Settings, pass_settings, print_json
from envctl.cli.show import plain, size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envctl.commands.diff import Comparison
    from envctl.lockfile.diff import Diff

SCHEMA = "envctl.diff/1"
_LONG = 60


@click.command(
    epilog="""\b
Examples:
  envctl diff demo:cpu demo:cuda          two variants
  envctl diff demo:cpu@HEAD~1 demo:cpu    what the last commit changed"""
)
@click.argument("old", shell_complete=complete.locks)
@click.argument("new", shell_complete=complete.locks)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    help="For people, programs, reviews.",
)
@pass_settings
def command(settings: Settings, old: str, new: str, form: str) -> int:
    """Compare two lockfiles: packages, base image, Python, OS packages, settings and sizes.

    OLD and NEW are targets, lockfiles, or either of them at a git revision (TARGET@REVISION). Exit 0 when both lock
    the same, 1 when they differ.
    """
    from envctl.commands.diff import compare

    result = compare(settings.directory, old, new)
    if form == "json":
        print_json(_json(result))
    elif form == "markdown":
        click.echo(_markdown(result))
    else:
        for line in _text(result):
            click.echo(line)
    return 0 if result.diff.equal else 1


def _json(result: Comparison) -> dict[str, Any]:
    import msgspec

    fields = {name: getattr(result.diff, name) for name in result.diff.__struct_fields__}
    return {"schema": SCHEMA, "old": result.old, "new": result.new, "equal": result.diff.equal} | {
        name: msgspec.to_builtins(value) for name, value in fields.items()
    }


def _answer(result: Comparison) -> str:
    diff = result.diff
    if diff.equal:
        return f"equal: {result.old} and {result.new} lock the same"
    counted = [
        f"{len(rows):,} {word}"
        for word, rows in (
            ("added", diff.added),
            ("removed", diff.removed),
            ("changed", diff.changed),
            ("rebuilt", diff.rebuilt),
        )
        if rows
    ]
    packages = ", ".join(counted) if counted else "the same packages"
    others = [title for title, _ in _groups(diff)]
    return f"different: {packages}" + (f"; also {', '.join(others)}" if others else "")


def _groups(diff: Diff) -> Iterator[tuple[str, list[tuple[str, str | None, str | None]]]]:
    """What changed beside the packages: a title, and rows of key, old and new."""
    single = {
        "platforms": diff.platforms,
        "base": diff.base,
        "Python": diff.python,
        "installer": diff.installer,
        "cutoff": diff.cutoff,
    }
    for title, change in single.items():
        if change is not None:
            yield title, [("", change.old, change.new)]
    several = {
        "OS packages": diff.os_packages,
        "startup hooks": diff.hooks,
        "locked files": diff.files,
        "image": diff.image,
        "settings": diff.settings,
    }
    for title, rows in several.items():
        if rows:
            yield title, [(row.key, row.old, row.new) for row in rows]


def _packages(diff: Diff) -> Iterator[tuple[str, str, str, str]]:
    """Rows of mark, name, what happened and where."""
    for pin in diff.added:
        yield "+", pin.name, pin.version, ", ".join(pin.platforms)
    for pin in diff.removed:
        yield "-", pin.name, pin.version, ", ".join(pin.platforms)
    for moved in diff.changed:
        yield "~", moved.name, f"{moved.old} -> {moved.new}", ", ".join(moved.platforms)
    for built in diff.rebuilt:
        same = built.old.wheel == built.new.wheel
        files = f"{built.new.wheel}, other bytes" if same else f"{built.old.wheel} -> {built.new.wheel}"
        yield "=", built.name, f"{built.version} rebuilt: {files}", ", ".join(built.platforms)


def _text(result: Comparison) -> Iterator[str]:
    yield plain(_answer(result))
    rows = list(_packages(result.diff))
    width = max((len(row[1]) for row in rows), default=0)
    for mark, name, what, where in rows:
        yield plain(f"  {mark} {name.ljust(width)}  {what}" + (f"  ({where} only)" if where else ""))
    for title, changes in _groups(result.diff):
        lines = [_move(old, new) for _, old, new in changes]
        if changes[0][0] == "":
            yield plain(f"  {title}: {lines[0]}")
            continue
        yield f"  {title}"
        for (key, _, _), line in zip(changes, lines, strict=True):
            yield plain(f"    {key}: {line}")
    for text in _sizes(result.diff):
        yield f"  {text}"


def _sizes(diff: Diff) -> Iterator[str]:
    for row in diff.sizes:
        if row.old != row.new:
            old, new = ("unknown" if number is None else size(number) for number in (row.old, row.new))
            yield f"size on {row.platform}: {old} -> {new}"


def _move(old: str | None, new: str | None) -> str:
    if old is not None and new is not None:
        return f"{_short(old)} -> {_short(new)}"
    return f"{_short(new)}  new" if old is None else f"{_short(old)}  gone"


def _short(value: str | None) -> str:
    """A value as a person compares it: digests by their first eight digits, long values cut."""
    if value is None:
        return "none"
    import re

    text = re.sub(r"sha256:([0-9a-f]{8})[0-9a-f]{56}", r"sha256:\1", value)
    return text if len(text) <= _LONG * 2 else text[: _LONG * 2] + "…"


def _cell(text: str) -> str:
    return plain(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "\\`")


def _markdown(result: Comparison) -> str:
    lines = [f"### {_cell(result.old)} -> {_cell(result.new)}", "", _cell(_answer(result))]
    rows = list(_packages(result.diff))
    if rows:
        lines += ["", "| | package | change | platforms |", "|---|---|---|---|"]
        lines += [f"| {mark} | {_cell(name)} | {_cell(what)} | {_cell(where)} |" for mark, name, what, where in rows]
    groups = list(_groups(result.diff))
    if groups:
        lines += ["", "| | old | new |", "|---|---|---|"]
        for title, changes in groups:
            for key, old, new in changes:
                label = f"{title}: {key}" if key else title
                lines.append(f"| {_cell(label)} | {_cell(_short(old))} | {_cell(_short(new))} |")
    sizes = list(_sizes(result.diff))
    if sizes:
        lines += ["", *(f"- {_cell(text)}" for text in sizes)]
    return "\n".join(lines)
