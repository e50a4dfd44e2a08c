"""The base images: what they are made of, and the two runs of mmdebstrap that all of them come from."""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
import time
from pathlib import Path

from support.engine import jobs, layers, machine, packages
from support.engine.layers import Layer, layer_of_files
from support.engine.place import Place
from support.engine.registry import Image

OLD, NEW = "bookworm", "trixie"  # Python 3.11 and 3.13
# What a Python of either layout needs beside the essential packages.
SOME_LIBRARIES = ("ca-certificates", "libstdc++6", "libgomp1")
LIBRARIES = (
    *SOME_LIBRARIES, "libexpat1", "libffi8", "libssl3", "libsqlite3-0", "libreadline8",
    "libncursesw6", "libdb5.3", "libnsl2", "libtirpc3", "libuuid1", "media-types", "netbase", "tzdata",
)  # fmt: skip
PYTHON = ("python3", "python3-venv")
# The relocated Python is made from these, each named after the interpreter's version.
RELOCATED = (
    "python3.11", "python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "python3.11-venv",
    "python3.11-dev", "libpython3.11-dev", "python3-distutils", "python3-lib2to3",
    "python3-pip-whl", "python3-setuptools-whl", "python3-wheel-whl",
)  # fmt: skip
NOT_UNPACKED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")

LAYERS = {OLD: ("bare", "libraries", "usr-local", "python"), NEW: ("trixie",)}
STANDALONE = "python.tar.gz"
CUDA = "12.8.1"

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_HERE = Path(__file__).resolve().parent


def recipe() -> str:
    """What the base images are made by, as a digest: another recipe makes them anew."""
    sources = ("bases.py", "frozen.py", "hooks.py", "layers.py", "relocated.py")
    return hashlib.sha256(b"\0".join((_HERE / name).read_bytes() for name in sources)).hexdigest()


def get_relocated(place: Place) -> None:
    """Have the package files of the relocated Python; the run for OLD unpacks them."""
    folder = place.tmp / "relocated"
    packages.fetch(place, OLD, RELOCATED, folder)


def made(place: Place, suite: str) -> bool:
    """Are a suite's layers there, made by this recipe?"""
    record = place.images / f"{suite}.recipe"
    if not record.is_file() or record.read_text() != recipe():
        return False
    there = all(layers.read_layer(place.images, name) for name in LAYERS[suite])
    return there and (suite != OLD or (place.images / STANDALONE).is_file())


def make(place: Place, suite: str) -> None:
    """One root file system, snapshotted by hooks on its way: see `hooks.py`."""
    begun = time.time()
    hook = (
        f"PYTHONPATH={shlex.quote(str(_HERE.parent.parent))} {shlex.quote(sys.executable)} -B -m support.engine.hooks"
    )
    known = f"{shlex.quote(str(place.work))} {begun}"
    options = [f"--dpkgopt=path-exclude={pattern}" for pattern in NOT_UNPACKED]
    options += [f"--aptopt={line}" for line in machine.acquire_options()]
    if suite == OLD:
        # Otherwise this release brings `usrmerge`, and with it all of Perl, which Debian's own images do without.
        options += [f"--hook-dir={place.root}/usr/share/mmdebstrap/hooks/merged-usr"]
        options += [f"--include={','.join(LIBRARIES)}", f'--essential-hook={hook} bare "$1" {known}']
        options += [f'--customize-hook={hook} {name} "$1" {known}' for name in ("libraries", "usr-local")]
    else:
        options += [f"--include={','.join(SOME_LIBRARIES)}"]
    options += [f"--customize-hook={_install(PYTHON)}", f'--customize-hook={hook} {LAYERS[suite][-1]} "$1" {known}']
    log = place.log / f"base-{suite}.log"
    log.unlink(missing_ok=True)
    source = f"deb [signed-by={machine.KEYRING}] {machine.mirror()} {suite} main"
    kind = ["--mode=root", "--format=null", "--variant=essential", "--dpkgopt=force-unsafe-io"]
    # In namespaces of its own: whatever ends this ends all of it, and nothing stays mounted.
    alone = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    argv = [
        *alone,
        "mmdebstrap",
        *kind,
        '--aptopt=Acquire::Languages "none"',
        *options,
        suite,
        "-",
        source,
    ]
    env = place.environment(SOURCE_DATE_EPOCH=str(layers.EPOCH))
    jobs.retried(f"making the root file system of {suite}", argv, log, env)
    (place.images / f"{suite}.recipe").write_text(recipe())


