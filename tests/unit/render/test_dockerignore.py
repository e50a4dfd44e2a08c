"""The build context, judged by a port of the matcher that engines use (moby/patternmatcher)."""

from __future__ import annotations

import re

import pytest
from support.lockfiles import make_image, make_lockfile

from envctl.model.lockfile import LockedFile, Project
from envctl.render import dockerignore

LOCKED = "profiles/locked/pylock.train-cpu.toml"


def in_context(text: str, path: str) -> bool:
    """Whether a file is sent to the engine: the last line that matches it, or a folder above it, decides."""
    ignored = False
    for line in map(str.strip, text.splitlines()):
        if not line or line.startswith("#"):
            continue
        negated, pattern = line.startswith("!"), line.removeprefix("!").strip()
        parts = path.split("/")
        if any(re.fullmatch(_regex(pattern), "/".join(parts[:n])) for n in range(1, len(parts) + 1)):
            ignored = not negated
    return not ignored


def _regex(pattern: str) -> str:
    out, i = "", 0
    while i < len(pattern):
        char = pattern[i]
        if pattern.startswith("**", i):
            i += 1
            if pattern.startswith("/", i + 1):
                i += 1
                out += "(.*/)?"
            else:
                out += ".*"
        elif char == "*":
            out += "[^/]*"
        elif char == "?":
            out += "[^/]"
        elif char in ".$":
            out += "\\" + char
        elif char == "\\":
            i += 1
            out += "\\" + pattern[i] if not pattern[i].isalnum() else pattern[i]
        else:
            out += char  # older engines pass the other characters of regular expressions through
        i += 1
    return out


def context(*sources: str, project: str | None = None) -> str:
    files = tuple(LockedFile(source=source, target=f"/x{n}") for n, source in enumerate(sources))
    own = Project(name="x", path=project) if project is not None else None
    return dockerignore.render(make_lockfile(image=make_image(files=files), project=own))


def test_only_what_the_image_takes_is_sent() -> None:
    text = context("app", "models/digits.joblib")
    for path in (LOCKED, "app/main.py", "app/deep/er/x.txt", "models/digits.joblib"):
        assert in_context(text, path), path
    for path in (".env", ".git/config", "apples", "models/other.joblib", "profiles/train.toml", "x/app/main.py"):
        assert not in_context(text, path), path
    assert not in_context(text, "profiles/locked/pylock.other.toml")


def test_bytecode_is_never_sent() -> None:
    text = context("app")
    assert not in_context(text, "app/__pycache__/main.cpython-311.pyc")
    assert not in_context(text, "app/legacy.pyc")


@pytest.mark.parametrize(
    "name",
    ["a b", " a ", "a[1]", "a*", "a?", "a\\b", "(a|b)+", "{a}", "^a$", "#a", "!a", "a.b", "größe", "a]", "[ ]", "a$b"],
)
def test_odd_names_are_taken_literally(name: str) -> None:
    text = context(f"d/{name}", name)
    assert in_context(text, f"d/{name}")
    assert in_context(text, f"d/{name}/inside")
    assert in_context(text, name)
    assert not in_context(text, f"d/{name}x")
    assert not in_context(text, "d/a")
    assert not in_context(text, "b")


def test_a_project_in_the_project_folder_is_sent_without_secrets_history_and_caches() -> None:
    text = context(project=".")
    for path in ("pyproject.toml", "src/acme/__init__.py", "README.md", LOCKED):
        assert in_context(text, path), path
    for path in (
        ".git/config",
        ".venv/bin/python",
        ".env",
        "deploy/.env.production",
        ".netrc",
        "key.pem",
        "src/acme/__pycache__/x.pyc",
        ".mypy_cache/x",
        "profiles/locked/pylock.other.toml",
        ".ssh/id_ed25519",
    ):
        assert not in_context(text, path), path


def test_what_is_named_beside_the_whole_folder_is_sent_all_the_same() -> None:
    text = context("certs/public.pem", project=".")
    assert in_context(text, "certs/public.pem")
    assert not in_context(text, "certs/private.pem")


def test_a_lockfile_without_image_or_project_sends_itself_only() -> None:
    assert in_context(dockerignore.render(make_lockfile()), LOCKED)
    assert not in_context(dockerignore.render(make_lockfile()), "app/main.py")


def test_paths_are_written_in_one_form() -> None:
    assert "!app\n" in context("./app/", "app")
