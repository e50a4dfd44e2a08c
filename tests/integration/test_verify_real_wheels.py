"""Wheels of the index that are known to be awkward: rewritten scripts, nested RECORDs, startup hooks, data, headers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import environments as env
from support.environments import SITE, errors, lock_for, verify

from envctl.model.finding import Verdict

pytestmark = [pytest.mark.network, pytest.mark.campaign]

PINS = (
    "docutils==0.19",  # scripts with #!python, some with a coding line
    "jmespath==1.0.1",  # a script with #!python
    "setuptools==75.8.2",  # vendored dist-infos, a startup hook
    "jupyter-core==5.7.2",  # etc/ and share/ by way of data
    "six==1.17.0",
    "greenlet==3.1.1",  # headers
)
INSTALLERS: dict[str, Callable[[Path, list[Path]], Path]] = {
    "pip": env.pip_install,
    "uv": lambda venv, wheels: env.uv_install(venv, wheels, "--compile-bytecode"),
}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("wheels")
    env.run(sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", folder, *PINS)
    return sorted(folder.glob("*.whl"))


@pytest.mark.parametrize("installer", INSTALLERS)
@pytest.mark.parametrize("options", [(), ("--relocatable",)], ids=["fixed", "relocatable"])
def test_awkward_wheels_are_honest(
    options: tuple[str, ...], installer: str, wheels: list[Path], tmp_path: Path
) -> None:
    assert len(wheels) == len(PINS)
    venv = INSTALLERS[installer](env.uv_venv(tmp_path / "env", *options), wheels)
    found = verify(lock_for(wheels), venv, strict=True)
    assert found.findings == ()
    assert found.verdict is Verdict.OK
    assert found.package_set.found == found.package_set.expected


def test_changes_to_awkward_wheels_are_named(wheels: list[Path], tmp_path: Path) -> None:
    venv = env.uv_install(env.uv_venv(tmp_path / "env"), wheels, "--link-mode", "copy")
    site = venv / SITE
    (site / "distutils-precedence.pth").write_text("import os\n")
    (venv / "include/site" / Path(SITE).parent.name / "greenlet/greenlet.h").write_text("evil")
    nested = next((site / "setuptools/_vendor").glob("*.dist-info")) / "RECORD"
    nested.write_text("evil")
    script = next((venv / "bin").glob("jp.py"))
    script.write_text(script.read_text() + "import os\n")
    found = verify(lock_for(wheels), venv, manifests=env.manifests_of(wheels))
    named = {(name, package) for name, package, _ in errors(found)}
    assert {
        ("file-changed", "setuptools"),
        ("startup-hook-unlisted", "setuptools"),
        ("file-changed", "greenlet"),
        ("script-changed", "jmespath"),
    } <= named
    assert f"setuptools/_vendor/{nested.parent.name}/RECORD" in {path for _, _, path in errors(found)}