def compose(place: Place) -> dict[str, Image]:
    """The images by the names that tests know them by."""
    get = {name: _layer(place, name) for names in LAYERS.values() for name in names}
    marks = {"usr/local/cuda/version.json": json.dumps({"cuda": {"name": "CUDA SDK", "version": CUDA}}).encode()}
    cuda = layer_of_files(place.images, "cuda", marks)
    static = {"etc/passwd": b"nonroot:x:65532:65532::/home/nonroot:/sbin/nologin\n", "srv/data.txt": b"no shell here\n"}
    scratch = layer_of_files(place.images, "scratchlike", static)
    debian, libraries = get["bare"], get["libraries"]
    with_python = [debian, libraries, get["python"]]
    python = {"Env": [f"PATH={_PATH}"], "Cmd": ["python3"]}
    shell = {"Env": [f"PATH={_PATH}"], "Cmd": ["bash"]}
    official = {"Env": [f"PATH=/usr/local/bin:{_PATH}", "LANG=C.UTF-8", f"PYTHON_VERSION={_version(place)}"]}
    gpu = {"Env": _cuda_variables(), "Cmd": ["/bin/bash"]}
    return {
        "py311": Image("base/python", "3.11-bookworm", with_python, python),
        "py313": Image("base/python", "3.13-trixie", [get["trixie"]], python),
        "cuda": Image("base/cuda", f"{CUDA}-base-bookworm", [*with_python, cuda], gpu),
        "cuda-python-free": Image("base/cuda", f"{CUDA}-base-python-free", [debian, cuda], gpu),
        "official": Image(
            "base/official",
            "3.11-slim-bookworm",
            [debian, libraries, get["usr-local"]],
            official | {"Cmd": ["python3"]},
        ),
        "bare": Image("base/debian", "bookworm", [debian], shell),
        "libraries": Image("base/debian", "bookworm-libraries", [debian, libraries], shell),
        "scratchlike": Image("base/static", "1", [scratch], {"Env": [f"PATH={_PATH}"], "User": "65532:65532"}),
    }


def _layer(place: Place, name: str) -> Layer:
    layer = layers.read_layer(place.images, name)
    assert layer is not None, f"layer {name} was not made"
    return layer


def _version(place: Place) -> str:
    return (place.images / "python-version").read_text().strip()


def _cuda_variables() -> list[str]:
    require = "cuda>=12.8 brand=unknown,driver>=535,driver<536 brand=tesla,driver>=550,driver<551"
    return [
        f"PATH=/usr/local/nvidia/bin:/usr/local/cuda/bin:{_PATH}",
        "NVARCH=x86_64",
        f"NVIDIA_REQUIRE_CUDA={require}",
        f"CUDA_VERSION={CUDA}",
        "LD_LIBRARY_PATH=/usr/local/nvidia/lib:/usr/local/nvidia/lib64",
        "NVIDIA_VISIBLE_DEVICES=all",
        "NVIDIA_DRIVER_CAPABILITIES=compute,utility",
    ]


def _install(names: tuple[str, ...]) -> str:
    """A hook that installs packages by the host's apt, since the tree has none.

    Without SOURCE_DATE_EPOCH, for which bytecode would be compiled in another kind than everywhere else.
    """
    inside = "-o Dir::Bin::dpkg=env -o DPkg::Options::=--unset=TMPDIR -o DPkg::Options::=dpkg"
    chosen = f'-o DPkg::Chroot-Directory="$1" --yes --no-install-recommends install {" ".join(names)}'
    return f'env --unset=SOURCE_DATE_EPOCH APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get {inside} {chosen}'
