"""No false alarm: honest environments of real packages, by every maker, installer and Python of `support.honest`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from support import environments as env
from support import popular
from support.engine.client import Engine
from support.honest import PIPS, ROWS, Row, Workshop, alarms
from support.project import Ran, envctl

pytestmark = [pytest.mark.campaign, pytest.mark.network]

ROOT = Path(__file__).resolve().parents[2]
DEBIAN = "/usr/bin/python3"


def version_of(python: str) -> str:
    """X.Y.Z of an interpreter; empty where there is none."""
    if not Path(python).exists():
        return ""
    command = [python, "-I", "-c", "import platform; print(platform.python_version())"]
    return subprocess.run(command, capture_output=True, text=True, check=True, env={}).stdout.strip()


def minor(version: str) -> str:
    return version.rpartition(".")[0]


def there(row: Row) -> bool:
    """Debian's Python is another X.Y on some machines; the images of `test_campaign_honest_images` always have it."""
    return row.python != "debian" or minor(version_of(DEBIAN)) == minor(env.PYTHON)


@pytest.fixture(autouse=True)
def caches(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """One cache of uv for a session: the same wheels are installed again and again."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "honest-uv-cache"))


class Place:
    """A project folder whose targets are locked and fetched once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "profiles").mkdir(parents=True)

    def write(self, name: str, text: str) -> None:
        (self.folder / "profiles" / f"{name}.toml").write_text(text)

    def run(self, *args: object) -> Ran:
        done = envctl("-C", self.folder, *args)
        assert done.status in (0, 1), done.err
        return done

    def wheels(self, target: str) -> list[Path]:
        """Lock and fetch."""
        folder = self.folder / f"wheels-{target.replace(':', '-')}"
        self.run("lock", target)
        assert self.run("fetch", target, folder).status == 0
        return sorted(folder.rglob("*.whl"))

    def lock_path(self, target: str) -> Path:
        return self.folder / f"profiles/locked/pylock.{target.replace(':', '-')}.toml"

    def verify(self, target: str, venv: Path) -> Ran:
        return self.run("verify", target, "--venv", venv, "--format", "json", "--offline")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("demo"))
    text = (ROOT / "profiles/demo.toml").read_text()
    place.write("demo", text.replace('python = "3.11.9"', f'python = "{env.PYTHON}"').partition("[image]")[0])
    variant = text.partition("[variants.cpu]")[2].partition("[variants.cuda]")[0]
    with (place.folder / "profiles/demo.toml").open("a") as file:
        file.write(f"[variants.cpu]{variant}")
    return place


@pytest.fixture(scope="module")
def workshop(demo: Place, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    folder = tmp_path_factory.mktemp("tools")
    for version in PIPS.values():
        env.run(sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, f"pip=={version}")
    pips = {name: next(folder.glob(f"pip-{version}-*.whl")) for name, version in PIPS.items()}
    wheels = demo.wheels("demo:cpu")
    assert len(wheels) > 15
    return Workshop(
        wheels,
        demo.lock_path("demo:cpu"),
        old_pips=pips,
        pythons={"own": env.BASE, "debian": DEBIAN},
        sync=lambda venv: None if demo.run("sync", "demo:cpu", "--venv", venv).status == 0 else pytest.fail("sync"),
    )


@pytest.fixture(scope="module")
def standalone(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The interpreter of a build that was unpacked at a place that nobody foresaw."""
    folder = tmp_path_factory.mktemp("a place for Python")
    with tarfile.open(engine.standalone) as tar:
        tar.extractall(folder, filter="tar")
    return str(next(folder.glob("python/bin/python3")))


@pytest.mark.parametrize("row", [row for row in ROWS if there(row)], ids=str)
def test_no_environment_of_the_demo_raises_an_alarm(
    row: Row, demo: Place, workshop: Workshop, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if row.python == "standalone":
        workshop.pythons["standalone"] = request.getfixturevalue("standalone")
        if minor(version_of(workshop.pythons["standalone"])) != minor(env.PYTHON):
            pytest.skip("the standalone build is of another X.Y than the Python of the tests")
    venv = workshop.make(row, tmp_path / "env")
    done = demo.verify("demo:cpu", venv)
    assert alarms(done, row.warnings) == []
    assert {f["code"] for f in done.json["findings"]} >= row.warnings
    assert (done.status, done.json["verdict"]) == (0, "ok")
    assert done.json["package_set"]["found"] == done.json["package_set"]["expected"]
    shutil.rmtree(tmp_path)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("popular"))
    for group in popular.GROUPS:
        place.write(group, popular.profile(group, env.PYTHON))
    return place


@pytest.mark.parametrize("group", popular.GROUPS)
def test_popular_packages_raise_no_alarm(group: str, shop: Place, tmp_path: Path) -> None:
    """All of a group in one environment by uv and in another by pip; uv compiles all but the largest group."""
    wheels = shop.wheels(group)
    assert len(wheels) >= len(popular.GROUPS[group].split())
    words = ["--compile-bytecode"] if group in popular.COMPILED else []
    by_uv = env.uv_install(env.uv_venv(tmp_path / "uv"), wheels, *words)
    done = shop.verify(group, by_uv)
    assert (alarms(done), done.status) == ([], 0)
    shutil.rmtree(by_uv)
    by_pip = env.pip_install(env.uv_venv(tmp_path / "pip"), wheels, "--no-compile")
    done = shop.verify(group, by_pip)
    assert (alarms(done), done.status) == ([], 0)
    assert done.json["counts"]["packages"] == len(wheels)
    shutil.rmtree(tmp_path)


def test_there_are_more_than_200_popular_packages() -> None:
    assert len(popular.names()) > 200
