"""What installers write into RECORD in a way of their own, which random wheels brought to light, is no difference."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import environments as env
from support.environments import lock_for, manifests_of, verify
from support.random_wheels import compiled
from support.wheels import build_wheel

from envctl.model.finding import Verdict


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_honest_environments_of_odd_wheels_are_ok(tmp_path: Path, installer: str) -> None:
    notes = {"INSTALLER": b"other\n", "REQUESTED": b"", "direct_url.json": b'{"url": "https://a.example"}'}
    cached = {"cached.py": b"X = 1\n", "__pycache__/cached.cpython-311.pyc": compiled(b"X = 1\n")}
    wheels = [
        build_wheel(tmp_path, "notes", dist_info=notes),  # pip lists them twice, its own and the wheel's
        build_wheel(tmp_path, "cached", files=cached),  # so with bytecode that it makes anew
        build_wheel(tmp_path, "libraries", data={"data/lib64/l/x": b"1", "data/lib/l/y": b"2"}),  # lib64 is a link
    ]
    install = env.pip_install if installer == "pip" else env.uv_install
    place = install(env.uv_venv(tmp_path / "env"), wheels)
    found = verify(lock_for(wheels), place, manifests=manifests_of(wheels))
    assert found.verdict is Verdict.OK, found.findings
    (place / "lib" / "l" / "x").write_bytes(b"3")
    assert verify(lock_for(wheels), place).verdict is Verdict.CHANGED
