"""Debian's Python under /usr/local, as the official image lays it out, and as a standalone build.

The interpreter finds its prefix from where it stands. What Debian changed so that its own packages and pip's do not
meet (`dist-packages`, install schemes of its own, no `ensurepip` outside a virtual environment) is taken back.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

from support.engine.frozen import read_site_from_its_file
from support.engine.layers import EPOCH
from support.engine.place import Failed

MINOR = "3.11"
NAME = f"python{MINOR}"
LOCAL = Path("usr/local")
# Debian's own, and what the official image leaves out.
NOT_TAKEN = (
    "EXTERNALLY-MANAGED",
    "sitecustomize.py",
    "_distutils_system_mod.py",
    "*.a",
    "test",
    "tests",
    "__pycache__",
)
# A C library is the system's own; what else the interpreter loads travels with a standalone build.
SYSTEM_LIBRARIES = (
    "libc.so",
    "libm.so",
    "libpthread.so",
    "libdl.so",
    "librt.so",
    "libresolv.so",
    "ld-linux",
    "libgcc_s",
)


def put(tree: Path, packages: Path, work: Path) -> str:
    """Put the Python of the package files into TREE/usr/local, with pip, setuptools and wheel; returns its version."""
    unpacked = work / "relocated-tree"
    shutil.rmtree(unpacked, ignore_errors=True)
    for package in sorted(packages.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", package, unpacked], check=True)
    here = tree / LOCAL
    _copy(unpacked / "usr", here)
    shutil.rmtree(unpacked)
    lib = here / "lib" / NAME
    _patch_site(lib / "site.py")
    _patch_schemes(lib)
    _patch_ensurepip(lib / "ensurepip/__init__.py", here / "share/python-wheels")
    _move_prefix(lib, "/usr", "/usr/local")
    read_site_from_its_file(here / "bin" / NAME)
    _seed(tree, here)
    return _version(here)


def take_back(tree: Path) -> None:
    """The tree without it again."""
    for name in ("bin", "include", "lib"):
        for inside in (tree / LOCAL / name).iterdir():
            shutil.rmtree(inside) if inside.is_dir() and not inside.is_symlink() else inside.unlink()


def standalone(tree: Path, out: Path, *, patchelf: Path, work: Path) -> None:
    """Write python.tar.gz, with one folder `python/` that runs wherever it is unpacked, of what `put` put."""
    here = work / "standalone"
    _remove(here)
    shutil.copytree(tree / LOCAL, here, symlinks=True, ignore=shutil.ignore_patterns("games", "sbin", "src", "etc"))
    _move_prefix(here / "lib" / NAME, "/usr/local", "/install")
    _bundle(tree, here, patchelf)
    for script in (here / "bin").iterdir():
        _find_interpreter_beside(script)
    part = out.with_suffix(".part")
    with (
        part.open("wb") as raw,
        gzip.GzipFile("", "wb", 1, raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(here.rglob("*")):
            tar.add(path, "python" / path.relative_to(here), recursive=False, filter=_plain)
    part.replace(out)
    _remove(here)


def _copy(usr: Path, here: Path) -> None:
    lib = here / "lib" / NAME
    for folder in (here / "bin", here / "lib", here / "include"):
        folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(usr / "lib" / NAME, lib, symlinks=True, ignore=shutil.ignore_patterns(*NOT_TAKEN))
    (lib / "site-packages").mkdir()
    (lib / "site-packages/README.txt").write_text("Packages of third parties are installed here.\n", "ascii")
    shutil.copytree(usr / "include" / NAME, here / "include" / NAME)
    (real,) = usr.glob(f"include/*/{NAME}/pyconfig.h")  # the one above it chooses among architectures
    shutil.copy2(real, here / "include" / NAME / "pyconfig.h")
    shutil.copy2(usr / "bin" / NAME, here / "bin" / NAME)
    (config,) = usr.glob(f"bin/*-linux-gnu-{NAME}-config")
    shutil.copy2(config, here / "bin" / f"{NAME}-config")
    pydoc = (usr / f"bin/pydoc{MINOR}").read_text("utf-8").replace("#!/usr/bin/", "#!/usr/local/bin/")
    (here / f"bin/pydoc{MINOR}").write_text(pydoc, "utf-8")
    (here / f"bin/pydoc{MINOR}").chmod(0o755)
    shutil.copytree(usr / "share/python-wheels", here / "share/python-wheels")
    for link, target in (("python3", NAME), ("python3-config", f"{NAME}-config"), ("pydoc3", f"pydoc{MINOR}")):
        (here / "bin" / link).symlink_to(target)
        (here / "bin" / link.replace("3", "", 1)).symlink_to(link)


def _patch_site(site: Path) -> None:
    begin, end = (
        "            if is_virtual_environment:\n                sitepackages",
        "        else:\n            sitepackages",
    )
    upstream = (
        "            for libdir in libdirs:\n"
        "                path = os.path.join(prefix, libdir,\n"
        '                                    "python%d.%d" % sys.version_info[:2],\n'
        '                                    "site-packages")\n'
        "                sitepackages.append(path)\n"
    )
    _rewrite(site, re.escape(begin) + ".*?" + f"(?={re.escape(end)})", upstream)


def _patch_schemes(lib: Path) -> None:
    for scheme in ("deb_system", "posix_local"):
        _rewrite(lib / "sysconfig.py", rf"    '{scheme}': \{{.*?\}},\n", "")
    _rewrite(lib / "sysconfig.py", r"deb_build = .*?(?=\n\n)", "prefix_scheme = 'posix_prefix'")
    _rewrite(lib / "sysconfig.py", r"'posix_home', 'posix_local', 'deb_system'", "'posix_home'")
    install = lib / "distutils/command/install.py"
    _rewrite(install, r"INSTALL_SCHEMES\['unix_local'\] = \{.*?\n\}\n", "")
    _rewrite(install, r"INSTALL_SCHEMES\['deb_system'\] = \{.*?\n\}\n", "")
    _rewrite(install, r"            else:\n                if os.path.normpath\(self.prefix\).*?\"unix_local\"\)\n",
             '            else:\n                self.select_scheme("unix_prefix")\n')  # fmt: skip
    _rewrite(lib / "distutils/sysconfig.py", r"        elif is_default_prefix.*?(?=        else:)", "")


def _patch_ensurepip(module: Path, wheels: Path) -> None:
    bundled = module.parent / "_bundled"
    bundled.mkdir()
    for name in ("pip", "setuptools"):
        (wheel,) = wheels.glob(f"{name}-*.whl")
        shutil.copy2(wheel, bundled)
        version = wheel.name.split("-")[1]
        _rewrite(module, rf'_{name.upper()}_VERSION = ".*?"', f'_{name.upper()}_VERSION = "{version}"')
    _rewrite(module, r"def _ensurepip_is_disabled_in_debian.*?(?=__all__)", "")
    _rewrite(module, r" +# Ensure that we are only.*?_for_system\(\)\n", "")
    for data in module.parents[1].glob("_sysconfigdata_*.py"):
        if not data.is_symlink():
            _rewrite(data, r"'WHEEL_PKG_DIR': '.*?'", "'WHEEL_PKG_DIR': ''")


def _move_prefix(lib: Path, old: str, new: str) -> None:
    """What the build configuration says of its prefix; tools of the system (`/usr/bin/install`) stay."""
    parts = rf"{old}(?=['\s]|/bin'|/lib['\s/]|/include['\s/]|/share')"
    for data in [*lib.glob("_sysconfigdata_*.py"), *lib.glob("config-*/Makefile")]:
        if not data.is_symlink():
            data.write_text(re.sub(rf"(?<=[\s'=]){parts}", new, data.read_text("utf-8")), "utf-8")


def _seed(tree: Path, here: Path) -> None:
    wheels = here / "share/python-wheels"
    inside = ["env", "-i", "PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp", "LC_ALL=C.UTF-8", "PIP_NO_CACHE_DIR=1"]
    chroot = ["chroot", str(tree), *inside, f"/usr/local/bin/{NAME}"]
    subprocess.run([*chroot, "-m", "ensurepip", "--upgrade"], check=True)
    quiet = ["--disable-pip-version-check", "--no-index", "--no-deps", "--no-compile", "--root-user-action=ignore"]
    found = ["--find-links=/usr/local/share/python-wheels", "--force-reinstall", "setuptools", "wheel"]
    subprocess.run([*chroot, "-B", "-m", "pip", "install", *quiet, *found], check=True)
    shutil.rmtree(wheels)
    for cache in list(here.rglob("__pycache__")):
        shutil.rmtree(cache)
    (here / "bin/pip").symlink_to("pip3")


def _version(here: Path) -> str:
    header = (here / "include" / NAME / "patchlevel.h").read_text("ascii")
    found = re.search(r'#define PY_VERSION\s+"([\d.]+)', header)
    if found is None:
        raise Failed("patchlevel.h names no version")
    return found[1]


def _bundle(tree: Path, here: Path, patchelf: Path) -> None:
    """Put the libraries that the interpreter and its modules load beside them."""
    waiting = [here / "bin" / NAME, *(here / "lib" / NAME / "lib-dynload").glob("*.so")]
    places = [folder for pattern in ("usr/lib/*-linux-gnu", "lib/*-linux-gnu") for folder in tree.glob(pattern)]
    while waiting:
        program = waiting.pop()
        for library in _needed(patchelf, program):
            if not (here / "lib" / library).exists():
                found = next(folder / library for folder in places if (folder / library).exists())
                shutil.copy2(found.resolve(), here / "lib" / library)
                waiting.append(here / "lib" / library)
        to_lib = os.path.relpath(here / "lib", program.parent)
        subprocess.run([patchelf, "--set-rpath", f"$ORIGIN/{to_lib}", program], check=True)


def _needed(patchelf: Path, program: Path) -> Iterator[str]:
    listed = subprocess.run([patchelf, "--print-needed", program], check=True, capture_output=True, text=True).stdout
    return (name for name in listed.split() if not name.startswith(SYSTEM_LIBRARIES))


def _find_interpreter_beside(script: Path) -> None:
    if script.is_symlink() or not script.read_bytes().startswith(b"#!/usr/local/bin/python"):
        return
    _, _, rest = script.read_text("utf-8").partition("\n")
    beside = f'\'\'\'exec\' "$(dirname -- "$(realpath -- "$0")")/{NAME}" "$0" "$@"\n\' \'\'\'\n'
    script.write_text(f"#!/bin/sh\n{beside}{rest}", "utf-8")


def _rewrite(file: Path, pattern: str, text: str) -> None:
    before = file.read_text("utf-8")
    after, count = re.subn(pattern, lambda _: text, before, flags=re.DOTALL)
    if count != 1:
        raise Failed(f"{file.name}: {count} places look like {pattern!r}, one was expected")
    file.write_text(after, "utf-8")


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = EPOCH
    return info


def _remove(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
