"""Images: verifying one against exporting it, and building again against building anew. Needs a container engine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import sizes
from benchmarks.table import Row
from benchmarks.timing import Command, Figures, compare, environment

_ROOT = Path(__file__).resolve().parent.parent
_LARGE = [
    *("pyarrow", "scikit-learn", "pandas", "numba", "opencv-python-headless", "polars", "matplotlib", "duckdb"),
    *("xgboost-cpu", "statsmodels"),
]
_SMALL = ["numpy", "pandas", "requests"]
_TAG = "envctl-bench"


def _engine() -> dict[str, str]:
    """Variables of a running engine: the tests' own where DOCKER_HOST names none."""
    done = subprocess.run(
        [sys.executable, "-m", "support.engine", "up"],
        env={**os.environ, "PYTHONPATH": str(_ROOT / "tests")},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found = dict(line.split("=", 1) for line in done.stdout.splitlines())
    folder = str(Path(found["DOCKER"]).parent)
    return {**found, "PATH": f"{folder}{os.pathsep}{environment({})['PATH']}"}


def _project(folder: Path, base: str, dependencies: list[str]) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "profiles").mkdir(parents=True)
    names = ", ".join(f'"{name}"' for name in dependencies)
    (folder / "profiles" / "bench.toml").write_text(
        f'python = "3.11.2"\ndependencies = [{names}]\n[resolver]\nexclude-newer = "2026-11-01T00:00:00Z"\n'
        f'[image]\nbase = "{base}"\n',
        "utf-8",
    )
    return folder


def _run(engine: dict[str, str], *argv: str, cwd: Path | None = None, stdin: str | None = None) -> str:
    env = environment(engine)
    return subprocess.run(argv, env=env, cwd=cwd, check=True, input=stdin, stdout=subprocess.PIPE, text=True).stdout


def _envctl(engine: dict[str, str], folder: Path, *arguments: str) -> Command:
    env = {**engine, "ENVCTL_CACHE_DIR": str(folder.parent / "image-cache")}
    return Command("envctl " + arguments[0], ["envctl", "-C", str(folder), *arguments], env=env)


def verify(work: Path, runs: int) -> Iterator[Row]:
    """An image of 900 MB: past the engine, as root; and through its API."""
    engine = _engine()
    folder = _project(work / "image", engine["BASE_PY311"], _LARGE)
    _run(engine, "envctl", "-C", str(folder), "lock")
    _run(engine, "envctl", "-C", str(folder), "build", "bench", "-t", f"{_TAG}-large", "--no-verify")
    _run(engine, "docker", "rm", "-f", _TAG)
    _run(engine, "docker", "create", "--name", _TAG, f"{_TAG}-large", "true")
    export = Command("docker export, sha256sum", ["sh", "-c", f"docker export {_TAG} | sha256sum"], env=engine)
    asked = ("verify", "bench", "--image", f"{_TAG}-large")
    ours = _envctl(engine, folder, *asked)
    size = int(_run(engine, "sh", "-c", f"docker export {_TAG} | wc -c"))
    compare([ours], 1)
    what = f"`verify --image`, {size / 1e9:.1f} GB"
    yield _row(f"{what}, engine's files read as root", compare([ours, export], runs), "0.5x")
    if os.getuid() == 0 and shutil.which("setpriv"):
        cache = work / "image-cache-user"
        shutil.rmtree(cache, ignore_errors=True)
        cache.mkdir(mode=0o777)
        cache.chmod(0o777)
        user = ["setpriv", "--reuid=65534", "--regid=0", "--clear-groups"]
        api = Command(
            ours.name, [*user, *ours.argv], env={**ours.env, "ENVCTL_CACHE_DIR": str(cache), "HOME": str(cache)}
        )
        compare([api], 1)
        yield _row(f"{what}, through the engine's API", compare([api, export], runs), "1.0x")
    saved = work / "saved.tar"
    _run(engine, "docker", "save", "-o", str(saved), f"{_TAG}-large")
    yield from sizes.archive(saved, _envctl(engine, folder, "verify", "bench", "--archive", str(saved)), runs)
    saved.unlink()
    _run(engine, "docker", "rm", "-f", _TAG)


def build(work: Path, runs: int) -> Iterator[Row]:
    """Nothing changed, one small dependency changed, and everything anew; and the image's size."""
    engine = _engine()
    folder = _project(work / "build", engine["BASE_PY311"], [*_SMALL, "idna==3.10"])
    _run(engine, "envctl", "-C", str(folder), "lock")
    _timed(engine, folder, "--no-cache")
    full, changed, unchanged = Figures("full build"), Figures("one changed"), Figures("unchanged")
    for number in range(max(2, runs // 2)):
        full.seconds.append(_timed(engine, folder, "--no-cache"))
        unchanged.seconds.append(_timed(engine, folder))
        profile = folder / "profiles" / "bench.toml"
        version = ("3.9", "3.10", "3.8", "3.7")[number % 4]
        profile.write_text(re.sub(r"idna==[\d.]+", f"idna=={version}", profile.read_text("utf-8")), "utf-8")
        _run(engine, "envctl", "-C", str(folder), "lock")
        changed.seconds.append(_timed(engine, folder))
    yield Row("`build`, one small dependency changed", changed.best, "full build", full.best, "0.2x", 0)
    yield Row("`build`, nothing changed", unchanged.best, "full build", full.best, "-", 0)
    yield from _size(engine, work, folder)


def _timed(engine: dict[str, str], folder: Path, *options: str) -> float:
    start = time.monotonic()
    _run(engine, "envctl", "-C", str(folder), "build", "bench", "-t", f"{_TAG}-small", *options)
    return time.monotonic() - start


def _size(engine: dict[str, str], work: Path, folder: Path) -> Iterator[Row]:
    """The image beside the one that `FROM base` and `pip install` make of the same pins."""
    context = work / "plain"
    shutil.rmtree(context, ignore_errors=True)
    context.mkdir()
    _run(engine, "envctl", "-C", str(folder), "fetch", "bench", str(context / "fetched"))
    wheels = " ".join(f"/w/{path.name}" for path in sorted((context / "fetched" / "wheels").glob("*.whl")))
    dockerfile = (
        f"FROM {engine['BASE_PY311']}\nCOPY fetched/wheels /w\n"
        f"RUN python3 -m venv /venv && /venv/bin/pip install --no-index --no-deps {wheels} && rm -r /w\n"
    )
    _run(
        engine, "docker", "build", "-q", "--network=none", "-t", f"{_TAG}-plain", "-f-", str(context), stdin=dockerfile
    )
    sizes = []
    for tag in (f"{_TAG}-small", f"{_TAG}-plain"):
        _run(engine, "docker", "rm", "-f", _TAG)
        _run(engine, "docker", "create", "--name", _TAG, tag, "true")
        sizes.append(int(_run(engine, "sh", "-c", f"docker export {_TAG} | wc -c")))
    yield Row(
        "size of the image, files", sizes[0] / 1e6, "FROM base, pip install", sizes[1] / 1e6, "1.0x", 0, unit="MB"
    )


def _row(what: str, figures: list[Figures], bar: str) -> Row:
    ours, theirs = figures
    return Row(what, ours.best, theirs.name, theirs.best, bar, ours.peak)
