"""Nothing of an environment is run by looking at it: every hook of this one leaves a mark, and none does."""

from __future__ import annotations

import importlib.util
import marshal
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.keys import key, listed, public
from support.project import Project

MINOR = "python{}.{}".format(*sys.version_info)
BASE = Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
TOOLS = (
    "python",
    "python3",
    MINOR,
    "pip",
    "uv",
    "git",
    "docker",
    "nvidia-smi",
    "ldconfig",
    "ssh-keygen",
    "sh",
    "env",
    "dpkg",
)
LOOKS = (
    ("verify", "train", "--venv", ".venv", "--format", "json"),
    ("verify", "train", "--offline"),
    ("verify", "train", "--require-signature", "--allowed-signers", "signers"),
    ("lock", "--check"),
    ("lock", "--check", "--resolve"),
    ("lock",),
    ("doctor", "train"),
    ("dockerfile", "train"),
    ("tree", "train"),
    ("sync", "train", "--dry-run"),
    ("sync", "train"),
)


class Trap:
    """An environment all of whose code writes into `marks`."""

    def __init__(self, project: Project, folder: Path) -> None:
        self.project, self.marks, self.folder = project, folder / "marks", folder
        self.marks.mkdir()
        self.venv = project.folder / ".venv"
        (self.site,) = self.venv.glob("lib/python*/site-packages")

    def code(self, name: str) -> str:
        """Python code that leaves a mark."""
        return f"open({str(self.marks / name)!r}, 'a').close()\n"

    def program(self, path: Path, name: str, real: Path | None = None) -> None:
        """A program that leaves a mark, and then does what the real one does."""
        path.unlink(missing_ok=True)
        after = f'exec -a "$0" {real} "$@"' if real is not None else "exit 0"
        path.write_text(f"#!{shutil.which('bash')}\n: > '{self.marks / name}'\n{after}\n")
        path.chmod(0o755)

    def hooks(self) -> None:
        """What runs at every start, when a module is imported, and when a script is called."""
        (self.site / "zz.pth").write_text(f"import os; {self.code('pth')}")
        for name in ("sitecustomize.py", "usercustomize.py", "encodings.py", "conftest.py"):
            (self.site / name).write_text(self.code(name))
        module = self.site / "alpha" / "__init__.py"
        status, data = module.stat(), module.read_bytes()
        cache = Path(importlib.util.cache_from_source(str(module)))
        cache.parent.mkdir(exist_ok=True)
        head = int(status.st_mtime).to_bytes(4, "little") + len(data).to_bytes(4, "little")
        body = marshal.dumps(compile(self.code("bytecode"), str(module), "exec"))
        cache.write_bytes(importlib.util.MAGIC_NUMBER + bytes(4) + head + body)
        (self.site / "alpha" / "core.py").write_text(self.code("module"))
        for path in (self.venv / "bin").iterdir():
            if path.is_file() and not path.name.startswith("python"):
                path.write_text(path.read_text() + f"\n: > '{self.marks / 'script'}'\n")

    def links(self) -> None:
        """bin has programs of the attacker's, under the names of all that might be called."""
        for name in TOOLS:
            found = shutil.which(name)
            self.program(self.venv / "bin" / name, f"bin-{name}", BASE if "python" in name else found and Path(found))

    def home(self) -> Path:
        """pyvenv.cfg and bin/python lead to a wrapper."""
        place = self.folder / "home" / "bin"
        place.mkdir(parents=True)
        self.program(place / MINOR, "home", BASE)
        self._lead_to(place)
        return place

    def library(self) -> Path:
        """pyvenv.cfg and bin/python lead to a copy of Python whose standard library was edited."""
        place, real = self.folder / "copy" / "bin", Path(os.__file__).parent
        place.mkdir(parents=True)
        shutil.copy2(BASE, place / MINOR)
        own = place.parent / "lib" / MINOR
        own.mkdir(parents=True)
        for path in real.iterdir():
            if path.name not in ("encodings", "os.py", "site.py", "__pycache__", "site-packages"):
                (own / path.name).symlink_to(path)
        for library in BASE.parent.parent.glob("lib/libpython*"):
            (place.parent / "lib" / library.name).symlink_to(library)
        shutil.copytree(real / "encodings", own / "encodings", ignore=shutil.ignore_patterns("__pycache__"))
        for path in ("encodings/__init__.py", "os.py", "site.py"):
            text = (real / path).read_text()
            future = text.rfind("from __future__")
            assert future < 0, path
            mark = f"import posix as _p; _p.close(_p.open({str(self.marks / 'library')!r}, 0o101))"
            mark = f"\ntry:\n    {mark}\nexcept ImportError: pass\n"
            (own / path).write_text(text + mark)
        self._lead_to(place)
        return place

    def _lead_to(self, place: Path) -> None:
        for name in ("python", "python3"):
            (place / name).symlink_to(MINOR)
        config = self.venv / "pyvenv.cfg"
        lines = [line for line in config.read_text().splitlines() if not line.startswith("home")]
        config.write_text("\n".join([f"home = {place}", *lines, ""]))
        for name in ("python", "python3", MINOR):
            (self.venv / "bin" / name).unlink(missing_ok=True)
            (self.venv / "bin" / name).symlink_to(place / name)

    def surroundings(self, patch: pytest.MonkeyPatch) -> None:
        """The environment is active, and the variables of who calls are the attacker's."""
        evil = self.folder / "evil"
        evil.mkdir()
        for name in ("hashlib", "json", "sitecustomize", "encodings", "marshal"):
            (evil / f"{name}.py").write_text(self.code(f"path-{name}"))
        (evil / "startup.py").write_text(self.code("startup"))
        patch.setenv("PATH", f"{self.venv / 'bin'}{os.pathsep}{os.environ['PATH']}")
        patch.setenv("VIRTUAL_ENV", str(self.venv))
        patch.setenv("PYTHONPATH", str(evil))
        patch.setenv("PYTHONSTARTUP", str(evil / "startup.py"))
        patch.setenv("PYTHONUSERBASE", str(evil))
        if (compiler := shutil.which("gcc")) is not None:
            source = evil / "mark.c"
            call = f'fclose(fopen("{self.marks}/preload", "a"))'
            source.write_text(
                f"#include <stdio.h>\n__attribute__((constructor)) static void mark(void) {{ {call}; }}\n"
            )
            subprocess.run([compiler, "-shared", "-fPIC", "-o", evil / "mark.so", source], check=True)
            patch.setenv("LD_PRELOAD", str(evil / "mark.so"))  # of this process's children: this one runs already
        patch.chdir(self.project.folder)

    def marked(self) -> list[str]:
        """The marks that were left."""
        return sorted(path.name for path in self.marks.iterdir())


