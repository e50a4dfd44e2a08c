"""Profile -> lockfile -> Dockerfile -> virtual environment -> verdict, then one byte is changed.

Everything shown is run for real, on the shipped profile `profiles/demo.toml`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

from rich.panel import Panel
from rich.table import Table

from demo.screen import BIN, Screen

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".build" / "demo"
VICTIM = "sklearn/metrics/_classification.py"


def main() -> None:
    """Run the demonstration; with --pictures DIR, record it."""
    parser = argparse.ArgumentParser(prog="make demo")
    parser.add_argument("--pictures", type=Path, help="write pictures of the run, and of its report, to this folder")
    options = parser.parse_args()
    started = time.monotonic()
    WORK.mkdir(parents=True, exist_ok=True)
    screen = Screen(record=options.pictures is not None, width=100 if options.pictures else None)
    screen.console.print(
        Panel(
            "envctl locks an ML environment, renders its Dockerfile, installs it, and proves byte for byte\n"
            "that what is installed is what was locked. Here is all of it, on real packages.",
            border_style="cyan",
        )
    )
    _lock_and_install(screen)
    if options.pictures:
        _save(screen, options.pictures / "demo-lock.svg", "envctl lock, sync, verify")
    _change_one_byte(screen)
    screen.console.print()
    screen.note(f"Done in {time.monotonic() - started:.0f} s. Lockfiles and Dockerfiles are in profiles/locked.")
    screen.note("Next: `.build/venv/bin/envctl --help`, or docs/getting-started.md for a project of your own.")
    if options.pictures:
        _save(screen, options.pictures / "demo-verify.svg", "one changed byte")
        _save_report(screen, options.pictures / "report.png")


def _lock_and_install(screen: Screen) -> None:
    screen.title("1. The profile: what people write and review")
    screen.run(["grep", "-v", "^#", "profiles/demo.toml"], shown="cat profiles/demo.toml", cwd=ROOT)
    screen.title("2. Lock: Python, every wheel with its hash and content digest; a Dockerfile beside it")
    screen.run(["envctl", "lock", "demo"], cwd=ROOT)
    screen.title("3. The Dockerfile, from the lockfile alone")
    screen.run(["envctl", "dockerfile", "demo:cpu"], most=24, cwd=ROOT)
    screen.title("4. A virtual environment that holds exactly the lockfile")
    screen.run(["envctl", "sync", "demo:cpu", "--venv", ".build/demo/venv"], cwd=ROOT)
    screen.title("5. The verdict")
    screen.run(["envctl", "verify", "demo:cpu", "--venv", ".build/demo/venv"], cwd=ROOT)


def _change_one_byte(screen: Screen) -> None:
    screen.title("6. Somebody changes one byte of an installed module")
    changed = WORK / "changed"
    shutil.rmtree(changed, ignore_errors=True)
    shutil.copytree(WORK / "venv", changed, symlinks=True)
    (module,) = changed.glob(f"lib/python*/site-packages/{VICTIM}")
    text = module.read_bytes()
    place = text.index(b"normalize=True") + len("normalize=")
    module.write_bytes(text[:place] + b"t" + text[place + 1 :])
    screen.note(f"in a copy: one character of {VICTIM}, at byte {place:,}")
    python = str(changed / "bin" / "python")
    project = _uv_project()
    shown = {
        "pip check": [str(BIN / "python"), "-m", "pip", "--python", python, "check"],
        "uv pip check": ["uv", "pip", "check", "--python", python],
        "uv sync --check": ["uv", "sync", "--check", "--project", str(project), "--no-progress"],
    }
    env = {"UV_PROJECT_ENVIRONMENT": str(changed), "UV_PYTHON_DOWNLOADS": "never"}
    said = {name: screen.run(command, shown=name, env=env, most=-1) for name, command in shown.items()}
    verify = ["envctl", "verify", "demo:cpu", "--venv", ".build/demo/changed"]
    said["envctl verify"] = screen.run(verify, expect=1, cwd=ROOT)
    table = Table(title="One changed byte, and what each tool says", title_justify="left", border_style="cyan")
    table.add_column("tool")
    table.add_column("exit code", justify="right")
    table.add_column("says")
    for name, ran in said.items():
        table.add_row(name, str(ran.status), ran.lines[0 if name == "envctl verify" else -1])
    screen.console.print()
    screen.console.print(table)


def _uv_project() -> Path:
    """A uv project with the lockfile's pins, so that `uv sync --check` has something to compare with."""
    import subprocess

    from demo.screen import clean_environment
    from envctl.lockfile.read import read_lockfile
    from envctl.system.machine import host

    lockfile = read_lockfile(ROOT / "profiles" / "locked" / "pylock.demo-cpu.toml")
    project = WORK / "uv-project"
    project.mkdir(exist_ok=True)
    pins = "".join(f'  "{p.name}=={p.version}",\n' for p, _ in lockfile.select(host()))
    requires = ".".join(map(str, lockfile.envctl.python.minor))
    (project / "pyproject.toml").write_text(
        f'[project]\nname = "same-pins"\nversion = "0"\nrequires-python = "=={requires}.*"\n'
        f"dependencies = [\n{pins}]\n",
        "utf-8",
    )
    done = subprocess.run(
        ["uv", "lock", "--quiet", "--project", str(project)],
        env={**clean_environment(), "UV_PYTHON_DOWNLOADS": "never"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr)
    return project


def _save_report(screen: Screen, path: Path) -> None:
    """The HTML report on the changed environment, as a browser shows it; `tests` is on the path (`make pictures`)."""
    from support.browser import browser

    place = ".build/demo/report.html"
    screen.run(["envctl", "verify", "demo:cpu", "--venv", ".build/demo/changed", "-o", place], expect=1, cwd=ROOT)
    with browser() as chromium:
        page = chromium.new_page(viewport={"width": 1100, "height": 860})
        page.goto((ROOT / place).as_uri())
        page.screenshot(path=path)


def _save(screen: Screen, path: Path, title: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(screen.console.export_svg(title=title, clear=True), "utf-8")


if __name__ == "__main__":
    main()
