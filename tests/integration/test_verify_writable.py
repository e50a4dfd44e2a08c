"""`[policy] writable`: data that programs write in the folders it names is accepted, whatever else is there is not."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support import environments as env
from support.environments import SITE, errors, lock_for, sample_wheels, verify
from support.wheels import build_wheel

from envctl.model.finding import Severity, Verdict
from envctl.model.image import Picture, Settings
from envctl.model.inventory import Entry, Interpreter, Inventory, Kind
from envctl.model.lockfile import Policy
from envctl.system.machine import host
from envctl.verify import closed
from envctl.verify.world import World

ELF = b"\x7fELF\x02\x01\x01" + b"\0" * 60
FOLDERS = ("share/app", "share/jupyter/runtime", "nltk_data", "lib/nltk_data", f"{SITE}/alpha/data/cache", "var")
POLICY = Policy(writable=FOLDERS)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("wheels")
    app = build_wheel(folder, "app", files={"app.py": b""}, data={"data/share/app/table.csv": b"1,2\n"})
    return [*sample_wheels(folder), app]


@pytest.fixture
def venv(wheels: list[Path], tmp_path: Path) -> Path:
    venv = env.uv_install(env.uv_venv(tmp_path / "env"), wheels, "--link-mode", "copy")
    for folder in FOLDERS:
        (venv / folder).mkdir(parents=True, exist_ok=True)
    return venv


def put(place: Path, data: bytes = b"data", mode: int = 0o644) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    place.chmod(mode)


DATA = {
    "share/jupyter/runtime/kernel-8d7c.json": b"{}",
    "share/jupyter/runtime/jpserver-12-open.html": b"<html>",
    "share/jupyter/runtime/jupyter_cookie_secret": b"secret",
    "share/app/state.db": b"SQLite format 3\0",
    "share/app/empty": b"",
    "share/app/with space, \N{SNOWMAN} and\nnewline.json": b"{}",
    "share/app/checkpoints/resnet.pth": b"PK\x03\x04" + b"\0" * 30,
    "share/app/checkpoints/older.pth": b"\x80\x02\x8a\x0a",
    "share/app/model/config.json": b"{}",
    "share/app/model/tokenizer_config.json": b"{}",
    "share/app/.cache/fontlist-v390.json": b"{}",
    "nltk_data/corpora/stopwords.zip": b"PK\x03\x04",
    "nltk_data/corpora/stopwords/english": b"the\n",
    "lib/nltk_data/tokenizers/punkt_tab/english/collocations.tab": b"a\tb\n",
    f"{SITE}/alpha/data/cache/answers.json": b"{}",
    "var/a.so.txt.json/plain": b"data",
}
"""What programs write, by path."""

CODE: dict[str, bytes | tuple[bytes, int]] = {
    "share/app/evil.py": b"import os\n",
    "share/app/Evil.PY": b"import os\n",
    "share/app/empty.py": b"",
    f"share/app/__pycache__/gone.{sys.implementation.cache_tag}.pyc": b"\xa7\r\r\n",
    "share/app/evil.pyc": b"\xa7\r\r\n",
    "share/app/evil.cpython-311-x86_64-linux-gnu.so": ELF,
    "share/app/libz.so.1": ELF,
    "share/app/libz.so.1.2.13": b"INPUT(/tmp/evil.so)",
    "share/app/weights.bin": ELF,
    "share/app/run": b"#!/bin/sh\n",
    "share/app/tool": (b"data", 0o755),
    "share/app/tool2": (b"data", 0o654),
    "share/app/zz.pth": b"import os\n",
    "share/app/site-packages/data.json": b"{}",
    "share/app/x-1.0.dist-info/METADATA": b"Name: x\n",
    "share/app/x.egg-info/PKG-INFO": b"Name: x\n",
    "share/app/x.egg/data": b"",
    "share/app/x-1.0-py3-none-any.whl": b"PK\x03\x04",
    "share/app/x.pyz": b"PK\x03\x04",
    "share/app/startup/10.ipy": b"!ls\n",
    "share/app/k.f-12.py311.1.nbc": b"\x80\x04",
    "share/app/k.f-12.py311.nbi": b"\x80\x04",
    "share/app/triton/k.cubin": ELF,
    "share/app/page.js": b"fetch('/')\n",
    "share/app/headers/app.h": b"#define X\n",
    "share/app/settings.cfg": b"[x]\n",
    "share/app/pip.conf": b"[global]\n",
    "share/app/x.toml": b"",
    "share/app/matplotlibrc": b"backend: module://evil\n",
    "share/app/.bashrc": b"",
    "share/app/.env": b"LD_PRELOAD=/tmp/x\n",
    "share/app/kernels/evil/kernel.json": b'{"argv": ["sh"]}',
    "share/app/jupyter_server_config.json": b"{}",
    "share/app/ipython_config.json": b"{}",
    "share/app/entry_points.txt": b"[console_scripts]\n",
    "share/jupyter/runtime/kernel.json": b"{}",
    "share/jupyter/kernels/evil/logo.png": b"PNG",
    "share/jupyter/kernel-1.json": b"{}",
    "share/app2/data": b"data",
    "share/application/data": b"data",
    "nltk_data.json": b"{}",
    f"{SITE}/alpha/data/cache/plugin.py": b"",
    f"{SITE}/alpha/data/other.json": b"{}",
    f"{SITE}/alpha/data/cache/x-1.dist-info/RECORD": b"",
}
"""What is found there, or just beside it."""


def test_data_in_the_named_folders_is_accepted(venv: Path, wheels: list[Path]) -> None:
    for path, data in DATA.items():
        put(venv / path, data)
    assert verify(lock_for(wheels, policy=POLICY), venv, strict=True).findings == ()
    found = errors(verify(lock_for(wheels), venv))
    assert len(found) == len(DATA)
    assert {name for name, _, _ in found} == {"file-added"}


def test_code_and_configuration_in_the_named_folders_are_found(venv: Path, wheels: list[Path]) -> None:
    for path, said in {**DATA, **CODE}.items():
        put(venv / path, *(said if isinstance(said, tuple) else (said,)))
    found = verify(lock_for(wheels, policy=POLICY), venv)
    assert {path for _, _, path in errors(found)} == set(CODE)
    assert {name for name, _, _ in errors(found)} == {"file-added", "bytecode-sourceless"}
    assert found.verdict is Verdict.UNTRUSTED
    said = {finding.path: finding.message for finding in found.findings}
    assert said["share/app/k.f-12.py311.1.nbc"].startswith("is machine code")
    assert said["share/app/evil.py"] == "is no data: `writable` never allows code or configuration"
    assert said["share/app2/data"] == "belongs to no locked wheel"


def _outside(venv: Path) -> str:
    put(venv.parent / "elsewhere", b"data")
    (venv / "share/app/link").symlink_to("../../../elsewhere")
    return "link-outside share/app/link"


def _to_locked(venv: Path) -> str:
    (venv / "share/app/link.json").symlink_to(f"../../{SITE}/alpha/core.py")
    return "link-outside share/app/link.json"


def _module_name(venv: Path) -> str:
    put(venv / "share/app/blobs/12ab")
    (venv / "share/app/modeling.py").symlink_to("blobs/12ab")
    return "link-outside share/app/modeling.py"


def _loop(venv: Path) -> str:
    (venv / "share/app/loop").symlink_to("loop")
    return "link-outside share/app/loop"


def _folder_link(venv: Path) -> str:
    (venv / "share/app/inner").symlink_to(f"../../{SITE}")
    return "link-outside share/app/inner"


def _the_folder_itself(venv: Path) -> str:
    (venv / "var").rmdir()
    (venv / "var").symlink_to("lib")
    return "link-outside var"


def _to_code(venv: Path) -> str:
    put(venv / "share/app/tool", b"x", 0o755)
    (venv / "share/app/data.json").symlink_to("tool")
    return "link-outside share/app/data.json, file-added share/app/tool"


def _fifo(venv: Path) -> str:
    os.mkfifo(venv / "share/app/pipe")
    return "special-file share/app/pipe"


def _set_id(venv: Path) -> str:
    put(venv / "share/app/data.bin", b"x", 0o4644)
    return "setuid share/app/data.bin"


def _for_anyone(venv: Path) -> str:
    put(venv / "share/app/data.bin", b"x", 0o666)
    return "world-writable share/app/data.bin"


def _locked_data(venv: Path) -> str:
    put(venv / "share/app/table.csv", b"1,3\n")
    return "file-changed share/app/table.csv"


def _locked_data_removed(venv: Path) -> str:
    (venv / "share/app/table.csv").unlink()
    return "file-removed share/app/table.csv"


def _zip_on_the_path(venv: Path) -> str:
    with zipfile.ZipFile(venv / "share/app/evil.zip", "w") as archive:
        archive.writestr("evil.py", "")
    (venv / SITE / "evil.pth").write_text("../../../share/app/evil.zip\n")
    return f"file-added share/app/evil.zip, startup-hook-added {SITE}/evil.pth"


def _folder_on_the_path(venv: Path) -> str:
    put(venv / "share/app/lib/data.json", b"{}")
    put(venv / "share/app/lib/sub/data.json", b"{}")
    put(venv / "share/app/library.json", b"{}")
    (venv / SITE / "evil.pth").write_text(f"{venv}/share/app/lib/\n")
    return (
        "file-added share/app/lib/data.json, file-added share/app/lib/sub/data.json,"
        f" startup-hook-added {SITE}/evil.pth"
    )


def _metadata(venv: Path) -> str:
    put(venv / SITE / "evil-1.0.dist-info/METADATA", b"Name: evil\nVersion: 1.0\n")
    return "package-extra evil"


DEEDS: list[Callable[[Path], str]] = [
    _outside,
    _to_locked,
    _module_name,
    _loop,
    _folder_link,
    _the_folder_itself,
    _to_code,
    _fifo,
    _set_id,
    _for_anyone,
    _locked_data,
    _locked_data_removed,
    _zip_on_the_path,
    _folder_on_the_path,
    _metadata,
]


@pytest.mark.parametrize("deed", DEEDS, ids=[deed.__name__.strip("_") for deed in DEEDS])
def test_a_named_folder_is_no_way_in(deed: Callable[[Path], str], venv: Path, wheels: list[Path]) -> None:
    expected = deed(venv)
    found = errors(verify(lock_for(wheels, policy=POLICY), venv))
    assert sorted(f"{name} {path or package}" for name, package, path in found) == sorted(expected.split(", "))


def test_what_a_variable_makes_code_of_is_none_of_the_data(venv: Path, wheels: list[Path]) -> None:
    put(venv / "share/app/evil.zip", b"PK\x03\x04")
    put(venv / "share/app/startup", b"import os")
    put(venv / "share/app/data", b"1")
    environ = {"PYTHONPATH": f":/{venv}/share/app/evil.zip", "PYTHONSTARTUP": f"{venv}/share/app/startup"}
    found = errors(verify(lock_for(wheels, policy=POLICY), venv, environ=environ))
    added = {path for name, _, path in found if name == "file-added"}
    assert added == {"share/app/evil.zip", "share/app/startup"}


def test_links_between_files_of_data_are_accepted(venv: Path, wheels: list[Path]) -> None:
    """As Hugging Face's cache has them."""
    put(venv / "share/app/hub/models--x/blobs/12ab", b"{}")
    snapshot = venv / "share/app/hub/models--x/snapshots/9f"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").symlink_to("../../blobs/12ab")
    (snapshot / "absolute.json").symlink_to(venv / "share/app/hub/models--x/blobs/12ab")
    assert verify(lock_for(wheels, policy=POLICY), venv, strict=True).findings == ()


