"""`envctl verify` and `envctl explain` as people and programs call them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from jsonschema import validate
from support import environments as env
from support.environments import SITE, lock_for, sample_wheels, with_envctl, write_lock
from support.project import envctl
from support.wheels import build_wheel

from envctl.commands.verify import exit_code, verify
from envctl.errors import InvalidFile, UsageError
from envctl.model.finding import Verdict
from envctl.model.lockfile import PlatformPin
from envctl.model.platform import Platform
from envctl.report.json import SCHEMA as SHIPPED

SCHEMA = json.loads(SHIPPED.read_text("utf-8"))


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return sample_wheels(tmp_path_factory.mktemp("wheels"))


@pytest.fixture
def team(tmp_path: Path, wheels: list[Path]) -> Path:
    """A project folder with a lockfile and its environment."""
    folder = tmp_path / "team"
    folder.mkdir()
    write_lock(folder, lock_for(wheels))
    env.uv_install(env.uv_venv(folder / ".venv"), wheels, "--link-mode", "copy")
    return folder


def test_an_exact_environment_is_ok(team: Path) -> None:
    done = envctl("-C", team, "verify", "train")
    assert done.status == 0
    first, second, *rest = done.out.splitlines()
    assert first == "ok: .venv is train, byte for byte"
    assert second.startswith("  2 packages, ")
    assert "package set sha256:" in second
    assert rest == [
        "  not covered: the interpreter and its standard library (nothing vouches for a Python outside of an image)"
    ]


def test_the_only_target_and_the_active_environment_are_meant(team: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert envctl("-C", team, "verify").status == 0
    (team / ".venv").rename(team / "other")
    assert envctl("-C", team, "verify", "--venv", "other").out.startswith("changed: other is not train")
    assert envctl("-C", team, "verify").status in (2, 7, 1)
    monkeypatch.setenv("VIRTUAL_ENV", str(team / "other"))
    assert envctl("-C", team, "verify").out.startswith("changed: other is not train")


def test_a_changed_file_is_named_to_people_and_programs(team: Path) -> None:
    (team / ".venv" / SITE / "alpha/core.py").write_text("evil")
    (team / ".venv" / SITE / "zz.pth").write_text("import os; os.system('evil')")
    done = envctl("-C", team, "verify", "train")
    assert done.status == 1
    assert done.out.splitlines()[0] == "changed: .venv is not train"
    assert "    ENV201  alpha/core.py  content differs from the wheel's" in done.out.splitlines()
    assert "    ENV401  site-packages/zz.pth  runs at every start of Python: import os; os.system('evil')" in done.out
    assert done.err == "hint: `envctl explain ENV201`; make it exact again with `envctl sync train`\n"
    report = envctl("-C", team, "verify", "train", "--format", "json")
    assert report.status == 1
    validate(report.json, SCHEMA)
    assert [finding["code"] for finding in report.json["findings"]] == ["ENV201", "ENV401"]
    assert report.json["findings"][0]["package"] == "alpha-tools"
    assert report.json["package_set"]["found"] != report.json["package_set"]["expected"]


def test_the_json_of_an_exact_environment(team: Path) -> None:
    report = envctl("-C", team, "verify", "--format", "json").json
    validate(report, SCHEMA)
    assert report["verdict"] == "ok"
    assert report["target"] == "train"
    assert report["subject"] == {"kind": "venv", "name": ".venv", "digest": None}
    assert report["lock"]["file"] == "profiles/locked/pylock.train.toml"
    assert report["package_set"]["found"] == report["package_set"]["expected"]
    assert "bytecode" in report["scope"]
    assert "interpreter" not in report["scope"]
    assert report["counts"]["packages"] == 2


def test_the_report_can_go_to_a_file(team: Path, tmp_path: Path) -> None:
    done = envctl("-C", team, "verify", "--format", "json", "-o", tmp_path / "report.json")
    assert (done.status, done.out) == (0, "")
    validate(json.loads((tmp_path / "report.json").read_text()), SCHEMA)


def test_warnings_count_with_strict(team: Path, wheels: list[Path]) -> None:
    write_lock(team, lock_for(wheels, python="{}.{}.99".format(*sys.version_info)))
    mild = envctl("-C", team, "verify")
    assert mild.status == 0
    assert "ENV302  warning: Python " in mild.out
    strict = envctl("-C", team, "verify", "--strict")
    assert strict.status == 1
    assert strict.out.startswith("changed: ")


def test_what_is_not_there_is_said_with_what_to_do(team: Path, tmp_path: Path) -> None:
    missing = envctl("-C", team, "verify", "train", "--venv", "nowhere")
    assert missing.status == 2
    assert missing.err == "error: nowhere: there is no such folder\nhint: `envctl sync` makes the environment\n"
    (team / "plain").mkdir()
    plain = envctl("-C", team, "verify", "train", "--venv", "plain")
    assert plain.status == 2
    assert "is no virtual environment" in plain.err
    unlocked = envctl("-C", team, "verify", "serve")
    assert unlocked.status == 2
    assert "envctl lock serve" in unlocked.err
    (tmp_path / "empty").mkdir()
    assert envctl("-C", tmp_path / "empty", "verify").status == 3
    image = envctl("-C", team, "verify", "train", "--image", "train:1", "--offline")
    assert image.status == 6
    assert "train:1" in image.err
    assert "works offline" in image.err
    both = envctl("-C", team, "verify", "train", "--image", "train:1", "--archive", "train.tar")
    assert both.status == 2
    assert "exclude each other" in both.err
    archive = envctl("-C", team, "verify", "train", "--archive", "train.tar:1")
    assert archive.status == 2
    assert "no such file" in archive.err


def test_a_lockfile_for_another_platform_is_no_lockfile_for_this_machine(team: Path, wheels: list[Path]) -> None:
    lockfile = lock_for(wheels)
    digest = next(iter(lockfile.envctl.package_set.values()))
    other = {"darwin/amd64": PlatformPin(libc="glibc 2.28")}
    lockfile = with_envctl(lockfile, platforms=other, package_set={"darwin/amd64": digest})
    marker = Platform.parse("darwin/amd64").marker
    write_lock(team, msgspec.structs.replace(lockfile, environments=(marker,)))
    with pytest.raises(UsageError, match="is not locked for"):
        verify(team, "train")


def test_several_targets_must_be_told_apart(team: Path) -> None:
    locked = team / "profiles/locked"
    text = (locked / "pylock.train.toml").read_text()
    (locked / "pylock.serve.toml").write_text(text.replace('profile = "train"', 'profile = "serve"'))
    with pytest.raises(UsageError, match="several targets are locked") as raised:
        verify(team)
    assert raised.value.expected == "one of serve, train"


def test_a_damaged_lockfile_is_invalid(team: Path) -> None:
    path = team / "profiles/locked/pylock.train.toml"
    path.write_text(path.read_text()[:200])
    with pytest.raises(InvalidFile):
        verify(team, "train")


def test_variables_of_the_calling_process_are_looked_at(team: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD", "")
    assert envctl("-C", team, "verify").status == 0
    monkeypatch.setenv("PYTHONPATH", str(team))
    done = envctl("-C", team, "verify")
    assert done.status == 1
    assert done.out.startswith("untrusted: .venv holds what train does not vouch for")
    assert f"  ENV308  PYTHONPATH is set to {team}" in done.out


def test_a_verifier_inside_of_what_it_verifies_says_so(team: Path, wheels: list[Path]) -> None:
    """envctl is imported from a folder in the environment: its word alone is not enough."""
    venv = team / ".venv"
    paths = [path for path in sys.path if path]
    script = (
        f"import sys; sys.path[:0] = {paths!r}; import json, pathlib;"
        "from envctl.commands.verify import verify, exit_code;"
        f"accept = sys.argv[1] == 'yes'; r = verify(pathlib.Path({str(team)!r}), accept_self=accept, environ={{}});"
        "print(json.dumps([r.verdict.value, list(r.scope), len(r.findings)])); sys.exit(exit_code(r))"
    )
    for accept, status, verdict in (("no", 7, "unverifiable"), ("yes", 0, "ok")):
        done = subprocess.run(
            [venv / "bin/python", "-B", "-c", script, accept], capture_output=True, text=True, env={}, check=False
        )
        assert done.returncode == status, done.stderr
        said, scope, findings = json.loads(done.stdout)
        assert (said, findings) == (verdict, 0)
        assert "self" in scope
    (venv / SITE / "beta.py").write_text("evil")
    done = subprocess.run(
        [venv / "bin/python", "-B", "-c", script, "no"], capture_output=True, text=True, env={}, check=False
    )
    assert done.returncode == 1


def test_the_cache_of_a_lock_names_what_a_repaired_record_hides(team: Path, wheels: list[Path], tmp_path: Path) -> None:
    (team / ".venv" / SITE / "beta.py").write_text("evil")
    env.repair_record(team / ".venv" / SITE / "beta-2.0.post1.dist-info", "beta.py")
    unnamed = verify(team, "train", offline=True)
    assert {finding.name for finding in unnamed.findings} == {"record-changed", "package-contents"}
    fetched = tmp_path / "fetched"
    (fetched / "wheels").mkdir(parents=True)
    for wheel in wheels:
        os.link(wheel, fetched / "wheels" / wheel.name)
    named = verify(team, "train", fetched=fetched, offline=True)
    assert [(f.name, f.path) for f in named.findings][1] == ("file-changed", "beta.py")


def test_an_index_names_what_a_repaired_record_hides(tmp_path: Path, index: object) -> None:
    wheel = build_wheel(tmp_path / "wheels", "delta", "1.0")
    index.add(wheel)  # type: ignore[attr-defined]
    team = tmp_path / "team"
    lockfile = lock_for([wheel])
    (package,) = lockfile.packages
    url = index.file_url(wheel.name)  # type: ignore[attr-defined]
    located = msgspec.structs.replace(package.wheels[0], url=url)
    lockfile = msgspec.structs.replace(lockfile, packages=(msgspec.structs.replace(package, wheels=(located,)),))
    write_lock(team, lockfile)
    venv = env.uv_install(env.uv_venv(team / ".venv"), [wheel], "--link-mode", "copy")
    before = len(index.requests)  # type: ignore[attr-defined]
    assert verify(team).verdict is Verdict.OK
    assert len(index.requests) == before, "an honest environment needs no network"  # type: ignore[attr-defined]
    (venv / SITE / "delta/__init__.py").write_text("evil")
    env.repair_record(venv / SITE / "delta-1.0.dist-info", "delta/__init__.py")
    assert "package-contents" in {finding.name for finding in verify(team, offline=True).findings}
    report = verify(team)
    assert ("file-changed", "delta/__init__.py") in {(f.name, f.path) for f in report.findings}
    assert exit_code(report) == 1


def test_explain_says_what_a_code_means() -> None:
    done = envctl("explain", "ENV201")
    assert done.status == 0
    assert done.out.startswith("ENV201 file-changed: A file differs from the wheel's\n  error; verdict changed\n")
    listed = envctl("explain")
    assert listed.status == 0
    assert "ENV401  startup-hook-added" in listed.out
    data = envctl("explain", "ENV201", "--format", "json").json
    assert (data["schema"], data["codes"][0]["name"]) == ("envctl.explain/1", "file-changed")
    unknown = envctl("explain", "ENV999")
    assert unknown.status == 2
    assert "hint:" in unknown.err


def test_an_environment_is_read_and_never_written_to(team: Path) -> None:
    def state() -> dict[str, tuple[int, int]]:
        return {str(p): (p.lstat().st_mtime_ns, p.lstat().st_mode) for p in sorted((team / ".venv").rglob("*"))}

    before = state()
    assert verify(team).verdict is Verdict.OK
    assert state() == before
