"""Help texts: what they say is there, fits the terminal, and works as it stands."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path
from typing import NamedTuple

import click
import pytest
from support import command_pages
from support.docs import ROOT, Reader, docs_index
from support.pages import Command
from support.project import envctl

from envctl.cli.main import COMMANDS, main

__all__ = ["docs_index"]

_EXAMPLE = re.compile(r"^  (envctl .*?)(?: {2,}(.*))?$")
# What a person has done before an example makes sense, and how it ends where that is not 0.
_LOCKED = ("envctl lock",)
_SYNCED = (*_LOCKED, "envctl sync demo:cpu")
_BEFORE = {
    "build": (*_LOCKED, "envctl fetch demo:cpu wheelhouse"),
    "dockerfile": _LOCKED,
    "fetch": _LOCKED,
    "sync": (*_LOCKED, "envctl fetch demo:cpu wheelhouse --no-image"),
    "verify": _SYNCED,
    "diff": (*_LOCKED, "git init -q . && git add profiles && git commit -qm one && git commit -qm two --allow-empty"),
    "sign": (
        *_SYNCED,
        "envctl verify demo:cpu --attestation verified.json",
        "mkdir ~/.ssh && ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519",
        "git config --global gpg.format ssh && git config --global user.signingkey ~/.ssh/id_ed25519",
    ),
    "tree": _LOCKED,
    "doctor": _LOCKED,
    "init": ("echo pandas > requirements.txt",),
    "completion": ("mkdir -p ~/.config/fish/completions",),
}
# Commands that need an engine; `run` needs an image too, which here is a plain environment on a base that is at hand.
_ENGINE = {"doctor": (), "run": (*_SYNCED, "bash image.sh")}
_IMAGE = """
digest=sha256:$(sha256sum profiles/locked/pylock.demo-cpu.toml | cut -d" " -f1)
printf 'FROM %s\\nRUN --network=none python3 -m venv --without-pip /opt/venv\\nENV PATH=/opt/venv/bin:$PATH
WORKDIR /app
CMD ["python", "--version"]\\nLABEL envctl.lockfile.digest=%s\\n' "$BASE" "$digest" |
docker buildx build --quiet --provenance=false --load --tag "$NAME" --file - profiles
"""
_BASE = ("build", "fetch")  # commands that need a base image, and so one that is at hand
_STATUS = {"envctl diff demo:cpu demo:cuda": 1}


class Help(NamedTuple):
    """One command's help text, and the examples that it ends with."""

    command: click.Command
    args: tuple[str, ...]
    examples: tuple[str, ...]


def _help(name: str) -> Help:
    found = main.get_command(click.Context(main), name) if name else main
    assert found is not None
    examples = tuple(match[1] for line in (found.epilog or "").splitlines() if (match := _EXAMPLE.match(line)))
    return Help(found, (name, "--help") if name else ("--help",), examples)


ALL = ["", *COMMANDS]
EVERY = pytest.mark.parametrize("name", ALL, ids=lambda name: name or "envctl")


@pytest.fixture
def reader(docs_index, tmp_path):
    """Somebody in a folder with the shipped profiles."""
    found = Reader(tmp_path, docs_index)
    for profile in ("demo", "datascience"):
        found.ship(profile)
    return found


# What needs no engine waits for the campaign: pages of docs/ type the same commands.
_LATER = [name if name in (*_ENGINE, *_BASE) else pytest.param(name, marks=pytest.mark.campaign) for name in ALL]


@pytest.mark.parametrize("name", _LATER, ids=lambda name: name or "envctl")
def test_examples_work_as_they_stand(name, reader, request):
    if name in _ENGINE:
        engine = request.getfixturevalue("engine")
        reader.env |= {**engine.settings, "BASE": engine.bases["py311"], "NAME": engine.name("help")}
        reader.env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{reader.env['PATH']}"
        reader.write("image.sh", _IMAGE)
    if name in _BASE:
        reader.lend(request.getfixturevalue("engine"))
        reader.ship("demo")
    for line in (*_BEFORE.get(name, ()), *_ENGINE.get(name, ())):
        done = reader.type(line)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    for example in _help(name).examples:
        reader.follow(Command(example, _STATUS.get(example, 0), 0), f"envctl {name} --help")
    reader.tidy()


