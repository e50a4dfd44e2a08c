"""Which packages share a layer, and the script that makes the layers, run on a real environment."""

from __future__ import annotations

import ast
import hashlib
import os
import stat
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.dockerfiles import read
from support.lockfiles import LOCK_DIGEST, UPLOAD, make_image, make_lockfile, make_package
from support.wheels import build_wheel

from envctl.render import dockerfile, stages, trees
from envctl.render.layers import plan
from envctl.system import uv

MB = 10**6
EPOCH_1980 = 315532800


def names(*packages: object) -> list[tuple[str, tuple[str, ...]]]:
    return [(layer.name, layer.packages) for layer in plan(packages)]  # type: ignore[arg-type]


def test_heavy_and_stable_packages_lie_below() -> None:
    assert names(
        make_package("idna"),
        make_package("numpy", size=17 * MB),
        make_package("jaxlib", size=101 * MB),
        make_package("tensorflow", size=620 * MB),
        make_package("torch", size=880 * MB),
        make_package("torchvision", size=8 * MB),
        make_package("triton", size=155 * MB),
        make_package("nvidia-nccl-cu12", size=200 * MB),
    ) == [
        ("nvidia_wheels", ("nvidia-nccl-cu12", "triton")),
        ("torch_wheels", ("torch", "torchvision")),
        ("tensorflow", ("tensorflow",)),
        ("jaxlib", ("jaxlib",)),
        ("large_wheels", ("numpy",)),
        ("other_wheels", ("idna",)),
    ]


def test_a_small_environment_is_one_layer() -> None:
    assert names(make_package("idna"), make_package("six", size=None)) == [("other_wheels", ("idna", "six"))]
    assert names() == [("other_wheels", ())]


def test_many_giants_stay_far_from_the_engines_limit() -> None:
    packages = [make_package(f"giant-{n}", size=(100 + n) * MB) for n in range(50)]
    assert len(plan(packages)) == 10
    assert len(plan(packages)[-2].packages) == 42


def test_a_package_with_two_entries_is_in_one_layer() -> None:
    twice = (
        make_package("torch", "2.9.0", marker="platform_machine == 'x86_64'", size=880 * MB),
        make_package("torch", "2.9.0+cpu", marker="platform_machine == 'aarch64'", size=100 * MB),
    )
    assert names(*twice) == [("torch_wheels", ("torch",)), ("other_wheels", ())]


def test_a_layers_moment_is_its_own_newest_upload() -> None:
    later = UPLOAD + timedelta(days=9)
    layers = {
        layer.name: layer.moment
        for layer in plan(
            [
                make_package("torch", size=880 * MB, uploaded=UPLOAD),
                make_package("idna", uploaded=later),
                make_package("numpy", size=17 * MB, uploaded=None),
            ]
        )
    }
    assert layers == {
        "torch_wheels": int(UPLOAD.timestamp()),
        "large_wheels": EPOCH_1980,
        "other_wheels": int(later.timestamp()),
    }


def test_a_changed_small_pin_leaves_the_heavy_layers_lines_alone() -> None:
    def line(version: str, uploaded: datetime) -> str:
        lockfile = make_lockfile(
            [make_package("torch", size=880 * MB), make_package("idna", version, uploaded=uploaded)],
            source_date_epoch=int(uploaded.timestamp()),
            image=make_image(),
        )
        text = dockerfile.render(lockfile, lock_digest=LOCK_DIGEST)
        return next(line for line in text.splitlines() if "'torch_wheels" in line)

    assert line("3.10", UPLOAD) == line("3.11", datetime(2026, 12, 1, tzinfo=timezone.utc))


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 400 * MB)), max_size=20))
def test_every_package_is_in_exactly_one_layer(rows: list[tuple[str, int]]) -> None:
    packages = [make_package(name, size=size) for name, size in rows]
    placed = [name for layer in plan(packages) for name in layer.packages]
    assert sorted(placed) == sorted({name for name, _ in rows})


def test_the_carried_script_is_python_without_single_quotes() -> None:
    lines = stages.script()
    ast.parse("\n".join(lines), feature_version=(3, 10))
    assert not any("'" in line or line.endswith("\\") or line.lstrip().startswith("#") for line in lines)


def test_the_dockerfile_writes_the_script_as_it_is(tmp_path: Path) -> None:
    text = read(dockerfile.render(make_lockfile(image=make_image()), lock_digest=LOCK_DIGEST))
    (run,) = [i.words[0] for i in text.instructions if i.name == "RUN" and "> /opt/layers.py" in i.words[0]]
    written = tmp_path / "layers.py"
    subprocess.run(["/bin/sh", "-c", run.replace("/opt/layers.py", str(written))], check=True)
    assert written.read_text() == "\n".join(stages.script()) + "\n"


