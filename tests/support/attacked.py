"""One honest image of small wheels, and images and containers derived from it in which something was changed.

`victim` is built once a session and worker with plain `docker build` of the generated Dockerfile.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from support import attacks
from support.attacks import IMAGE, ROWS, Target, rows_of
from support.attacks.allowed import FOLDER
from support.engine.client import Engine
from support.images import installer_wheel, locked
from support.project import Project, Ran
from support.server import IndexServer
from support.targets import SHARED, name_of, small_target, small_wheels
from support.wheels import build_wheel

# Debian's Python without what no test here looks at: every verification reads all of the base.
SLIM = """\
FROM {base} AS whole
RUN --network=none cd /usr && rm -rf \\
      share/perl* share/zoneinfo share/lintian share/common-licenses share/bash-completion lib/locale \\
      lib/x86_64-linux-gnu/perl* lib/x86_64-linux-gnu/libperl* lib/x86_64-linux-gnu/libicu* \\
      lib/x86_64-linux-gnu/gconv/*.so bin/perl* bin/openssl bin/systemd* bin/gpg* \\
      lib/python3.11/idlelib lib/python3.11/pydoc_data lib/python3.11/tkinter lib/python3.11/test
FROM scratch
COPY --from=whole / /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
CMD ["python3"]
"""
VENV = "/opt/venv"
SITE = f"{VENV}/lib/python3.11/site-packages"
INFO = f"{SITE}/alpha_tools-1.0.dist-info"

PROFILE = """\
python = "3.11.2"
dependencies = ["alpha-tools", "beta", "gamma"]

[image]
base = "{base}"
env = {{ GREETING = "good day" }}
files = [
    {{ source = "app", target = "/srv/app" }},
    {{ source = "model.bin", target = "/srv/model.bin", locked = true }},
]
workdir = "/srv/app"
user = 10001
command = ["alpha", "serve"]

[policy]
startup-hooks = ["beta-hook.pth"]
writable = ["{writable}"]
"""


def fill(folder: Path, index: IndexServer) -> list[Path]:
    """Wheels with a script, data, headers, entry points, a startup hook and a namespace."""
    wheels = [
        build_wheel(
            folder,
            "alpha-tools",
            "1.0",
            files={
                "alpha/__init__.py": b'"""Alpha."""\n\nNAMES = ("a", "b", 1)\n',
                "alpha/core.py": b"def main() -> None:\n    print('served', flush=True)\n    input()\n",
                "alpha/wait.py": b"import time\n\n\ndef main() -> None:\n    time.sleep(600)\n",
            },
            entry_points={"alpha": "alpha.core:main", "alpha-wait": "alpha.wait:main"},
            scripts={"alpha-run": b"#!python\nimport alpha\nprint(alpha.NAMES)\n"},
            data={"data/share/alpha/notes.txt": b"notes", "headers/alpha.h": b"#define ALPHA 1\n"},
            requires=["beta"],
        ),
        build_wheel(
            folder,
            "beta",
            "2.0",
            files={"beta.py": b"B = 2\n", "beta-hook.pth": b"import beta\n", "ns/b/x.py": b"X = 1\n"},
        ),
        build_wheel(
            folder,
            "gamma",
            "3.0",
            files={"gamma/__init__.py": b"", "gamma/deep/one.py": b"ONE = 1\n"},
            requires=[name_of(row) for row in SHARED],
        ),
        *small_wheels(folder),
    ]
    for wheel in wheels:
        index.add(wheel)
    index.add(installer_wheel(folder / "installer"))
    return wheels


class Victim(NamedTuple):
    """An image of a locked project: `image` is its name in the engine, `wheels` are its wheels by distribution."""

    engine: Engine
    project: Project
    image: str
    wheels: dict[str, Path]

    @property
    def tools(self) -> Path:
        """A folder with what Dockerfiles of attacks use."""
        return self.project.folder.parent / "tools"

    def derive(
        self,
        stem: str,
        steps: str,
        *args: object,
        context: Path | None = None,
        base: str | None = None,
        user: str = "10001",
    ) -> str:
        """An image made of the victim (or `base`) by the steps of a Dockerfile, as root; its name.

        /mnt of a step with `--mount=type=bind,target=/mnt` is the context, by default the folder of tools.
        """
        tag = self.engine.name(stem)
        steps = re.sub(r"(?m)^RUN ", "RUN --network=none ", steps)
        text = f"FROM {base or self.image}\nUSER 0\n{steps}\nUSER {user}\n"
        self.engine.build(context or self.tools, text, tag, *args)
        return tag

    def start(self, stem: str, *args: object, image: str | None = None, command: Sequence[str] = ()) -> str:
        """A container that runs until it is removed; its name."""
        name = self.engine.name(stem)
        self.engine.remove(name)
        words = command or (f"{VENV}/bin/alpha-wait",)
        self.engine.run("run", "--detach", "--name", name, "--network=none", *args, image or self.image, *words)
        return name

    def verify(self, *args: object) -> Ran:
        """`envctl verify` as JSON."""
        return self.project.run("verify", "train", "--format", "json", *args)


@pytest.fixture(scope="session")
def victim(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Victim]:
    """The project, locked, and built by plain `docker build`. Tests must not change either."""
    folder = tmp_path_factory.mktemp("victim")
    with IndexServer() as index:
        project = Project(folder / "project", index)
        wheels = fill(project.wheels, index)
        tools(folder / "tools")
        write(project, slim_base(engine, folder / "tools"))
        with pytest.MonkeyPatch.context() as patch:  # not longer: it would be told to all tests of the session
            patch.setenv("ENVCTL_INDEX_URL", index.url)
            patch.setenv("ENVCTL_CACHE_DIR", str(folder / "cache"))
            locked(project)
        yield Victim(engine, project, build(engine, project, "victim"), {w.name.split("-")[0]: w for w in wheels})


USERS = {"said": "0"}
"""The user of an attacked image, where it is another than the victim's."""


def image_targets(group: str) -> dict[str, Target]:
    """What the deeds of a group are done to, by the names of the rows."""
    line, tag = SITE.removeprefix(f"{VENV}/"), "cpython-311"
    return {row.name: small_target(row, line, tag, "/srv/attack") for row in rows_of(group, IMAGE)}


def attacked(victim: Victim, group: str, **settings: str) -> str:
    """The victim with all that a group of the attack table does; `settings`: variables for the deeds."""
    rows, targets, stem = rows_of(group, IMAGE), image_targets(group), re.sub(r"[^a-z0-9]+", "-", group.lower())
    chosen = {str(ROWS.index(row)): targets[row.name]._asdict() for row in rows if row.deed is not None}
    steps = [row.steps.replace("{site}", SITE) for row in rows if row.steps]
    if chosen:
        (victim.tools / f"{stem}.json").write_text(json.dumps(chosen))
        words = " ".join(f"{name}={value}" for name, value in {"PYTHONPATH": "/mnt", **settings}.items())
        steps.append(f"RUN --mount=type=bind,target=/mnt {words} python3.11 -S -B -m attacks {VENV} /mnt/{stem}.json")
    return victim.derive(f"attacked-{stem}", "\n".join(steps), user=USERS.get(group, "10001"))


def tools(folder: Path) -> None:
    """What attackers bring: the table of attacks, with what each deed is done to."""
    folder.mkdir()
    shutil.copytree(Path(attacks.__file__).parent, folder / "attacks", ignore=shutil.ignore_patterns("__pycache__"))


def slim_base(engine: Engine, empty: Path) -> str:
    """A small base in the registry, by its digest."""
    tag = engine.name("slim:1", pushed=True)
    engine.build(empty, SLIM.format(base=engine.bases["py311"]), tag)
    return engine.push(tag)


@contextlib.contextmanager
def changed_lock(victim: Victim, *changes: tuple[str, str]) -> Iterator[None]:
    """The victim's lockfile with other texts in it, for a while; without its seal."""
    path = victim.project.lock_path()
    whole = path.read_bytes()
    text = re.sub(r"(?m)^seal = .*\n", "", whole.decode())
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text)
    try:
        yield
    finally:
        path.write_bytes(whole)


def write(project: Project, base: str, text: str = PROFILE) -> None:
    """The profile and the files of the application."""
    project.profile(text.format(base=base, writable=FOLDER))
    (project.folder / "app").mkdir(exist_ok=True)
    (project.folder / "app" / "serve.py").write_text("print('application')\n")
    (project.folder / "model.bin").write_bytes(b"model" * 1000)


def build(engine: Engine, project: Project, stem: str) -> str:
    """Plain `docker build` of the generated Dockerfile; the tests' index takes the place of the public one."""
    tag, folder = engine.name(stem), project.folder
    secret = folder.parent / "index-url"
    secret.write_text(project.index.url)
    engine.run(
        *("build", "--network=host", "--provenance=false", "--quiet", "--tag", tag),
        *("--secret", f"id=index,src={secret}"),
        *("--file", folder / "profiles/locked/Dockerfile.train", folder),
    )
    return tag
