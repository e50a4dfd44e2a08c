"""Lock tools that people use today, each in its own environment, each with an empty cache before every run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.timing import Command, environment
from envctl.resolve.uv import UvResolver


def peers(folder: Path, stack: list[str]) -> list[Command]:
    """pip-compile (without hashes, which take it minutes), pip lock and Poetry on the stack."""
    tools = folder / "venv"
    if not (tools / "bin" / "poetry").exists():
        env = environment({})
        subprocess.run(["uv", "venv", "--clear", "--seed", "--python", sys.executable, str(tools)], check=True, env=env)
        wanted = ["pip>=26", "pip-tools", "poetry"]
        subprocess.run(["uv", "pip", "install", "--python", str(tools / "bin/python"), *wanted], check=True, env=env)
    binaries = tools / "bin"
    work = folder / "work"
    cache = folder / "cache"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    (work / "requirements.in").write_text("\n".join(stack) + "\n", "utf-8")
    index = UvResolver().default_index()  # as a plain index: not every mirror has the JSON interfaces beside it
    names = "".join(f'  "{name}",\n' for name in stack)
    (work / "pyproject.toml").write_text(
        f'[project]\nname = "bench"\nversion = "0"\nrequires-python = "==3.11.*"\ndependencies = [\n{names}]\n'
        f'[[tool.poetry.source]]\nname = "default"\nurl = "{index}"\npriority = "primary"\n',
        "utf-8",
    )
    env = {
        "XDG_CACHE_HOME": str(cache),
        "PIP_CACHE_DIR": str(cache / "pip"),
        "POETRY_CACHE_DIR": str(cache / "poetry"),
        "PIP_CONFIG_FILE": "/dev/null",
    }

    def clear() -> None:
        shutil.rmtree(cache, ignore_errors=True)
        for name in ("poetry.lock", "requirements.txt", "pylock.toml"):
            (work / name).unlink(missing_ok=True)

    def tool(name: str, *argv: str) -> Command:
        return Command(name, argv, cwd=work, env=env, before=clear)

    compile_argv = ("--quiet", "--no-header", "-o", "requirements.txt", "requirements.in", "--cache-dir", str(cache))
    return [
        tool("pip-compile", str(binaries / "pip-compile"), *compile_argv),
        tool("pip lock", str(binaries / "pip"), "lock", "-q", "-r", "requirements.in", "-o", "pylock.toml"),
        tool("Poetry", str(binaries / "poetry"), "lock", "-q"),
    ]