def test_a_lockfile_edited_by_hand_allows_no_more(venv: Path, wheels: list[Path]) -> None:
    added = ["bin/data", "etc/x.json", "share/data", f"{SITE}/alpha/x.json", f"{SITE}/x.json", "top"]
    for path in added:
        put(venv / path)
    places = (".", "", "lib", "lib/", "lib64", SITE, f"{SITE}/alpha", "bin", "etc", "share/../bin", "..", "*", "/")
    found = verify(lock_for(wheels, policy=Policy(writable=places)), venv)
    assert {path for _, _, path in errors(found)} == set(added)


@pytest.mark.parametrize(
    ("mount", "severity"),
    [
        ("var", Severity.WARNING),
        ("var/deeper", Severity.WARNING),
        ("share/app/cache", Severity.WARNING),
        ("share/app", Severity.ERROR),  # it hides a locked file
        ("share", Severity.ERROR),
        ("variable", Severity.ERROR),
        ("bin", Severity.ERROR),
    ],
)
def test_a_mount_over_data_alone_is_a_warning(mount: str, severity: Severity, wheels: list[Path]) -> None:
    lockfile = lock_for(wheels, policy=POLICY)
    entries = {"share": Entry(Kind.FOLDER, 0o755), "share/app/table.csv": Entry(Kind.FILE, 0o644, 4, "0" * 64)}
    inventory = Inventory(
        root="/opt/venv",
        real_root="/opt/venv",
        interpreter=Interpreter(),
        site=SITE,
        config={},
        entries=entries,
        texts={},
        mounts=(mount,),
    )
    picture = Picture(
        platform="linux/amd64",
        digest=None,
        settings=Settings(),
        diff_ids=(),
        base=None,
        root=None,
        environment=None,
        inventory=inventory,
    )
    world = World(lockfile, host(), inventory, picture=picture)
    world.own("share/app/table.csv", "app")
    world.own("bin/alpha", "alpha-tools")
    closed.check(world)
    assert [(f.name, f.severity) for f in world.findings] == [("mount", severity)]