def test_the_dockerfile_accepts_the_locked_interpreter_only() -> None:
    for version, expected in ((sys.version.partition(" ")[0], 0), ("3.11.99", 1)):
        python = make_lockfile(image=make_image()).envctl.python
        lockfile = make_lockfile(image=make_image(), python=type(python)(version=version, source="image"))
        instructions = read(dockerfile.render(lockfile, lock_digest=LOCK_DIGEST)).instructions
        (run,) = [i.words[0] for i in instructions if i.name == "RUN" and "python_version()" in i.words[0]]
        check = run.replace(f"python{'.'.join(version.split('.')[:2])}", sys.executable, 1)
        done = subprocess.run(["/bin/sh", "-c", check], capture_output=True, text=True, check=False)
        assert done.returncode == expected
        assert ("the lockfile says 3.11.99" in done.stderr) == bool(expected)


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A real environment of three wheels, one with a script, a data file and a quoted name in its RECORD."""
    wheels = [
        build_wheel(tmp_path, "Heavy.Thing", files={"heavy/__init__.py": b"1", 'heavy/a,"b.txt': b"2"}),
        build_wheel(tmp_path, "tool", entry_points={"tool": "tool:main"}, data={"data/share/tool.txt": b"x"}),
        build_wheel(tmp_path, "light"),
    ]
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    env = {"PATH": os.environ["PATH"], "UV_LINK_MODE": "copy", "UV_CACHE_DIR": str(tmp_path / "cache")}
    command = [
        str(uv.binary()),
        "pip",
        "install",
        "-q",
        "--no-config",
        "--offline",
        "--no-deps",
        "--python",
        venv / "bin/python",
    ]
    subprocess.run([*command, *wheels], check=True, env=env)
    return venv


def listing(root: Path) -> dict[str, tuple[str, int, int]]:
    """Path -> digest or link target, mode and mtime of everything under a tree."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content = (
            str(path.readlink())
            if path.is_symlink()
            else ""
            if path.is_dir()
            else hashlib.sha256(path.read_bytes()).hexdigest()
        )
        found[str(path.relative_to(root))] = (content, stat.S_IMODE(status.st_mode), int(status.st_mtime))
    return found


def run_script(venv: Path, layers: Path, *arguments: str) -> None:
    code = "\n".join(stages.script()).replace('"/opt/venv"', repr(str(venv))).replace('"/layers"', repr(str(layers)))
    subprocess.run([sys.executable, "-I", "-c", code, *arguments], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="keeps owners of folders, as a builder stage can")
def test_trees_hold_the_environment_once_with_one_mtime_each(tmp_path: Path, environment: Path) -> None:
    layers = tmp_path / "layers"
    run_script(
        environment, layers, "heavy_wheels 1000000000 heavy-thing absent", "tool 1100000000 tool", "rest 1200000000"
    )
    inner = str(environment).lstrip("/")
    trees_ = {name: listing(layers / name) for name in ("heavy_wheels", "tool", "rest")}
    files = [p for tree in trees_.values() for p, (content, _, _) in tree.items() if content]
    assert len(files) == len(set(files))
    everything = {f"{inner}/{path}" for path, (content, _, _) in listing(environment).items() if content}
    assert set(files) == everything
    site = f"{inner}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    assert f'{site}/heavy/a,"b.txt' in trees_["heavy_wheels"]
    assert {f"{inner}/bin/tool", f"{inner}/share/tool.txt", f"{site}/tool/__init__.py"} <= trees_["tool"].keys()
    assert {f"{inner}/pyvenv.cfg", f"{inner}/bin/python", f"{inner}/lib64", f"{site}/light/__init__.py"} <= trees_[
        "rest"
    ].keys()
    for name, moment in (("heavy_wheels", 1000000000), ("tool", 1100000000), ("rest", 1200000000)):
        assert {mtime for _, _, mtime in trees_[name].values()} == {moment}


@pytest.mark.skipif(os.geteuid() != 0, reason="keeps owners of folders, as a builder stage can")
def test_sealing_forgets_what_a_checkout_decided(tmp_path: Path) -> None:
    seen = []
    for umask, moment in ((0o002, 1), (0o077, 2)):
        before = os.umask(umask)
        try:
            tree = tmp_path / str(moment) / "app_files"
            (tree / "app/deep").mkdir(parents=True)
            (tree / "app/main.py").write_text("x")
            (tree / "app/run.sh").write_text("x")
            (tree / "app/run.sh").chmod(0o700)
            (tree / "app/link").symlink_to("main.py")
            os.utime(tree / "app/main.py", (moment, moment))
        finally:
            os.umask(before)
        trees.main("/nowhere", str(tree.parent), ["app_files 1200000000"])
        seen.append(listing(tree))
    assert seen[0] == seen[1]
    assert seen[0]["app/main.py"][1:] == (0o644, 1200000000)
    assert seen[0]["app/run.sh"][1] == 0o755
    assert seen[0]["app/deep"][1] == 0o755


@pytest.mark.skipif(os.geteuid() != 0, reason="keeps owners of folders, as a builder stage can")
def test_folders_of_the_base_image_keep_their_mode_and_owner(tmp_path: Path) -> None:
    base = tmp_path / "base-folder"
    base.mkdir()
    base.chmod(0o1777)
    os.chown(base, 1234, 4321)
    tree = tmp_path / "layers/app_files"
    inner = tree / str(base).lstrip("/")
    inner.mkdir(parents=True)
    trees.main("/nowhere", str(tree.parent), ["app_files 1"])
    status = inner.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o1777, 1234, 4321)


def test_a_folder_that_is_a_link_in_the_base_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    tree = tmp_path / "layers/app_files"
    (tree / str(tmp_path / "link").lstrip("/")).mkdir(parents=True)
    with pytest.raises(SystemExit, match="is a link in the base image"):
        trees.main("/nowhere", str(tree.parent), ["app_files 1"])


def test_the_script_runs_the_same_when_imported(tmp_path: Path, environment: Path) -> None:
    trees.main(str(environment), str(tmp_path / "layers"), ["tool 1 tool", "rest 2"])
    assert (tmp_path / "layers/tool" / str(environment).lstrip("/") / "bin/tool").is_file()
