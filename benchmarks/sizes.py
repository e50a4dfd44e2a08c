"""Environments of 1, 4 and 8 GB, and an archive of an image: how time and memory grow with what is read."""

from __future__ import annotations

import os
import random
import shutil
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.table import Row
from benchmarks.timing import Command, Figures, compare

ROOT = Path(__file__).resolve().parent.parent
SIZES = (1, 4, 8)
_A_WHEEL = 50_000_000
_LARGE, _SMALL, _COUNT = 40_000_000, 25_000, 400


def wheels(folder: Path, count: int) -> list[Path]:
    """Wheels of 50 MB: a library of 40 MB, and 400 modules of 25 kB."""
    sys.path.insert(0, str(ROOT / "tests"))
    from support.wheels import build_wheel

    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number in range(count):
        name = f"size_{number:03d}"
        path = folder / f"{name}-1.0-py3-none-any.whl"
        if not path.exists():
            source = random.Random(number)  # bytes that differ, not secrets
            files = {f"{name}/m{i:03d}.py": b"#" + source.randbytes(_SMALL // 2).hex().encode() for i in range(_COUNT)}
            build_wheel(folder, name, "1.0", files={**files, f"{name}/core.so": source.randbytes(_LARGE)})
        made.append(path)
    return made


def verify(work: Path, runs: int) -> Iterator[Row]:
    """Each size beside hashing alone on all cores. Takes 17 GB of disk while it runs."""
    folder = work / "sizes"
    made = wheels(folder / "wheels", max(SIZES) * 1_000_000_000 // _A_WHEEL)
    from support import environments

    os.environ["UV_CACHE_DIR"] = str(folder / "uv")
    script = Path(__file__).parent / "floor.py"
    for size in SIZES:
        some = made[: size * 1_000_000_000 // _A_WHEEL]
        project, venv = folder / f"{size}", folder / f"{size}" / ".venv"
        shutil.rmtree(project, ignore_errors=True)
        environments.write_lock(project, environments.lock_for(some))
        environments.uv_install(environments.uv_venv(venv), some)
        ours = Command("envctl verify", ["envctl", "-C", str(project), "verify", "--venv", str(venv)])
        floor = Command("hashlib on all cores", [sys.executable, "-I", "-S", str(script), str(venv)])
        found = compare([ours, floor], runs)
        yield _row(f"`verify --venv`, {size} GB in {len(some)} packages", found, "1.3x")
        shutil.rmtree(project)
    shutil.rmtree(folder)


def archive(saved: Path, ours: Command, runs: int) -> Iterator[Row]:
    """An archive of `docker save` beside decompressing and hashing its layers one after the other."""
    layers = saved.parent / "layers"
    shutil.rmtree(layers, ignore_errors=True)
    with tarfile.open(saved) as file:
        file.extractall(layers, filter="data")
    script = f"for f in $(find {layers} -type f); do gzip -dcf $f; done | sha256sum"
    theirs = Command("gzip -dc, sha256sum of its layers", ["sh", "-c", script])
    yield _row(
        f"`verify --archive`, {saved.stat().st_size / 1e9:.1f} GB compressed", compare([ours, theirs], runs), "0.5x"
    )
    shutil.rmtree(layers)


def _row(what: str, figures: list[Figures], bar: str) -> Row:
    ours, theirs = figures
    return Row(what, ours.best, theirs.name, theirs.best, bar, ours.peak)
