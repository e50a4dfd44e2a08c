"""What README, docs and help texts are run with: a small index under their packages' names, and a project folder.

The wheels are made on the spot, so that no network is needed; what they are called, and what needs what, is as on the
index that people use.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from support.engine.client import Engine
from support.images import PYTHON, installer_wheel
from support.pages import Command, File
from support.server import IndexServer
from support.wheels import build_wheel

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "numpy": (["2.0.0", "2.1.0"], []),
    "scipy": (["1.14.0"], ["numpy"]),
    "joblib": (["1.4.0"], []),
    "threadpoolctl": (["3.5.0"], []),
    "scikit-learn": (["1.5.0", "1.6.0"], ["numpy", "scipy", "joblib", "threadpoolctl"]),
    "pandas": (["2.0.0", "2.2.0"], ["numpy", "python-dateutil"]),
    "python-dateutil": (["2.9.0"], ["six"]),
    "six": (["1.16.0"], []),
    "torch": (["2.9.0", "2.9.0+cpu", "2.9.0+cu128"], ["numpy"]),
    "xgboost": (["3.1.0"], ["numpy", "nvidia-nccl-cu12"]),
    "xgboost-cpu": (["3.1.0"], ["numpy"]),
    "nvidia-nccl-cu12": (["2.27.0"], []),
    "httpx": (["0.28.0"], []),
    "fastapi": (["0.115.0"], []),
    "uvicorn": (["0.30.0"], []),
    "requests": (["2.32.0"], []),
    "matplotlib": (["3.9.0"], ["numpy"]),
    "acme-core": (["1.0.0"], []),
    "seaborn": (["0.13.0"], ["matplotlib", "pandas"]),
    "jupyter": (["1.1.0"], []),
    "cython": (["3.1.0"], []),
    "tensorflow": (["2.20.0"], ["numpy", "keras", "setuptools"]),
    "keras": (["3.11.0"], ["numpy"]),
    "pymc": (["5.25.0"], ["numpy", "scipy", "pandas"]),
    "pystan": (["3.10.0"], ["httpstan"]),
    "httpstan": (["4.13.0"], ["numpy"]),
    "gensim": (["4.3.0"], ["numpy", "scipy"]),
    "nltk": (["3.9.0"], ["joblib"]),
    "opencv-python-headless": (["4.12.0"], ["numpy"]),
    "setuptools": (["80.9.0"], []),
}
INSTALLER = "0.13.8"
_ENGINE = re.compile(
    r"^docker |^envctl (-q )?build |^envctl fetch (?!.*--no-image)|^envctl run (?!.*--(venv|dry-run))"
    r"|--(image|container|archive) "
)
MODULES = {"scikit-learn": "sklearn", "python-dateutil": "dateutil"}


@pytest.fixture(scope="session")
def docs_index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IndexServer]:
    """An index that offers the packages above, and the installer."""
    folder = tmp_path_factory.mktemp("docs-wheels")
    with IndexServer() as index:
        for name, (versions, requires) in PACKAGES.items():
            for version in versions:
                module = MODULES.get(name, name.replace("-", "_"))
                files = {f"{module}/__init__.py": f"__version__ = {version!r}\n".encode()}
                index.add(build_wheel(folder, name, version, files=files, requires=requires))
        index.add(build_wheel(folder, "uv", INSTALLER, tag="py3-none-manylinux_2_17_aarch64"))
        index.add(installer_wheel(folder, INSTALLER))
        yield index


class Reader:
    """Somebody who types what a text shows: a project folder with the shipped profiles, a home, a clean environment."""

    def __init__(self, folder: Path, index: IndexServer) -> None:
        self.project = folder / "project"
        (self.project / "profiles").mkdir(parents=True)
        (folder / "home").mkdir()
        self.engine: Engine | None = None
        self.images: list[str] = []
        self.env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "ENVCTL_INDEX_URL": index.url,
            "HOME": str(folder / "home"),
            "ENVCTL_CACHE_DIR": str(folder / "cache"),
            **{f"GIT_{who}_{what}": "reader@example" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }

    def lend(self, engine: Engine) -> None:
        """An engine; the official Python image is then the stand-in that its registry has."""
        self.engine = engine
        self.env |= engine.settings
        self.env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{engine.settings['PATH']}"

    def tidy(self) -> None:
        """Remove the images that were built."""
        if self.engine is not None:
            self.engine.remove(*self.images)

    def ship(self, name: str) -> None:
        """Put a shipped profile into the project."""
        self.write(f"profiles/{name}.toml", (ROOT / "profiles" / f"{name}.toml").read_text("utf-8"))

    def write(self, path: str, text: str) -> None:
        """Write a file of the project as a page shows it."""
        place = self.project / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(self._here(text), "utf-8")

    def type(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a command line in the project folder."""
        return subprocess.run(
            [shutil.which("bash") or "bash", "-c", self._here(line)],
            cwd=self.project,
            env=self.env,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    def _here(self, text: str) -> str:
        if self.engine is None:
            return for_this_python(text)
        for shown, ours in self._names(self.engine):
            text = text.replace(shown, ours)
        named = re.match(r"envctl (?:-q )?build (\S+)(?:.* -t (\S+))?", text)
        if named:
            self.images.append(named[2] or named[1].replace(":", "-"))
        text = re.sub(r'"python:3\.11\.9[^"@]*@sha256:[0-9a-f]{64}"', f'"{self.engine.bases["official"]}"', text)
        return re.sub(r'(?m)^(python\s*=\s*)"3\.11(\.9)?"', rf'\g<1>"{PYTHON}"', text)

    @staticmethod
    def _names(engine: Engine) -> tuple[tuple[str, str], ...]:
        """Names that pages show, and those that are this session's own: other sessions use the engine too."""
        return (
            ("registry.example/team/", engine.name("", pushed=True)),
            ("forecast:", engine.name("page:")),
            (" forecast", f" {engine.name('page')}"),
        )

    def follow(self, step: Command, where: str) -> subprocess.CompletedProcess[str]:
        """Run a command line that a text shows, and see that it ends as the text says, and writes what it shows."""
        done = self.type(step.text)
        assert done.returncode == step.status, f"{where}:{step.line}: {step.text}\n{done.stdout}{done.stderr}"
        written = done.stdout + done.stderr
        for shown, ours in self._names(self.engine) if self.engine else ():
            written = written.replace(ours, shown)
        missing = step.missing(written)
        assert missing is None, f"{where}:{step.line}: {step.text}\nshown: {missing}\n{done.stdout}{done.stderr}"
        return done


def needs_engine(todo: Iterable[File | Command]) -> bool:
    """Whether a page builds an image, looks at one, or needs a base image."""
    return any(isinstance(step, Command) and _ENGINE.search(step.text) is not None for step in todo)


def for_this_python(text: str) -> str:
    """Interpreters of other versions need not be on the machine."""
    return re.sub(r'(?m)^(python\s*=\s*)"3\.11(\.9)?"', rf'\g<1>"{platform.python_version()}"', text)
