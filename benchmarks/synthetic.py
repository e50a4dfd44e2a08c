"""Environments of 20, 200 and 1,000 small packages, from an index on loopback, to see how time and memory grow."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.timing import environment

ROOT = Path(__file__).resolve().parent.parent
COUNTS = (20, 200, 1000)


def environments(folder: Path) -> Iterator[tuple[int, Path, Path, Path]]:
    """For each count: (count, project folder, cache folder, environment), locked and installed."""
    sys.path.insert(0, str(ROOT / "tests"))
    from support.server import IndexServer
    from support.wheels import build_wheel

    wheels = folder / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    names = [f"growth-{number:04d}" for number in range(max(COUNTS))]
    with IndexServer() as index:
        for name in names:
            module = name.replace("-", "_")
            files = {f"{module}/m{i:02d}.py": f"value = '{name} {i}'\n".encode() * 20 for i in range(50)}
            index.add(build_wheel(wheels, name, files=files))
        for count in COUNTS:
            project, cache = folder / f"{count}", folder / f"cache-{count}"
            (project / "profiles").mkdir(parents=True, exist_ok=True)
            asked = ", ".join(f'"{name}"' for name in names[:count])
            (project / "profiles" / "bench.toml").write_text(f'python = "3.11.9"\ndependencies = [{asked}]\n', "utf-8")
            env = environment(
                {
                    "UV_CACHE_DIR": str(cache / "uv"),
                    "ENVCTL_CACHE_DIR": str(cache / "envctl"),
                    "ENVCTL_INDEX_URL": index.url,
                }
            )
            for command in (["lock"], ["sync", "bench"]):
                subprocess.run(["envctl", "-C", str(project), *command], check=True, env=env)
            yield count, project, cache, project / ".venv"
