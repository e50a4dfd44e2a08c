"""Honest ways to make an environment of a lockfile: makers, installers, bytecode, places; one row is one of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from support import environments as env
from support.project import Ran

from envctl.system.uv import binary

Wheels = list[Path]
LATEST = "pip"  # the newest, which runs these tests
PIPS = {"pip 23": "23.3.2", "pip 24": "24.3.1"}


@dataclass(frozen=True)
class Row:
    """One environment.

    `python`: `own` (that of the tests), `debian`, or `standalone` (a build that runs wherever it is unpacked). `after`:
    what was done with it when it was made. `warnings`: codes of warnings that are documented for it; none else may be.
    """

    maker: str
    installer: str
    options: tuple[str, ...] = ()
    python: str = "own"
    after: str = ""
    warnings: frozenset[str] = frozenset()

    def __str__(self) -> str:
        parts = (self.python, self.maker, self.installer, *self.options, self.after)
        return " ".join(part for part in parts if part)


SEEDED, LINKED = frozenset(("ENV105",)), frozenset(("ENV210",))
BYTECODE = {  # of Matplotlib: comparing all of it in each row would take minutes
    "checked by hash": ("--invalidation-mode", "checked-hash"),
    "levels 1 and 2": ("-o", "0", "-o", "1", "-o", "2"),
}
ROWS = (
    Row("venv", "uv"),
    Row("venv", LATEST, ("--no-compile",)),
    Row("venv", LATEST, ("--compile",)),
    Row("venv", "pip 23", ("--no-compile",)),
    Row("venv", "pip 24", ("--compile",)),
    Row("venv with pip", "pip 24", ("--no-compile",), warnings=SEEDED),
    Row("venv --copies", "uv", ("--link-mode", "copy")),
    Row("venv --symlinks --prompt", LATEST, ("--no-compile",)),
    Row("uv", "uv", ("--link-mode", "hardlink")),
    Row("uv", "uv", ("--link-mode", "copy")),
    Row("uv", "uv", ("--link-mode", "clone")),
    Row("uv", "uv", ("--link-mode", "symlink"), warnings=LINKED),
    Row("uv", "uv", ("--compile-bytecode",)),
    Row("uv", "uv sync of the lockfile"),
    Row("uv", "pip of the lockfile"),
    Row("uv", "envctl sync"),
    Row("uv --relocatable", "uv", ("--link-mode", "copy"), after="moved"),
    Row("uv --relocatable", "uv", ("--link-mode", "copy", "--compile-bytecode"), after="copied"),
    Row("uv", LATEST, ("--no-compile",), after="reached by a link"),
    Row("uv --seed", "uv", after="its seeds removed"),
    Row("virtualenv", LATEST, ("--no-compile",)),
    Row("virtualenv", "uv"),
    Row("venv", "pip --prefix, copied in", ("--no-compile",)),
    Row("venv", "uv --prefix, copied in"),
    *(Row("uv", "uv", after=f"compiled: {name}") for name in BYTECODE),
    Row("uv", "uv", after="used by python, -O and -OO"),
    Row("uv", "uv", after="its umask is 077"),
    Row("uv", "uv", after="an upgrade and back"),
    Row("venv", LATEST, ("--compile",), python="debian"),
    Row("uv", "uv", python="debian"),
    Row("venv", LATEST, ("--no-compile",), python="standalone"),
    Row("uv", "uv", ("--compile-bytecode",), python="standalone"),
    Row("virtualenv", "uv", python="standalone"),
)


class Workshop:
    """Makes environments of one folder of wheels and one lockfile.

    Args:
        old_pips: pip's wheel by the name of an installer. `pythons`: interpreter by name.
        sync: makes the environment at a place by `envctl sync`.
    """

    def __init__(
        self,
        wheels: Wheels,
        lockfile: Path,
        *,
        old_pips: dict[str, Path],
        pythons: dict[str, str],
        sync: Callable[[Path], None],
    ) -> None:
        self.wheels, self.lockfile, self.old_pips, self.pythons, self.sync = wheels, lockfile, old_pips, pythons, sync

    def make(self, row: Row, place: Path) -> Path:
        """The environment of a row; where it is in the end."""
        place.parent.mkdir(parents=True, exist_ok=True)
        venv = self._venv(row, place)
        self._install(row, venv)
        return self._after(row, venv)

    def _venv(self, row: Row, place: Path) -> Path:
        python, (maker, *options) = self.pythons[row.python], row.maker.split(" ", 1)
        if row.installer == "envctl sync":
            return place
        if maker == "uv":
            env.run(binary(), "venv", "-q", "--python", python, *" ".join(options).split(), place)
        elif maker == "virtualenv":
            env.run(sys.executable, "-m", "virtualenv", "-q", "--no-seed", "-p", python, place)
        else:
            said = {"with pip": [], "--symlinks --prompt": ["--without-pip", "--symlinks", "--prompt", "a prompt"]}
            words = said.get(" ".join(options), ["--without-pip", *options])
            env.run(python, "-m", "venv", *words, place)
        return place

    def _install(self, row: Row, venv: Path) -> None:
        python, installer = venv / "bin/python", row.installer
        exactly = ("--no-deps", "--no-index", *row.options)
        umask = 0o077 if "umask" in row.after else 0o022
        if installer == "envctl sync":
            self.sync(venv)
        elif installer == "uv sync of the lockfile":
            found = ("--no-index", "--find-links", self.wheels[0].parent)
            env.run(binary(), "pip", "sync", "-q", "--python", python, *found, self._local())
        elif installer == "pip of the lockfile":
            env.run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "-r", self._local())
        elif installer.startswith("uv"):
            words = self._elsewhere(venv) if "--prefix" in installer else []
            env.run(binary(), "pip", "install", "-q", "--python", python, *exactly, *words, *self.wheels, umask=umask)
        else:
            words = self._elsewhere(venv) if "--prefix" in installer else []
            pip = [self.old_pips[installer] / "pip"] if installer in self.old_pips else ["-m", "pip"]
            env.run(sys.executable, *pip, "--python", python, "install", "-q", *exactly, *words, *self.wheels)
        if "--prefix" in installer:
            shutil.copytree(self._elsewhere(venv)[1], venv, dirs_exist_ok=True, symlinks=True)

    @staticmethod
    def _elsewhere(venv: Path) -> list[str]:
        return ["--prefix", str(venv.parent / "installed")]

    def _local(self) -> Path:
        """The lockfile, with the wheels where they lie."""
        import tomli
        import tomli_w

        document = tomli.loads(self.lockfile.read_text())
        for package in document["packages"]:
            for wheel in package["wheels"]:
                wheel["url"] = (self.wheels[0].parent / wheel["name"]).as_uri()
        place = self.lockfile.parent / "pylock.local.toml"
        place.write_text(tomli_w.dumps(document))
        return place

    def _after(self, row: Row, venv: Path) -> Path:
        python = venv / "bin/python"
        if row.after == "moved":
            return venv.rename(venv.parent / "another name")
        if row.after == "copied":
            return env.copy_of(venv, venv.parent / "copy" / "of it")
        if row.after == "reached by a link":
            (venv.parent / "link").symlink_to(venv)
            return venv.parent / "link"
        if row.after == "its seeds removed":
            env.run(binary(), "pip", "uninstall", "-q", "--python", python, "pip", "setuptools", "wheel")
        elif row.after.startswith("compiled: "):
            words = BYTECODE[row.after.removeprefix("compiled: ")]
            env.run(
                python,
                "-m",
                "compileall",
                "-q",
                "-j",
                "2",
                *words,
                next(venv.glob("lib/python*/site-packages/matplotlib")),
            )
        elif row.after.startswith("used"):
            for words in ([], ["-O"], ["-OO"]):
                subprocess.run([python, *words, "-c", "import sklearn, matplotlib, seaborn"], check=True, env={})
        elif row.after.startswith("an upgrade"):
            wheel = next(wheel for wheel in self.wheels if wheel.name.startswith("joblib"))
            env.run(binary(), "pip", "install", "-q", "--python", python, "--no-deps", "joblib<1.4")
            env.run(binary(), "pip", "install", "-q", "--python", python, "--no-deps", "--no-index", wheel)
        return venv


@dataclass(frozen=True)
class Image:
    """An image. `steps`: its Dockerfile, in which `{wheels}` and the names of old pips stand for files."""

    base: str
    steps: str


_VENV = "ENV PATH=/venv/bin:$PATH"
IMAGES = {
    "official layout, pip into /usr/local": Image(
        "official", "FROM base\nRUN pip install --no-deps --no-index {wheels}\n"
    ),
    "official layout, pip 24 into /usr/local, compiled": Image(
        "official", "FROM base\nRUN python3 {pip 24}/pip install --no-deps --no-index --compile {wheels}\n"
    ),
    "official layout, uv into /usr/local": Image(
        "official",
        "FROM base\nRUN /mnt/uv pip install --system --no-cache --no-deps --no-index {wheels}\n",
    ),
    "official layout, pip --prefix in one stage, copied to /usr/local in the next": Image(
        "official",
        "FROM base AS made\nRUN pip install --no-deps --no-index --prefix=/install {wheels}\n"
        "FROM base\nCOPY --from=made /install /usr/local\n",
    ),
    "official layout, python -m venv": Image(
        "official",
        f"FROM base\nRUN python3 -m venv /venv && /venv/bin/pip install --no-deps --no-index {{wheels}}\n{_VENV}\n",
    ),
    "official layout, a venv made in one stage, copied in the next, used": Image(
        "official",
        "FROM base AS made\nRUN python3 -m venv --without-pip /venv"
        " && /mnt/uv pip install --no-cache --python /venv/bin/python --no-deps --no-index {wheels}\n"
        "FROM base\nCOPY --from=made /venv /venv\n"
        "RUN PYTHONDONTWRITEBYTECODE= MPLCONFIGDIR=/venv/share/matplotlib MPLBACKEND=agg"
        f" /venv/bin/python -c 'import sklearn, matplotlib.pyplot'\n{_VENV}\n",
    ),
    "Debian 12's Python, uv venv": Image(
        "py311",
        "FROM base\nRUN /mnt/uv venv --no-cache --python python3 /venv"
        f" && /mnt/uv pip install --no-cache --python /venv/bin/python --no-deps --no-index {{wheels}}\n{_VENV}\n",
    ),
    "Debian 12's Python, python -m venv and pip 23": Image(
        "py311",
        "FROM base\nRUN python3 -m venv --without-pip /venv"
        f" && /venv/bin/python {{pip 23}}/pip install --no-deps --no-index --no-compile {{wheels}}\n{_VENV}\n",
    ),
    "Debian 13's Python, python -m venv and pip, compiled by the base's interpreter": Image(
        "py313",
        "FROM base\nRUN python3 -m venv /venv && /venv/bin/pip install --no-deps --no-index {wheels}"
        f" && PYTHONDONTWRITEBYTECODE= /venv/bin/python -m compileall -q /venv/lib\n{_VENV}\n",
    ),
}


MINORS = ("3.10", "3.12", "3.13", "3.14")
"""Other Pythons, of which those that a machine has are tried."""
DATASCIENCE = {
    Row("uv", "uv", ("--compile-bytecode",), after="torch.hub wrote weights"): "99,853 files, 9.3 GB",
    Row("uv", LATEST, ("--no-compile",)): "81,293 files, 8.8 GB",
}
"""With what was read when it was last tried."""


def alarms(done: Ran, expected: frozenset[str] = frozenset()) -> list[tuple[str, str]]:
    """Findings that nobody may have: all errors, and warnings but those expected and that of another patch release."""
    return [
        (finding["code"], finding["message"])
        for finding in done.json["findings"]
        if finding["severity"] == "error" or finding["code"] not in {*expected, "ENV302"}
    ]
