"""What is compared with what. Each case prepares its own folder and returns rows of the table."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import images, sizes
from benchmarks.stacks import FULL, GIGABYTE, SMALL, project
from benchmarks.table import Row
from benchmarks.timing import Command, Figures, compare, environment

CUTOFF = "2026-11-01T00:00:00Z"


def _compile(project_folder: Path, stack: list[str], cache: Path) -> Command:
    source = project_folder / "uv.in"
    source.write_text("\n".join(stack), "utf-8")
    return Command(
        "uv pip compile",
        [
            *(
                "uv",
                "pip",
                "compile",
                str(source),
                "--format",
                "pylock.toml",
                "-o",
                str(project_folder / "pylock.toml"),
            ),
            *("--no-header", "--python-version", "3.11.9", "--python-platform", "x86_64-manylinux_2_28"),
            *("--only-binary", ":all:", "--exclude-newer", CUTOFF, "--quiet"),
        ],
        env={"UV_CACHE_DIR": str(cache)},
        before=lambda: (project_folder / "pylock.toml").unlink(missing_ok=True),
    )


def _empty(*folders: Path) -> Callable[[], None]:
    def run() -> None:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)

    return run


def _envctl(
    folder: Path,
    cache: Path,
    *arguments: str,
    before: Callable[[], None] = lambda: None,
    expect: tuple[int, ...] = (0,),
) -> Command:
    env = {"UV_CACHE_DIR": str(cache / "uv"), "ENVCTL_CACHE_DIR": str(cache / "envctl")}
    return Command(
        "envctl " + arguments[0], ["envctl", "-C", str(folder), *arguments], env=env, before=before, expect=expect
    )


def _row(what: str, figures: list[Figures], bar: str, **kind: object) -> Row:
    ours, theirs = figures
    return Row(what, ours.best, theirs.name, theirs.best, bar, ours.peak, **kind)  # type: ignore[arg-type]


def lock_cold(work: Path, runs: int) -> Iterator[Row]:
    """17 packages, nothing cached."""
    folder = project(work / "cold", FULL, exclude=("nvidia-nccl-cu12",))
    cache, uv_cache = work / "cold-cache", work / "cold-uv"
    locked = folder / "profiles" / "locked"
    ours = _envctl(folder, cache, "lock", before=_empty(cache, locked))
    theirs = _compile(folder, FULL, uv_cache)
    clear, theirs.before = theirs.before, lambda: (_empty(uv_cache)(), clear())[0]  # type: ignore[func-returns-value]
    yield _row("`lock`, 17-package stack, one platform, nothing cached", compare([ours, theirs], runs), "1.6x")


def lock_warm(work: Path, runs: int) -> Iterator[Row]:
    """The same, caches warm: once as it stands, once resolving anew."""
    folder = project(work / "warm", FULL, exclude=("nvidia-nccl-cu12",))
    cache = work / "warm-cache"
    theirs = _compile(folder, FULL, cache / "uv")
    again = _envctl(folder, cache, "lock")
    compare([again, theirs], 1)
    yield _row("`lock` again, caches warm", compare([again, theirs], runs), "1.2x")
    anew = _envctl(folder, cache, "lock", before=_empty(folder / "profiles" / "locked"))
    yield _row("`lock` without a lockfile, caches warm", compare([anew, theirs], runs), "-")


def lock_peers(work: Path, runs: int) -> Iterator[Row]:
    """12 packages, nothing cached on either side, against the lock tools that people use."""
    from benchmarks.peers import peers

    folder = project(work / "peers", SMALL)
    cache = work / "peers-cache"
    ours = _envctl(folder, cache, "lock", before=_empty(cache, folder / "profiles" / "locked"))
    others = peers(work / "peers-tools", SMALL)
    figures = compare([ours, *others], min(runs, 2))
    for other in figures[1:]:
        yield _row(f"`lock`, 12-package stack, nothing cached, beside {other.name}", [figures[0], other], "4x faster")


def check(work: Path, runs: int) -> Iterator[Row]:
    """`lock --check` of 202 packages, `--version` and `--help`, beside an interpreter that does nothing."""
    folder = project(work / "warm", FULL, exclude=("nvidia-nccl-cu12",))
    cache = work / "warm-cache"
    compare([_envctl(folder, cache, "lock")], 1)
    nothing = Command("python -c pass", [sys.executable, "-c", "pass"])
    for what, arguments, bar in (
        ("`lock --check`, 200 packages", ("lock", "--check"), "+200 ms"),
        ("`envctl --version`", ("--version",), "+80 ms"),
        ("`envctl --help`", ("--help",), "+80 ms"),
    ):
        figures = compare([_envctl(folder, cache, *arguments), nothing], max(runs, 10))
        yield _row(what, figures, bar, unit="ms", difference=True)


def verify(work: Path, runs: int) -> Iterator[Row]:
    """A gigabyte, without and with bytecode."""
    folder = project(work / "gigabyte", GIGABYTE)
    cache = work / "gigabyte-cache"
    venv = folder / ".venv"
    env = environment({"UV_CACHE_DIR": str(cache / "uv"), "ENVCTL_CACHE_DIR": str(cache / "envctl")})
    for command in (["lock"], ["sync", "bench"]):
        subprocess.run(["envctl", "-C", str(folder), *command], check=True, env=env)
    ours = _envctl(folder, cache, "verify", "bench", "--venv", str(venv))
    script = Path(__file__).parent / "floor.py"
    floor = Command("hashlib on all cores", [sys.executable, "-I", "-S", str(script), str(venv)])
    xargs = Command("xargs -P2 sha256sum", ["sh", "-c", f"find {venv} -type f -print0 | xargs -0 -P2 -n64 sha256sum"])
    size = sum(p.stat().st_size for p in venv.rglob("*") if p.is_file() and not p.is_symlink()) / 1e9
    figures = compare([ours, floor, xargs], runs)
    what = f"`verify --venv`, {size:.1f} GB without bytecode"
    yield _row(what, [figures[0], figures[1]], "1.3x")
    yield _row(what, [figures[0], figures[2]], "2.5x faster")
    compiled = folder / "compiled"
    shutil.rmtree(compiled, ignore_errors=True)
    shutil.copytree(venv, compiled, symlinks=True)
    python = str(compiled / "bin" / "python")

    def without_bytecode() -> None:
        for path in list(compiled.rglob("__pycache__")):
            shutil.rmtree(path)

    compileall = Command(
        "python -m compileall -j0",
        [python, "-I", "-m", "compileall", "-q", "-j0", str(next(compiled.glob("lib/python*/site-packages")))],
        before=without_bytecode,
        expect=(0, 1),
    )
    theirs = compare([compileall], min(runs, 3))
    ours = _envctl(folder, cache, "verify", "bench", "--venv", str(compiled))
    mine = compare([ours], min(runs, 3))
    yield _row("`verify --venv`, the same with bytecode", [*mine, *theirs], "1.2x")


def render(work: Path, runs: int) -> Iterator[Row]:
    """A Dockerfile in process."""
    from envctl.lockfile.read import read_lockfile
    from envctl.model.manifest import sha256
    from envctl.render import dockerfile

    path = work / "warm" / "profiles" / "locked" / "pylock.bench.toml"
    if not path.exists():
        list(check(work, 1))
    lockfile, digest = read_lockfile(path), sha256(path.read_bytes())
    seconds = []
    for _ in range(max(runs, 20)):
        started = time.perf_counter()
        dockerfile.render(lockfile, lock_digest=digest)
        seconds.append(time.perf_counter() - started)
    yield Row("render a Dockerfile, 200 packages, in process", min(seconds), "-", 0.0, "10 ms", 0.0, unit="ms")


def growth(work: Path, runs: int) -> Iterator[Row]:
    """`lock --check` and `verify` of 20, 200 and 1,000 packages, and of 1,000 where 20 are locked."""
    from benchmarks.synthetic import environments

    made = list(environments(work / "growth"))
    for count, folder, cache, venv in made:
        for what, arguments in (
            (f"`lock --check`, {count:,} packages of 50 files", ("lock", "--check")),
            (f"`verify`, {count:,} packages of 50 files", ("verify", "bench", "--venv", str(venv))),
        ):
            (figures,) = compare([_envctl(folder, cache, *arguments)], runs)
            yield Row(what, figures.best, "-", 0.0, "-", figures.peak)
    few, folder, cache, _ = made[0]  # its lockfile, beside the last of the environments
    (figures,) = compare([_envctl(folder, cache, "verify", "bench", "--venv", str(venv), expect=(1,))], runs)
    yield Row(f"`verify`, {count:,} packages where {few} are locked", figures.best, "-", 0.0, "-", figures.peak)


ALL: dict[str, Callable[[Path, int], Iterator[Row]]] = {
    "lock-cold": lock_cold,
    "lock-warm": lock_warm,
    "lock-peers": lock_peers,
    "check": check,
    "verify": verify,
    "render": render,
    "growth": growth,
    "sizes": sizes.verify,
    "image-verify": images.verify,
    "image-build": images.build,
}