@pytest.fixture
def trap(project: Project, tmp_path: Path) -> Trap:
    project.wheel(
        "alpha", files={"alpha/__init__.py": b"VALUE = 1\n", "alpha/core.py": b""}, entry_points={"alpha": "alpha:main"}
    )
    python = "{}.{}.{}".format(*sys.version_info[:3])
    project.profile(f'python = "{python}"\ndependencies = ["alpha"]\n')
    for command in (["lock"], ["sync", "train"]):
        ran = project.run(*command)
        assert ran.status == 0, ran.err
    signer = key(tmp_path)
    listed(project.folder / "signers", f"alice@example.com {public(signer)}")
    assert project.run("sign", "train", "--key", signer).status == 0
    return Trap(project, tmp_path)


@pytest.mark.parametrize("kind", ["links", "home", "library"])
def test_looking_at_an_environment_runs_nothing_of_it(trap, kind, monkeypatch):
    getattr(trap, kind)()
    trap.hooks()
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LD_"))}
    subprocess.run([trap.venv / "bin" / "python", "-c", "import alpha"], env=environ, check=True)
    sprung = {"links": "bin-python", "home": "home", "library": "library"}[kind]
    assert {sprung, "pth", "bytecode"} <= set(trap.marked()), "the trap works"
    for path in trap.marks.iterdir():
        path.unlink()
    trap.surroundings(monkeypatch)
    for command in LOOKS:
        ran = trap.project.run(*command)
        assert trap.marked() == [], command
        if command[0] == "verify":
            assert ran.status == 1, ran.err
    assert trap.project.run("verify", "train").status == 1, "variables of the caller are errors"
    assert trap.marked() == []
