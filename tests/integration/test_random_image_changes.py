"""Random layers on top of an honest image: never ok where they change code; in memory, without an engine."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from support import environments as env
from support.environments import lock_for, manifests_of, sample_wheels, with_envctl
from support.layouts import member, tar
from support.mutations import State, allowed
from support.random_layers import naive

from envctl.errors import InvalidFile
from envctl.inventory import rooted
from envctl.inventory.kept import keeps, packs
from envctl.model.finding import Verdict, Verification
from envctl.model.image import Base, Picture, Root, Settings
from envctl.model.lockfile import Image, Lockfile, PlatformPin
from envctl.model.manifest import Manifest
from envctl.oci.layers import Pack, read_layer
from envctl.oci.tree import merge
from envctl.system.machine import host
from envctl.verify.compare import compare

VENV = "opt/venv"
SITE = f"{VENV}/lib/python3.11/site-packages"
LIBRARY = "usr/lib/python3.11"
CODE = (f"{VENV}/", "usr/bin/", "usr/lib/", "lib/", "bin/", "usr/local/", "etc/ld.so")


class Victim(NamedTuple):
    """The layers of an honest image, the lockfile that it was made from, and what its layers unpack to."""

    layers: tuple[bytes, ...]
    lockfile: Lockfile
    manifests: Mapping[str, Manifest]
    before: Mapping[str, tuple[str, object, bytes]]

    def __repr__(self) -> str:
        return "Victim()"


def base_layer() -> bytes:
    """What of a system decides: an interpreter that says its version, its library, and programs."""
    return tar(
        member("usr/bin/python3.11", b"\x7fELF\0003.11.2\0" * 9, mode=0o755),
        member("usr/bin/python3", type=tarfile.SYMTYPE, linkname="python3.11"),
        member("usr/bin/env", b"\x7fELF env", mode=0o755),
        member("usr/lib/python3.11/os.py", b"import abc\n"),
        member("usr/lib/python3.11/json/__init__.py", b"X = 1\n"),
        member("usr/lib/x86_64-linux-gnu/libc.so.6", b"\x7fELF c"),
        member("lib", type=tarfile.SYMTYPE, linkname="usr/lib"),
        member("bin", type=tarfile.SYMTYPE, linkname="usr/bin"),
        member("etc/passwd", b"root:x:0:0::/root:/bin/sh\n"),
    )


def venv_layer(folder: Path) -> bytes:
    members = []
    for path in sorted(folder.rglob("*")):
        name = f"{VENV}/{path.relative_to(folder)}"
        if path.is_symlink():
            target = "/usr/bin/python3.11" if path.name == "python" else path.readlink()
            members.append(member(name, type=tarfile.SYMTYPE, linkname=str(target)))
        elif path.is_dir():
            members.append(member(name, type=tarfile.DIRTYPE, mode=0o755))
        elif path.name == "pyvenv.cfg":
            lines = path.read_text().splitlines()
            kept = [line for line in lines if not line.startswith(("home", "version_info"))]
            members.append(member(name, "\n".join(["home = /usr/bin", "version_info = 3.11.2", *kept, ""]).encode()))
        elif path.name != ".lock":
            members.append(member(name, path.read_bytes(), mode=path.stat().st_mode & 0o755))
    return tar(*members)


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Victim:
    folder = tmp_path_factory.mktemp("image")
    wheels = sample_wheels(folder / "wheels")
    venv = env.uv_venv(folder / "env", "--relocatable")
    env.uv_install(venv, wheels, "--link-mode", "copy")
    layers = (base_layer(), venv_layer(venv))
    plain = lock_for(wheels, python="3.11.2")
    digest = "sha256:" + "0" * 64
    pin = PlatformPin(libc="glibc 2.36", base_digest=digest, diff_ids=(diff_id(layers[0]),))
    lockfile = with_envctl(
        plain,
        image=Image(base=f"base.example/python@{digest}", user="10001", command=("alpha",)),
        platforms={str(host()): pin},
    )
    return Victim(layers, lockfile, manifests_of(wheels), naive(layers))


def diff_id(layer: bytes) -> str:
    return "sha256:" + hashlib.sha256(layer).hexdigest()


def verified(victim: Victim, layers: tuple[bytes, ...]) -> Verification | None:
    """What `envctl verify` does with layers, without a store or an engine; None where no Python is left in them."""
    pack = Pack()
    try:
        read = [read_layer(io.BytesIO(data), keep=keeps, pack=pack, packs=packs) for data in layers]
        tree, below = merge(read), merge(read[:1])
        said = Settings(
            env={"PATH": "/opt/venv/bin:/usr/bin:/bin", "VIRTUAL_ENV": "/opt/venv"}, command=("alpha",), user="10001"
        )
        root = Root(entries=tree.entries, below=below.entries, texts=tree.texts)
        environment = rooted.locate(tree, said)
        if environment is None:
            return None
        inventory = rooted.take(tree, root, said, environment, descriptor=pack.fileno())
        base = Base(digest="sha256:" + "0" * 64, diff_ids=(diff_id(layers[0]),), settings=Settings())
        picture = Picture(
            platform=str(host()),
            digest=None,
            settings=said,
            diff_ids=tuple(map(diff_id, layers)),
            base=base,
            root=root,
            environment=environment,
            inventory=inventory,
            bytecode=rooted.elsewhere(tree, root, inventory, descriptor=pack.fileno()),
        )
        return compare(
            victim.lockfile,
            host(),
            inventory,
            manifests=lambda _, wheel: victim.manifests.get(wheel.name),
            seeds=lambda *_: None,
            picture=picture,
        )
    finally:
        pack.close()


def code_errors(found: Verification) -> list[str]:
    """Errors but for the image's settings, which this image was never given all of."""
    settings_of = ("ENV504", "ENV505", "ENV508", "ENV509", "ENV510", "ENV511")
    return [
        f"{f.code} {f.path} {f.message}"
        for f in found.findings
        if f.severity.value == "error" and f.code not in settings_of
    ]


