"""The base images of the tests' engine are what they stand for."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import pytest
from support.engine import registry
from support.engine.client import Engine

OFFICIAL_BIN = {"python", "python3", "python3.11", "pip", "pip3", "pip3.11", "pydoc", "python-config", "wheel"}


def inside(engine: Engine, base: str, *command: str, check: bool = True) -> str:
    done = engine.run("run", "--rm", "--network=none", engine.bases[base], *command, check=check)
    return done.stdout if check else done.stderr


def python(engine: Engine, base: str, code: str) -> str:
    return inside(engine, base, "python3", "-B", "-c", code).strip()


@pytest.mark.parametrize(
    ("base", "version", "prefix", "purelib"),
    [
        ("py311", "3.11.2", "/usr", "/usr/local/lib/python3.11/dist-packages"),
        ("cuda", "3.11.2", "/usr", "/usr/local/lib/python3.11/dist-packages"),
        ("official", "3.11.2", "/usr/local", "/usr/local/lib/python3.11/site-packages"),
        ("py313", "3.13.", "/usr", "/usr/local/lib/python3.13/dist-packages"),
    ],
)
def test_each_python_is_where_its_distributor_puts_it(
    engine: Engine, base: str, version: str, prefix: str, purelib: str
) -> None:
    asked = "import sys, sysconfig; print(sys.version.split()[0], sys.prefix, sysconfig.get_path('purelib'))"

    found = python(engine, base, asked).split()

    assert found[0].startswith(version)
    assert found[1:] == [prefix, purelib]


@pytest.mark.parametrize("base", ["py311", "py313", "official"])
def test_each_python_makes_virtual_environments_with_pip_without_a_network(engine: Engine, base: str) -> None:
    made = inside(engine, base, "sh", "-c", "python3 -m venv /tmp/v && /tmp/v/bin/pip --version")

    assert " from /tmp/v/lib/python3." in made


def test_the_official_layout_has_what_a_build_from_source_installs(engine: Engine) -> None:
    found = inside(engine, "official", "sh", "-c", "ls /usr/local/bin; echo $PYTHON_VERSION; pip --version; pip check")

    assert set(found.split()) >= OFFICIAL_BIN
    assert "\n3.11.2\n" in found
    assert "from /usr/local/lib/python3.11/site-packages/pip (python 3.11)" in found
    assert found.endswith("No broken requirements found.\n")
    asked = "import site, ssl, sqlite3, ctypes, lzma, bz2, readline; print(site.getsitepackages(), site.__file__)"
    assert python(engine, "official", asked) == (
        "['/usr/local/lib/python3.11/site-packages'] /usr/local/lib/python3.11/site.py"
    )
    asked = "import sysconfig as s; print(s.get_config_var('INCLUDEPY'), 'posix_local' in s.get_scheme_names())"
    assert python(engine, "official", asked) == "/usr/local/include/python3.11 False"


def test_the_official_layout_bundles_the_pip_that_it_was_seeded_with(engine: Engine) -> None:
    asked = (
        "import ensurepip, importlib.metadata as m, importlib.resources as r;"
        "names = sorted(f.name.split('-')[0:2] for f in (r.files('ensurepip') / '_bundled').iterdir());"
        "print(names == [[n, m.version(n)] for n in ('pip', 'setuptools')], ensurepip.version() == m.version('pip'))"
    )

    assert python(engine, "official", asked) == "True True"


@pytest.mark.parametrize("base", ["bare", "libraries", "cuda-python-free"])
def test_a_base_without_python_has_nothing_of_it(engine: Engine, base: str) -> None:
    listing = inside(engine, base, "find", "/", "-xdev", "-iname", "*python*", "-not", "-path", "/proc/*")

    assert [path for path in listing.split() if not path.startswith(("/usr/share/gdb", "/usr/share/gcc"))] == []


def test_debians_python_is_not_under_the_official_one(engine: Engine) -> None:
    assert inside(engine, "official", "sh", "-c", "ls -d /usr/bin/python* /usr/lib/python* || true") == ""


@pytest.mark.parametrize("base", ["cuda", "cuda-python-free"])
def test_the_cuda_base_says_so_as_the_real_one_does(engine: Engine, base: str) -> None:
    said = inside(engine, base, "sh", "-c", "env; cat /usr/local/cuda/version.json")

    assert json.loads(said[said.index("{") :])["cuda"]["version"] == "12.8.1"
    assert "\nCUDA_VERSION=12.8.1\n" in said
    assert "\nNVIDIA_VISIBLE_DEVICES=all\n" in said
    assert "\nNVIDIA_DRIVER_CAPABILITIES=compute,utility\n" in said
    assert "\nNVIDIA_REQUIRE_CUDA=cuda>=12.8 " in said


def test_an_image_of_two_files_has_no_shell(engine: Engine) -> None:
    assert '"sh": executable file not found' in inside(engine, "scratchlike", "sh", check=False)


@pytest.mark.parametrize("base", ["py311", "py313"])
def test_bytecode_of_the_bases_fits_its_sources(engine: Engine, base: str) -> None:
    asked = (
        "import glob, importlib.util as u, os;"
        "sources = glob.glob('/usr/lib/python3*/**/*.py', recursive=True);"
        "fits = lambda p, h: h[4:8] == bytes(4) and int.from_bytes(h[8:], 'little') == int(os.stat(p).st_mtime);"
        "bad = [p for p in sources if not fits(p, open(u.cache_from_source(p), 'rb').read(12))];"
        "print(len(sources) > 500, bad)"
    )

    assert python(engine, base, asked) == "True []"


def test_the_official_layout_comes_without_bytecode(engine: Engine) -> None:
    assert inside(engine, "official", "find", "/usr/local", "-name", "*.pyc") == ""


@pytest.mark.parametrize("base", ["py311", "official", "bare"])
def test_a_base_says_nothing_of_the_machine_and_day_it_was_made_on(engine: Engine, base: str) -> None:
    engine.run("pull", "--quiet", engine.bases[base])
    created = engine.run("image", "inspect", "--format", "{{.Created}}", engine.bases[base]).stdout
    emptied = ("/etc/apt", "/etc/dpkg/dpkg.cfg.d", "/var/log", "/var/cache", "/var/lib/apt", "/tmp")

    assert created.startswith("2023-11-14T22:13:20")
    assert inside(engine, base, "find", *emptied, "-mindepth", "1") == ""


def test_packages_of_a_base_are_known_to_its_package_manager(engine: Engine) -> None:
    listed = inside(engine, "py311", "dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}\n").split("\n")

    assert {"python3.11 ii ", "python3.11-venv ii ", "ca-certificates ii ", "libgomp1 ii "} <= set(listed)
    assert inside(engine, "py311", "dpkg", "--audit") == ""
    assert "usr-is-merged ii " in listed
    assert not {line for line in listed if line.startswith(("perl ", "usrmerge "))}, "Debian's own images have neither"


def test_the_registry_has_every_base_by_tag_and_digest(engine: Engine) -> None:
    for name in engine.bases.values():
        tagged, digest = name.split("@")
        assert engine.digest(tagged) == engine.digest(name) == digest


def test_an_image_is_built_pushed_found_and_removed(engine: Engine, tmp_path: Path) -> None:
    tag = engine.name("helpers", pushed=True)
    (tmp_path / "data").write_text("x")

    first = engine.build(tmp_path, f"FROM {engine.bases['bare']}\nCOPY data /data\n", tag)
    pushed = engine.push(tag)
    container = engine.name("helpers")
    engine.run("run", "--detach", "--name", container, tag, "sleep", "60")
    engine.remove(container, tag)

    assert engine.image_id(engine.bases["bare"]) != first
    assert registry.digest_of(engine.registry, f"{engine.prefix}/helpers", "latest") == pushed.split("@")[1]
    assert engine.run("inspect", container, check=False).returncode == 1
    assert engine.run("image", "inspect", tag, check=False).returncode == 1


def test_the_standalone_python_runs_where_there_is_none(engine: Engine, tmp_path: Path) -> None:
    with tarfile.open(engine.standalone) as tar:
        assert {name.split("/")[0] for name in tar.getnames()} == {"python"}
    dockerfile = (
        f"FROM {engine.bases['cuda-python-free']}\nADD python.tar.gz /opt\n"
        "RUN --network=none /opt/python/bin/python3 -B -c 'import ssl, sqlite3, ctypes, readline'"
        " && /opt/python/bin/python3 -m venv --without-pip /tmp/v && /tmp/v/bin/python -c ''"
        " && /opt/python/bin/pip --version\n"
    )
    shutil.copy(engine.standalone, tmp_path / "python.tar.gz")

    engine.build(tmp_path, dockerfile, engine.name("standalone"))
