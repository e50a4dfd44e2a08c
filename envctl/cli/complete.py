"""What Tab offers for arguments: targets, packages, codes, folders. Fast, and silent where something is wrong.

A person who presses Tab wants neither an error nor to wait: files are read as far as they can be, and nothing is
checked. Completions have no descriptions, since zsh would take the colon of a target for the beginning of one.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from envctl.model.target import LOCKED, NAME, PROFILES

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_LARGEST = 1 << 20
_PIN = re.compile(r'^\[\[packages\]\]\nname = "([^"]+)"$', re.MULTILINE)


def targets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Every target of the project's profiles, with its variant where it has some."""
    given = {str(value) for value in _several(ctx.params.get(param.name or ""))}
    return _items((name for name in target_names(_project(ctx)) if name not in given), incomplete)


def locks(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Targets, and lockfiles where a path is begun."""
    if "/" in incomplete or incomplete.startswith("."):
        return [_item(incomplete, "file")]
    return targets(ctx, param, incomplete)


def packages(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The pins of the targets that the command line names so far, or of all that are locked."""
    named = [str(value) for key in ("target", "targets") for value in _several(ctx.params.get(key))]
    slugs = {name.replace(":", "-") for name in named}
    found: set[str] = set()
    for path in _files(_project(ctx) / LOCKED, "pylock.*.toml"):
        slug = path.name[len("pylock.") : -len(".toml")]
        if not slugs or slug in slugs or any(slug.startswith(f"{wanted}-") for wanted in slugs):
            found.update(_PIN.findall(_text(path)))
    return _items(sorted(found), incomplete)


def codes(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The codes of findings."""
    from envctl.model.codes import CODES

    return _items((code.code for code in CODES.values()), incomplete.upper())


def folders(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Left to the shell."""
    return [_item(incomplete, "dir")]


def files(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Left to the shell."""
    return [_item(incomplete, "file")]


def target_names(project: Path) -> list[str]:
    """The targets of a project, sorted, as far as its profiles can be read."""
    tables = {path.stem: _table(path) for path in _files(project / PROFILES, "*.toml") if NAME.fullmatch(path.stem)}
    found: list[str] = []
    for name in tables:
        chain = [tables[part] for part in _chain(name, tables)]
        variants = {key: table for each in chain for key, table in _dict(each.get("variants")).items()}
        if any("python" in _dict(table) for table in (*chain, *variants.values())):
            found += [f"{name}:{variant}" for variant in variants if NAME.fullmatch(variant)] or [name]
    return sorted(found)


def _chain(name: str, tables: dict[str, dict[str, Any]]) -> list[str]:
    """The profile and all that it extends, each once."""
    found: list[str] = []
    left = [name]
    while left:
        part = left.pop()
        if part in tables and part not in found:
            found.append(part)
            extends = tables[part].get("extends")
            left += [item for item in extends if isinstance(item, str)] if isinstance(extends, list) else []
    return found


def _table(path: Path) -> dict[str, Any]:
    import tomli

    try:
        return tomli.loads(_text(path))
    except (ValueError, RecursionError):
        return {"python": None}  # offered by its name alone: who names it then reads what is wrong with it


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST).decode("utf-8", "replace")
    except OSError:
        return ""


def _files(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(path for path in folder.glob(pattern) if path.is_file())
    except OSError:
        return []


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _several(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


def _item(value: str, kind: str = "plain") -> CompletionItem:
    from click.shell_completion import CompletionItem

    return CompletionItem(value, type=kind)


def _items(values: Any, incomplete: str) -> list[CompletionItem]:
    return [_item(value) for value in values if value.startswith(incomplete)]


def _project(ctx: click.Context) -> Path:
    return Path(ctx.find_root().params.get("directory") or ".")
