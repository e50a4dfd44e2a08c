"""Virtual environments made by real tools, and lockfiles of the wheels in them."""

from __future__ import annotations

import hashlib
import os
import platform as _platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
from support.wheels import build_wheel, sha256_of

from envctl.index.wheel import read_file
from envctl.inventory.venv import Venv
from envctl.lockfile.write import write_lockfile
from envctl.model.finding import Finding, Verification
from envctl.model.lockfile import (
    Envctl,
    Hook,
    Lockfile,
    Package,
    PackageTool,
    PackageTools,
    PlatformPin,
    Policy,
    Project,
    Python,
    Resolver,
    Tools,
    Wheel,
)
from envctl.model.manifest import Manifest, environment_digest
from envctl.system.machine import host
from envctl.system.uv import binary
from envctl.verify.compare import compare

PYTHON = _platform.python_version()
SITE = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
BASE = getattr(sys, "_base_executable", sys.executable)


def sample_wheels(folder: Path) -> list[Path]:
    """Wheels with everything that a wheel can hold."""
    return [
        build_wheel(
            folder,
            "Alpha.Tools",
            "1.0",
            files={
                "alpha/__init__.py": b'"""Alpha."""\n\nNAMES = frozenset({"a", "b", "c", "d", 1, 2.5})\n',
                "alpha/core.py": b"def main(x=(1, 2.0, True)):\n    return [i for i in x if i in {1, 2, 3}]\n",
                "alpha/data/weights.pth": b"not a startup hook\n",
                "alpha/_vendor/inner-1.dist-info/RECORD": b"inner.py,,\n",
                "alpha/empty.py": b"",
                "alpha/sp ace,comma.txt": b"x",
            },
            entry_points={"alpha": "alpha.core:main", "alpha-deep": "alpha.core:main.real"},
            scripts={
                "alpha-run": b"#!python\nimport alpha\nprint(alpha.NAMES)\n",
                "alpha-sh": b"#!/bin/sh\necho alpha\n",
            },
            data={"data/share/alpha/notes.txt": b"notes", "headers/alpha.h": b"#define ALPHA 1\n"},
        ),
        build_wheel(
            folder,
            "beta",
            "2.0.post1",
            files={"beta.py": b"B = 2\n", "beta-hook.pth": b"import beta\n", "ns/b/x.py": b""},
        ),
    ]


def lock_for(
    wheels: Iterable[Path],
    *,
    python: str = PYTHON,
    policy: Policy | None = None,
    project: Project | None = None,
    hooks: bool = True,
) -> Lockfile:
    """The lockfile of exactly these wheels, for this machine."""
    packages, recorded = [], []
    for path in wheels:
        name, version = path.name.split("-")[:2]
        content = read_file(path)
        name = re.sub(r"[-_.]+", "-", name).lower()
        packages.append(
            Package(
                name=name,
                version=version,
                wheels=(
                    Wheel(
                        name=path.name,
                        url=f"https://index.example/files/{path.name}",
                        hashes={"sha256": sha256_of(path)},
                        size=path.stat().st_size,
                    ),
                ),
                tool=PackageTools(envctl=PackageTool(content={path.name: content.manifest.digest()})),
            )
        )
        recorded += [Hook(path=hook, digest=f"sha256:{digest}", package=name) for hook, digest in content.hooks.items()]
    packages.sort(key=lambda package: package.name)
    digest = environment_digest((p.name, p.version, p.content[p.wheels[0].name]) for p in packages)
    machine = str(host())
    return Lockfile(
        lock_version="1.0",
        environments=(host().marker,),
        requires_python="==" + ".".join(python.split(".")[:2]) + ".*",
        created_by="envctl",
        packages=tuple(packages),
        tool=Tools(
            envctl=Envctl(
                schema=1,
                profile="train",
                inputs="sha256:" + "0" * 64,
                resolver=Resolver(name="uv"),
                source_date_epoch=0,
                python=Python(version=python),
                package_set={machine: digest},
                platforms={machine: PlatformPin(libc="glibc 2.39")},
                hooks=tuple(recorded) if hooks else (),
                policy=policy or Policy(),
                project=project,
            )
        ),
    )


