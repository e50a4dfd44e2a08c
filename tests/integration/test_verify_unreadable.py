"""What cannot be read is never ok: run without the capabilities by which root reads everything."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from support.project import Project

_NOT = "-dac_override,-dac_read_search"
AS_ANYBODY = ["setpriv", f"--inh-caps={_NOT}", f"--bounding-set={_NOT}"] if os.geteuid() == 0 else []


@pytest.fixture
def synced(project: Project) -> Project:
    """A project whose environment is exact."""
    project.wheel("alpha", files={"alpha/__init__.py": b"", "alpha/core.py": b"value = 1\n"})
    python = "{}.{}.{}".format(*sys.version_info[:3])
    project.profile(f'python = "{python}"\ndependencies = ["alpha"]\n')
    for command in (["lock"], ["sync", "train"], ["verify", "train"]):
        ran = project.run(*command)
        assert ran.status == 0, ran.err
    return project


@pytest.mark.parametrize("name", ["alpha/core.py", "alpha"])
def test_what_cannot_be_read_is_unverifiable_and_named(synced, name):
    (site,) = (synced.folder / ".venv").glob("lib/python*/site-packages")
    (site / name).chmod(0o000)
    command = [*AS_ANYBODY, sys.executable, "-m", "envctl", "-C", str(synced.folder), "verify", "train"]
    try:
        done = subprocess.run([*command, "--format", "json"], capture_output=True, encoding="utf-8", check=False)
    finally:
        (site / name).chmod(0o755)
    report = json.loads(done.stdout)
    assert report["verdict"] != "ok"
    assert done.returncode in (1, 7)
    unread = [finding for finding in report["findings"] if finding["code"].startswith("ENV9")]
    assert any(name in (finding.get("path") or "") for finding in unread)
