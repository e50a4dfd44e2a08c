"""What goes where: results on standard output, messages on standard error, the same words with and without colour."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.docs import ROOT, Reader, docs_index
from support.project import Project

__all__ = ["docs_index"]

pytestmark = pytest.mark.campaign

_COLOR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def synced(docs_index, tmp_path_factory):
    """A project whose demo:cpu is locked and installed."""
    reader = Reader(tmp_path_factory.mktemp("synced"), docs_index)
    reader.env.pop("NO_COLOR", None)
    reader.ship("demo")
    for line in ("envctl lock", "envctl sync demo:cpu"):
        done = reader.type(line)
        assert done.returncode == 0, done.stderr
    return reader


def on_a_terminal(command: list[str], cwd: Path, env: dict[str, str]) -> str:
    """Run a command on a terminal of 80 columns; what it shows."""
    main, side = pty.openpty()
    with subprocess.Popen(command, cwd=cwd, env={**env, "TERM": "xterm"}, stdout=side, stderr=side) as process:
        os.close(side)
        shown = b""
        with contextlib.suppress(OSError):  # the end of a pseudo-terminal
            while part := os.read(main, 4096):
                shown += part
        os.close(main)
        process.wait(60)
    return shown.decode().replace("\r\n", "\n")


def envctl_on_a_terminal(reader: Reader, *args: str, **env: str) -> str:
    return on_a_terminal([sys.executable, "-m", "envctl", *args], reader.project, {**reader.env, **env})


# Each command that has a result, on a project that is locked and synced.
_JSON_PAGES = "".join(
    (ROOT / "docs" / page).read_text("utf-8")
    for page in ("reference/report.md", "reference/profile.md", "how-to/sync.md", "how-to/compare.md")
)
RESULTS = [
    "envctl lock",
    "envctl lock --dry-run -U",
    "envctl lock --check",
    "envctl lock --check --resolve",
    "envctl dockerfile demo:cpu",
    "envctl dockerfile demo:cpu --check",
    "envctl fetch demo:cpu wheelhouse --no-image",
    "envctl sync demo:cpu",
    "envctl sync demo:cpu --dry-run",
    "envctl verify demo:cpu",
    "envctl diff demo:cpu demo:cuda",
    "envctl tree demo:cpu",
    "envctl tree demo:cpu numpy",
    "envctl profile demo:cuda",
    "envctl explain",
    "envctl explain ENV201",
    "envctl init {name}",
]


@pytest.mark.parametrize("line", RESULTS)
def test_every_result_is_json_with_a_schema_where_asked(line, synced):
    done = synced.type(line.format(name="asjson") + " --format json")
    assert done.returncode == (1 if " diff " in line else 0), done.stderr
    told = json.loads(done.stdout)
    assert re.fullmatch(r"envctl\.[a-z]+/1", told["schema"])
    assert told["schema"] in _JSON_PAGES
    assert [key for key in told if f"`{key}`" not in _JSON_PAGES and f'"{key}"' not in _JSON_PAGES] == []
    assert done.stdout.endswith("}\n")


@pytest.mark.parametrize("line", RESULTS)
def test_quiet_leaves_the_result_alone_and_says_nothing_else(line, synced):
    quiet = synced.type(line.format(name="quiet").replace("envctl", "envctl -q", 1))
    assert quiet.stderr == ""
    assert quiet.stdout != ""


def test_messages_are_on_standard_error(synced):
    done = synced.type("envctl sync demo:cpu")
    assert done.stdout.startswith("ok: .venv is demo:cpu already, and nothing else\n")
    assert "hint" not in done.stdout
    assert done.stderr == "hint: `source .venv/bin/activate`, `envctl verify demo:cpu`\n"
    failed = synced.type("envctl -q sync demo:cpx")
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr.startswith("error: ")


@pytest.mark.parametrize("line", RESULTS)
def test_colour_carries_no_words(line, synced):
    if " lock" in line or " fetch" in line or "init" in line:
        line = "envctl lock --check"
    plain = synced.type(line.replace("envctl", "envctl --color never", 1))
    piped = synced.type(line)
    colored = synced.type(line.replace("envctl", "envctl --color always", 1))
    for done in (plain, piped):
        assert "\x1b" not in done.stdout + done.stderr
    assert _words(colored.stdout) == _words(plain.stdout) == _words(piped.stdout)


def _words(text: str) -> str:
    return re.sub(r"\d+\.\d s\b", "0 s", _COLOR.sub("", text))


def test_a_verdict_is_coloured_on_a_terminal_only(synced):
    assert "\x1b[1;32mok\x1b[0m: .venv is demo:cpu" in envctl_on_a_terminal(synced, "verify", "demo:cpu")
    assert "\x1b[1;32mok" in synced.type("NO_COLOR=1 envctl --color always verify demo:cpu").stdout
    assert "\x1b" not in synced.type("envctl verify demo:cpu").stdout


@pytest.mark.parametrize("args", [("--no-progress", "--color", "never"), ("-q", "--color", "never")])
def test_no_colour_is_heard(args, synced):
    assert "\x1b" not in envctl_on_a_terminal(synced, *args, "verify", "demo:cpu")


@pytest.mark.parametrize("variable", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_the_environment_can_refuse_colour(variable, synced):
    env = {**synced.env, **variable}
    command = [sys.executable, "-m", "envctl", "--no-progress", "verify", "demo:cpu"]
    shown = on_a_terminal(["env", *(f"{k}={v}" for k, v in variable.items()), *command], synced.project, env)
    assert shown.startswith("ok: ")
    assert "\x1b" not in shown


def test_an_empty_no_color_is_none(synced):
    assert "\x1b[1;32mok" in envctl_on_a_terminal(synced, "verify", "demo:cpu", NO_COLOR="")


def test_verbose_says_more(synced):
    short = synced.type("envctl verify demo:cpu").stdout
    full = synced.type("envctl -v verify demo:cpu").stdout
    assert re.search(r"package set sha256:[0-9a-f]{8}…[0-9a-f]{3}$", short, re.MULTILINE)
    assert re.search(r"package set sha256:[0-9a-f]{64}$", full, re.MULTILINE)


def test_no_line_is_wider_than_the_terminal(synced):
    for args in (("lock",), ("lock", "--check"), ("diff", "demo:cpu", "demo:cuda"), ("tree", "demo:cpu")):
        shown = envctl_on_a_terminal(synced, "--no-progress", *args, COLUMNS="80")
        assert [line for line in shown.splitlines() if len(line) > 80] == []
    wide = envctl_on_a_terminal(synced, "--no-progress", "lock", COLUMNS="200")
    assert wide.split()[:-2] == envctl_on_a_terminal(synced, "--no-progress", "lock", COLUMNS="60").split()[:-2]


def test_a_line_moves_while_it_takes_long_and_nothing_is_left_of_it(project: Project):
    project.wheel("slow")
    project.profile('python = "3.11"\ndependencies = ["slow"]\n')
    project.index.fault("/simple/slow", delay=1.5)
    command = [sys.executable, "-m", "envctl"]
    env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    shown = on_a_terminal([*command, "lock"], project.folder, env)
    assert "…" in shown.split("train  linux/amd64")[0]
    assert re.search(r"\x1b\[2K[^\n]*train  linux/amd64", shown.split("…")[-1])
    project.wheel("slower")
    project.profile('python = "3.11"\ndependencies = ["slower"]\n')
    still = on_a_terminal([*command, "--no-progress", "lock"], project.folder, env)
    assert still.startswith("  train  linux/amd64")
    assert "\x1b" not in still


def test_where_a_report_is_written_is_said(synced):
    done = synced.type("envctl verify demo:cpu -o report.txt")
    assert (done.stdout, done.stderr) == ("", "ok: the report on .venv is in report.txt\n")
    assert (synced.project / "report.txt").read_text("utf-8").startswith("ok: .venv is demo:cpu, byte for byte\n")


def test_paths_are_those_of_the_project_folder(synced, tmp_path):
    folder = synced.project
    above = f"cd / && envctl -C {folder}"
    assert synced.type(f"{above} verify demo:cpu --format json -o in-project.json").returncode == 0
    assert json.loads((folder / "in-project.json").read_bytes())["verdict"] == "ok"
    assert synced.type(f"{above} fetch demo:cpu carried --no-image").returncode == 0
    assert (folder / "carried" / "fetch.json").is_file()
    assert synced.type(f"{above} sync demo:cpu --from carried").returncode == 0
    assert synced.type(f"{above} verify demo:cpu --from carried").returncode == 0


def test_a_reader_that_leaves_early_is_no_defect(synced):
    done = synced.type("set -o pipefail; envctl dockerfile demo:cpu | head -1")
    assert done.stderr == ""
    assert done.stdout.startswith("# The image of demo:cpu")


def test_hints_name_the_environment_that_is_meant(synced):
    assert synced.type("envctl sync demo:cpu --venv 'my venv'").returncode == 0
    (synced.project / "my venv" / "stray").write_text("x")
    verified = synced.type("envctl verify demo:cpu --venv 'my venv'")
    assert "`envctl sync demo:cpu --venv 'my venv'`" in verified.stderr
    tried = synced.type("envctl sync demo:cpu --venv 'my venv' --dry-run")
    assert tried.stderr.endswith("hint: `envctl sync demo:cpu --venv 'my venv'`\n")