FOLDERS = [
    SITE,
    f"{SITE}/alpha",
    f"{SITE}/alpha/__pycache__",
    f"{VENV}/bin",
    VENV,
    LIBRARY,
    f"{LIBRARY}/json",
    "usr/bin",
]
FOLDERS += [
    "usr/lib/x86_64-linux-gnu",
    "usr/local/bin",
    "usr/local/lib/python3.11/dist-packages",
    "etc",
    "srv",
    "srv/data",
]
NAMES = [
    "x.py",
    "x.pth",
    "core.py",
    "__init__.py",
    "beta.py",
    "os.py",
    "python",
    "python3.11",
    "ld.so.preload",
    "alpha",
]
NAMES += ["libc.so.6", "pyvenv.cfg", "sitecustomize.py", "data.txt", "core.cpython-311.pyc", "passwd", "env", "json"]


@st.composite
def deeds(draw: st.DrawFn, taken: tuple[str, ...]) -> list[tuple[tarfile.TarInfo, bytes]]:
    """A member or two of a layer that somebody puts on top."""
    path = draw(st.sampled_from(taken) | st.builds("{}/{}".format, st.sampled_from(FOLDERS), st.sampled_from(NAMES)))
    folder, _, name = path.rpartition("/")
    kind = draw(
        st.sampled_from(["file", "file", "remove", "empty", "link", "hard", "folder", "fifo", "device", "mode"])
    )
    content = draw(st.sampled_from([b"", b"import os\n", b"x", b"\x7fELF"]) | st.binary(max_size=20))
    if kind == "remove":
        return [member(f"{folder}/.wh.{name}")]
    if kind == "empty":
        return [member(f"{folder}/.wh..wh..opq")]
    if kind == "link":
        targets = ["/etc/passwd", "/srv", "x", ".", "/usr/bin/env"]
        return [member(path, type=tarfile.SYMTYPE, linkname=draw(st.sampled_from(targets)))]
    if kind == "hard":
        other = f"srv/h{draw(st.integers(0, 3))}"
        return [member(other, content), member(path, type=tarfile.LNKTYPE, linkname=other)]
    if kind == "folder":
        return [member(path, type=tarfile.DIRTYPE, mode=draw(st.sampled_from([0o755, 0o777, 0o1777])))]
    if kind in ("fifo", "device"):
        return [member(path, type={"fifo": tarfile.FIFOTYPE, "device": tarfile.CHRTYPE}[kind])]
    mode = draw(st.sampled_from([0o644, 0o755, 0o4755, 0o666]))
    return [member(path, content, mode=mode)]


def must_be_found(victim: Victim, layers: tuple[bytes, ...]) -> bool:
    """Whether the unpacked layers differ where code is: told without envctl."""
    after = naive(layers)
    changed = [path for path in victim.before.keys() | after.keys() if victim.before.get(path) != after.get(path)]
    start = f"{VENV}/"
    inside = [
        {p[len(start) :]: state(v) for p, v in tree.items() if p.startswith(start)} for tree in (victim.before, after)
    ]
    return allowed(*inside) is False or any(
        path.startswith(CODE) and not path.startswith(start) and _is_file(victim.before.get(path), after.get(path))
        for path in changed
    )


def _is_file(old: tuple[str, object, bytes] | None, new: tuple[str, object, bytes] | None) -> bool:
    return "file" in {what[0] for what in (old, new) if what is not None}


def state(value: tuple[str, object, bytes]) -> State:
    kind, more, content = value
    if kind == "file" and isinstance(more, tuple):
        return State("-", int(more[1]), content)
    return State("l", 0, str(more).encode()) if kind == "link" else State("d", 0o755, b"")


def tried(victim: Victim, data: st.DataObject) -> None:
    taken = tuple(sorted(path for path, value in victim.before.items() if value[0] != "folder"))
    top = [deed for deeds_ in data.draw(st.lists(deeds(taken), min_size=1, max_size=2)) for deed in deeds_]
    layers = (*victim.layers, tar(*top))
    try:
        found = verified(victim, layers)
    except InvalidFile:
        event("refused")
        return
    special = [info.name for info, _ in top if info.type in (tarfile.FIFOTYPE, tarfile.CHRTYPE)]
    expected = any(name.startswith(CODE) for name in special) if special else must_be_found(victim, layers)
    event("must be found" if expected else "need not be found")
    if found is not None and expected:
        said = [(info.name, info.type, oct(info.mode), info.linkname, content) for info, content in top]
        assert found.verdict is not Verdict.OK, said
        assert code_errors(found), said


def test_the_image_is_honest(victim: Victim) -> None:
    found = verified(victim, victim.layers)
    assert found is not None
    assert code_errors(found) == []


MANY = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


@given(data=st.data())
@settings(max_examples=24, derandomize=True, suppress_health_check=MANY)
def test_some_layers_on_top_are_found(victim: Victim, data: st.DataObject) -> None:
    tried(victim, data)


@pytest.mark.campaign
@given(data=st.data())
@settings(max_examples=1500, suppress_health_check=MANY)
def test_layers_on_top_are_found(victim: Victim, data: st.DataObject) -> None:
    tried(victim, data)