def with_envctl(lockfile: Lockfile, **changes: object) -> Lockfile:
    """The lockfile with other values in `[tool.envctl]`."""
    changed = msgspec.structs.replace(lockfile.envctl, **changes)
    return msgspec.structs.replace(lockfile, tool=Tools(envctl=changed))


def write_lock(project: Path, lockfile: Lockfile) -> Path:
    """Write it where `envctl lock` does."""
    path = project / "profiles" / "locked" / "pylock.train.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(write_lockfile(lockfile))
    return path


def run(*command: object, umask: int = 0o022, **env: str) -> None:
    """Run a tool that has to succeed; its output is the failure's message."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PIP_", "PYTHON", "UV_", "VIRTUAL_ENV"))
    }
    clean |= {name: os.environ[name] for name in ("UV_CACHE_DIR",) if name in os.environ}
    clean |= {"UV_NO_CONFIG": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    clean |= {"UV_COMPILE_BYTECODE_TIMEOUT": "0", **env}  # a busy machine compiles as right as a fast one
    done = subprocess.run(
        [str(part) for part in command], env=clean, umask=umask, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"


def uv_venv(place: Path, *options: str) -> Path:
    """`uv venv`."""
    run(binary(), "venv", "-q", "--python", BASE, *options, place)
    return place


def uv_install(venv: Path, wheels: Sequence[Path], *options: str, umask: int = 0o022) -> Path:
    """`uv pip install` of exactly these wheels."""
    run(
        binary(),
        "pip",
        "install",
        "-q",
        "--python",
        venv / "bin/python",
        "--no-deps",
        "--no-index",
        *options,
        *wheels,
        umask=umask,
    )
    return venv


def pip_install(venv: Path, wheels: Sequence[Path], *options: str, umask: int = 0o022) -> Path:
    """`pip install` of exactly these wheels, with the pip beside this Python."""
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        venv / "bin/python",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        *options,
        *wheels,
        umask=umask,
    )
    return venv


def copy_of(venv: Path, place: Path) -> Path:
    """A copy that shares nothing with the original; scripts of a relocatable environment stay right."""
    shutil.copytree(venv, place, symlinks=True)
    return place


def verify(
    lockfile: Lockfile,
    venv: Path,
    *,
    manifests: Mapping[str, Manifest] | None = None,
    environ: Mapping[str, str] | None = None,
    strict: bool = False,
    seeds: bool = True,
    project_folder: Path | None = None,
) -> Verification:
    """Verify without caches or a network; `manifests`: by wheel file name, what a cache would have."""

    def seed(name: str, version: str) -> Manifest | None:
        for place in inventory.interpreter.bundled:
            if Path(place).name.startswith(f"{name}-{version}-") and seeds:
                return read_file(Path(place)).manifest
        return None

    inventory = Venv(venv, environ or {}).take()
    return compare(
        lockfile,
        host(),
        inventory,
        manifests=lambda _, wheel: (manifests or {}).get(wheel.name),
        seeds=seed,
        strict=strict,
        project_folder=project_folder,
    )


def manifests_of(wheels: Iterable[Path]) -> dict[str, Manifest]:
    """What a cache of manifests would hold."""
    return {wheel.name: read_file(wheel).manifest for wheel in wheels}


def errors(found: Verification) -> list[tuple[str, str | None, str | None]]:
    """(name, package, path) of each error."""
    return [(f.name, f.package, f.path) for f in found.findings if f.severity.value == "error"]


def only(found: Verification, name: str) -> Finding:
    """The one finding of a kind."""
    (finding,) = [finding for finding in found.findings if finding.name == name]
    return finding


def repair_record(dist_info: Path, name: str) -> None:
    """What an attacker does: make RECORD agree with a changed file."""
    import base64

    place = dist_info.parent / name
    digest = base64.urlsafe_b64encode(hashlib.sha256(place.read_bytes()).digest()).rstrip(b"=").decode()
    lines = []
    for line in (dist_info / "RECORD").read_text().splitlines():
        quoted = line.startswith(f"{name},")
        lines.append(f"{name},sha256={digest},{place.stat().st_size}" if quoted else line)
    (dist_info / "RECORD").write_text("\n".join(lines) + "\n")