@EVERY
def test_help_ends_with_two_examples_or_three(name):
    text = envctl(*_help(name).args).out.rstrip().splitlines()
    examples = _help(name).examples
    assert 2 <= len(examples) <= 3
    assert [line.strip().split("  ")[0] for line in text[-len(examples) :]] == list(examples)


@EVERY
@pytest.mark.parametrize("columns", ["80", "100"])
def test_help_fits_the_terminal(name, columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    text = envctl(*_help(name).args).out
    assert [line for line in text.splitlines() if len(line) > int(columns)] == []


@EVERY
def test_help_begins_with_what_it_is_for(name):
    text = envctl(*_help(name).args).out
    usage, _, rest = text.partition("\n\n")
    assert usage.startswith("Usage: envctl")
    first = " ".join(rest.partition("\n\n")[0].split())
    assert re.match(r"[A-Z][a-z]+ ", first)
    assert first.endswith(".")


@EVERY
def test_help_names_every_option_with_what_it_does(name):
    text = envctl(*_help(name).args).out
    for parameter in _help(name).command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
            assert all(spelling in text for spelling in (*parameter.opts, *parameter.secondary_opts))


def test_the_list_of_commands_says_what_each_help_says():
    listed = envctl("--help").out
    for name, line in COMMANDS.items():
        assert re.search(rf"^  {name} +\S", listed, re.MULTILINE)
        assert line.endswith(".")
        first = (_help(name).command.help or "").split()[0]
        assert line.split()[0] == first


def test_the_command_alone_shows_help_and_is_wrong_usage():
    ran = envctl()
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == envctl("--help").out


def test_help_needs_no_project_folder():
    assert envctl("--version").out.startswith("envctl ")
    assert envctl("lock", "-h").out == envctl("lock", "--help").out


@pytest.mark.parametrize(
    ("line", "said", "hint"),
    [
        ("veryfy", "there is no command 'veryfy'", "did you mean `envctl verify`?"),
        ("--colour never lock", "--colour", "--color"),
        ("lock --chek", "--chek", "--check"),
        ("lock dmeo", "there is no profile dmeo", "did you mean demo?"),
        ("lock demo:cpx", "demo has no variant cpx", "did you mean demo:cpu?"),
        ("lock Demo", "'Demo' is not a target", "hint: "),
        ("tree demo:cpx", "demo has no variant cpx", "did you mean demo:cpu?"),
        ("verify dmeo:cpu", "dmeo:cpu is not locked, and there is no profile", "did you mean demo:cpu?"),
        ("sync dmeo:cpu", "dmeo:cpu is not locked, and there is no profile", "did you mean demo:cpu?"),
        ("explain ENV21", "'ENV21' is no code", "did you mean ENV2"),
        ("tree", "Missing argument 'TARGET'", "hint: `envctl tree --help`"),
        ("lock --format yaml", "'yaml' is not one of 'text', 'json'", "hint: `envctl lock --help`"),
        ("completion tcsh", "'tcsh' is not one of", "hint: `envctl completion --help`"),
        ("lock --resolve", "--resolve goes with --check", "hint: `envctl lock --help`"),
    ],
)
def test_a_slip_of_the_pen_is_wrong_usage_and_says_what_is_near(line, said, hint, reader):
    if line.startswith(("verify", "sync", "tree demo")):
        assert reader.type("envctl lock demo").returncode == 0
    ran = envctl("-C", reader.project, *shlex.split(line))
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert said in ran.err
    assert hint in ran.err


def test_golden_page_of_commands():
    page = ROOT / "docs" / "reference" / "commands.md"
    if os.environ.get("ENVCTL_GOLDEN") == "rewrite":
        page.write_text(command_pages.page(), encoding="utf-8", newline="\n")
    assert page.read_text("utf-8") == command_pages.page(), "`make golden` writes it anew; review the change"
