"""Learn the templates of activation scripts from the makers of virtual environments that are installed here.

    python tests/support/templates.py          says which files of theirs envctl does not know
    python tests/support/templates.py --write  adds them to envctl/verify/templates.json

Run it when a new uv or virtualenv is out; known templates are never taken away. An environment is made at a place and
with a prompt that occur nowhere else, so that what the maker filled in can be told from what is its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

DATA = Path(__file__).parents[2] / "envctl" / "verify" / "templates.json"
NAME, PROMPT = "envctl-learns-name-7f3a", "envctl-learns-prompt-91c2"
FILES = re.compile(
    r"bin/(?:[aA]ctivate[\w.]*|deactivate[\w.]*|pydoc\.bat)|\.gitignore|CACHEDIR\.TAG|site/_virtualenv\.\w+"
)


def makers(uv: str | None = None, virtualenv: str | None = None) -> list[list[str]]:
    """Commands that make an environment at the path appended to them."""
    uv, python = uv or "uv", virtualenv or sys.executable
    commands = [
        [sys.executable, "-m", "venv", "--without-pip"],
        [uv, "venv", "--no-config", "-q", "--python", sys.executable],
    ]
    commands.append([*commands[1], "--relocatable"])
    if subprocess.run([python, "-c", "import virtualenv"], capture_output=True, check=False).returncode == 0:
        commands.append([python, "-m", "virtualenv", "-q", "--no-seed", "--no-periodic-update"])
    return commands


def learn(command: list[str]) -> Iterator[tuple[str, tuple[tuple[int, ...], tuple[str, ...], str]]]:
    """Path and template of each file that the maker writes, with a prompt and without."""
    for prompt in ([], ["--prompt", PROMPT]):
        with tempfile.TemporaryDirectory() as folder:
            venv = Path(folder).resolve() / NAME
            env = {**os.environ, "UV_NO_CONFIG": "1"}
            subprocess.run([*command, *prompt, str(venv)], check=True, capture_output=True, env=env)
            site = next(venv.glob("lib/python*/site-packages"))
            holes = {
                f"{venv}/lib/pkgconfig": "pkg",
                f"{venv}/bin/deactivate.nu": "deactivate",
                str(venv): "dir",
                NAME: "name",
                PROMPT: "prompt",
                f"../lib/{site.parent.name}/site-packages": "site",
            }
            for path in sorted(venv.rglob("*")):
                name = str(path.relative_to(venv)).replace(str(site.relative_to(venv)), "site", 1)
                if path.is_file() and not path.is_symlink() and FILES.fullmatch(name):
                    yield name, template(path.read_bytes(), holes)


def template(text: bytes, holes: dict[str, str]) -> tuple[tuple[int, ...], tuple[str, ...], str]:
    """Lengths of the fixed parts, the holes between them, sha256 of the fixed parts joined."""
    found = re.split(b"(" + b"|".join(re.escape(hole.encode()) for hole in holes) + b")", text)
    fixed, filled = found[::2], [holes[value.decode()] for value in found[1::2]]
    return tuple(map(len, fixed)), tuple(filled), hashlib.sha256(b"".join(fixed)).hexdigest()


def main() -> int:
    """Compare with, or add to, the data that ships."""
    data = json.loads(DATA.read_bytes())
    known = {path: {(tuple(a), tuple(b), c) for a, b, c in templates} for path, templates in data.items()}
    new = [
        (path, found)
        for command in makers(*sys.argv[2:])
        for path, found in learn(command)
        if found not in known.get(path, set())
    ]
    for path, found in new:
        known.setdefault(path, set()).add(found)
        print(path, found[1])
    if "--write" in sys.argv:
        DATA.write_text(dump({path: sorted(templates) for path, templates in known.items()}))
    return len(new) > 0


def dump(data: dict[str, list[tuple[tuple[int, ...], tuple[str, ...], str]]]) -> str:
    """JSON with one template a line."""
    files = []
    for path in sorted(data):
        lines = ",\n".join("  " + json.dumps(item, separators=(",", ":")) for item in data[path])
        files.append(f" {json.dumps(path)}: [\n{lines}\n ]")
    return "{\n" + ",\n".join(files) + "\n}\n"


if __name__ == "__main__":
    sys.exit(main())
