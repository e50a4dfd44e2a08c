"""Every command line that README and docs show is run, page by page, in a fresh project folder.

The index of these tests offers small wheels under the names that the pages use, so that no network is needed.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.pages import Command, File, steps
from support.server import IndexServer
from support.wheels import build_wheel

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
ELSEWHERE = {
    "make": "run by CI as they stand",
    "docker": "needs an engine, which this version does not drive",
    "pip install": "needs the distribution built; CI installs it with `make setup`",
    "git clone": "needs the place where the project lives",
}
PACKAGES = {
    "numpy": (["2.0.0", "2.1.0"], []),
    "scipy": (["1.14.0"], ["numpy"]),
    "joblib": (["1.4.0"], []),
    "threadpoolctl": (["3.5.0"], []),
    "scikit-learn": (["1.5.0", "1.6.0"], ["numpy", "scipy", "joblib", "threadpoolctl"]),
    "pandas": (["2.0.0", "2.2.0"], ["numpy", "python-dateutil"]),
    "python-dateutil": (["2.9.0"], ["six"]),
    "six": (["1.16.0"], []),
    "torch": (["2.9.0", "2.9.0+cpu", "2.9.0+cu128"], ["numpy"]),
    "xgboost": (["3.1.0"], ["numpy", "nvidia-nccl-cu12"]),
    "xgboost-cpu": (["3.1.0"], ["numpy"]),
    "nvidia-nccl-cu12": (["2.27.0"], []),
    "httpx": (["0.28.0"], []),
    "fastapi": (["0.115.0"], []),
    "uvicorn": (["0.30.0"], []),
    "requests": (["2.32.0"], []),
    "matplotlib": (["3.9.0"], ["numpy"]),
    "acme-core": (["1.0.0"], []),
    "seaborn": (["0.13.0"], ["matplotlib", "pandas"]),
}
MODULES = {"scikit-learn": "sklearn", "python-dateutil": "dateutil"}


@pytest.fixture(scope="module")
def docs_index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs-wheels")
    with IndexServer() as index:
        for name, (versions, requires) in PACKAGES.items():
            for version in versions:
                module = MODULES.get(name, name.replace("-", "_"))
                files = {f"{module}/__init__.py": f"__version__ = {version!r}\n".encode()}
                index.add(build_wheel(folder, name, version, files=files, requires=requires))
        for machine in ("x86_64", "aarch64"):
            index.add(build_wheel(folder, "uv", "0.13.8", tag=f"py3-none-manylinux_2_17_{machine}"))
        yield index


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_shows_works(page, docs_index, tmp_path):
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    env |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}",
        "ENVCTL_INDEX_URL": docs_index.url,
        "HOME": str(tmp_path / "home"),
    }
    (tmp_path / "home").mkdir()
    project = tmp_path / "project"
    (project / "profiles").mkdir(parents=True)
    demo = (ROOT / "profiles" / "demo.toml").read_text("utf-8")
    (project / "profiles" / "demo.toml").write_text(_for_this_python(demo), "utf-8")
    shown = 0
    for step in steps(page):
        if isinstance(step, File):
            path = project / step.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_for_this_python(step.text), "utf-8")
        elif not step.text.startswith(tuple(ELSEWHERE)):
            _run(step, page, project, env)
            shown += 1
    assert shown or not any(isinstance(s, Command) for s in steps(page)) or page.name in ("CONTRIBUTING.md",)


def _for_this_python(text: str) -> str:
    """Interpreters of other versions need not be on the machine."""
    return re.sub(r'(?m)^(python\s*=\s*)"3\.11(\.9)?"', rf'\g<1>"{platform.python_version()}"', text)


def _run(step: Command, page: Path, project: Path, env: dict[str, str]) -> None:
    done = subprocess.run(
        [shutil.which("bash") or "bash", "-c", _for_this_python(step.text)],
        cwd=project,
        env=env,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == step.status, f"{page}:{step.line}: {step.text}\n{done.stdout}{done.stderr}"


def test_pages_link_only_to_what_exists():
    broken = []
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8")):
            if "://" not in link and not (page.parent / link).exists():
                broken.append(f"{page.relative_to(ROOT)}: {link}")
    assert broken == []
