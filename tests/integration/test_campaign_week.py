"""After a week of use: what real programs leave under the prefix is accepted where policy allows it, and named else."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support import environments as env
from support.project import envctl
from support.week import PROFILE, USES

from envctl.lockfile.read import read_lockfile
from envctl.model.lockfile import Lockfile, Policy

pytestmark = [pytest.mark.campaign, pytest.mark.network]

FOLDERS = sorted({use.writable for use in USES.values() if use.writable is not None})
FILES = {"config.json": b"{}", "weights/model.safetensors": b"\x08" + b"\0" * 63, "modeling_team.py": b"X = 1\n"}


class Hub(BaseHTTPRequestHandler):
    """One repository of a model hub, as far as a download asks for it."""

    def _answer(self, *, body: bool) -> None:
        name = self.path.partition("?")[0].removeprefix("/team/model/resolve/main/")
        data = FILES.get(name)
        self.send_response(200 if data is not None else 404)
        if data is None:
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("X-Repo-Commit", "9f" * 20)
        else:
            self.send_header("X-Repo-Commit", "9f" * 20)
            self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        if body and data is not None:
            self.wfile.write(data)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("week")
    (folder / "profiles").mkdir()
    listed = ", ".join(f'"{place}"' for place in FOLDERS)
    text = PROFILE.format(python=env.PYTHON, writable=f"[{listed}]")
    (folder / "profiles/week.toml").write_text(text)
    assert envctl("-C", folder, "lock").status == 0
    return folder


@pytest.fixture(scope="module")
def lockfile(project: Path) -> Lockfile:
    return read_lockfile(project / "profiles/locked/pylock.week.toml")


@pytest.fixture
def venv(project: Path) -> Path:
    """The environment, exact again after each program."""
    done = envctl("-C", project, "sync", "week")
    assert done.status == 0, done.err
    return project / ".venv"


@pytest.mark.parametrize("name", USES)
def test_what_a_program_left(name: str, venv: Path, lockfile: Lockfile, hub: str, tmp_path: Path) -> None:
    use = USES[name]
    work, home = tmp_path / "work", tmp_path / "home"
    work.mkdir()
    home.mkdir()
    filled = {"prefix": str(venv), "home": str(home), "hub": hub}
    variables = {key: value.format(**filled) for key, value in use.variables}
    kept = {
        key: value for key, value in os.environ.items() if key in ("PATH", "SSL_CERT_FILE", "PIP_CERT", "UV_CACHE_DIR")
    }
    script = work / "use.py"  # numba caches functions of files only
    script.write_text(use.script.replace("{prefix}", str(venv)))
    done = subprocess.run(
        [venv / "bin/python", script],
        cwd=work,
        env={**kept, "HOME": str(home), **variables},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = env.verify(lockfile, venv)
    codes = {finding.code for finding in found.findings}
    assert codes == set(use.codes), [(f.code, f.path, f.message) for f in found.findings][:5]
    hooks = lockfile.envctl.policy.startup_hooks
    strict = env.verify(env.with_envctl(lockfile, policy=Policy(startup_hooks=hooks)), venv)
    named = {finding.path for finding in strict.findings}
    if use.writable is not None:
        assert any(str(path).startswith(f"{use.writable}/") for path in named), "nothing was written there"
