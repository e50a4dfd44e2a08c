"""The verifier in one file gives the report of `envctl verify`, wherever and by whatever Python it is started."""

from __future__ import annotations

import hashlib
import json
import marshal
import os
import py_compile
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support import environments as env
from support import verifier
from support.environments import SITE, lock_for, sample_wheels, write_lock
from support.project import envctl

import envctl as package

pytestmark = pytest.mark.campaign

INFO = f"{SITE}/Alpha_Tools-1.0.dist-info"
CLEAN = {"PATH": os.defpath}


class Place(NamedTuple):
    """A project with an honest environment, the archive, and the wheels in a folder."""

    folder: Path
    archive: Path
    wheels: list[Path]

    def verify(self, *args: object, **kind: Any) -> subprocess.CompletedProcess[str]:
        """`envctl verify`, without a network."""
        command = [sys.executable, "-m", "envctl", "verify", "--offline", *args]
        return verifier.start(*command, cwd=self.folder, **kind)

    def single(self, *args: object, python: object = verifier.BASE, **kind: Any) -> subprocess.CompletedProcess[str]:
        """The verifier in one file, started as people would who know nothing of isolation."""
        return verifier.start(python, self.archive, *args, cwd=kind.pop("cwd", self.folder), **kind)

    def both(self, *args: object, python: object = verifier.BASE, **kind: Any) -> tuple[int, str]:
        """Exit code and report of both, which must be the same but for the seconds."""
        ours, theirs = self.verify(*args, **kind), self.single(*args, python=python, **kind)
        assert (theirs.returncode, timeless(theirs.stdout), timeless(theirs.stderr)) == (
            ours.returncode,
            timeless(ours.stdout),
            timeless(ours.stderr),
        )
        return ours.returncode, ours.stdout


def timeless(report: str) -> str:
    """A report without how long it took."""
    return re.sub(r'"seconds": ?[\d.]+| time="[\d.]+"|\b[\d.]+ s\b', "", re.sub(r"^ +· ", "· ", report, flags=re.M))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("verifier")
    wheels = sample_wheels(folder)
    write_lock(folder / "project", lock_for(wheels))
    venv = env.uv_venv(folder / "project/.venv", "--relocatable")
    env.uv_install(venv, wheels, "--link-mode", "copy", "--compile-bytecode")
    return Place(folder / "project", verifier.write(folder), wheels)


@pytest.fixture
def place(template: Place, tmp_path: Path) -> Place:
    shutil.copytree(template.folder, tmp_path / "project", symlinks=True)
    return template._replace(folder=tmp_path / "project")


def foreign_bytecode(venv: Path) -> None:
    source = venv / SITE / "alpha/core.py"
    honest = Path(py_compile.compile(str(source), doraise=True))
    honest.write_bytes(honest.read_bytes()[:16] + marshal.dumps(compile("EVIL = 1", str(source), "exec")))


def files(venv: Path) -> None:
    """Files changed, removed, added; RECORD made to agree; bytecode, scripts, hooks, rights, links, odd names."""
    site = venv / SITE
    foreign_bytecode(venv)
    with (site / "alpha/__init__.py").open("a") as file:
        file.write("# changed\n")
    env.repair_record(venv / INFO, "alpha/__init__.py")
    (site / "alpha/empty.py").unlink()
    (site / "alpha/__pycache__/empty.cpython-311.pyc").unlink(missing_ok=True)
    (site / "extra.py").write_text("X = 1\n")
    (site / "zz.pth").write_text("import os\n")
    (site / "sitecustomize.py").write_text("")
    with (venv / "bin/alpha").open("a") as file:
        file.write("# more\n")
    (venv / "bin/ls").write_text("#!/bin/sh\n")
    (venv / "bin/ls").chmod(0o4755)
    (site / "beta.py").chmod(0o777)
    os.mkfifo(site / "pipe")
    (site / "away").symlink_to("/etc")
    (site / "loop").symlink_to("loop")
    Path(os.fsdecode(os.fsencode(site) + b"/bad\xff.py")).write_text("")
    (site / "new\nline.py").write_text("")


def packages(venv: Path) -> None:
    """Another version, a package removed, one added, one twice."""
    site = venv / SITE
    (venv / INFO).rename(site / "Alpha_Tools-1.1.dist-info")
    shutil.rmtree(site / "beta-2.0.post1.dist-info")
    (site / "gamma-1.0.dist-info").mkdir()
    (site / "gamma-1.0.dist-info/METADATA").write_text("Name: gamma\nVersion: 1.0\n")


def configuration(venv: Path) -> None:
    """Another home, and packages of the system."""
    text = (venv / "pyvenv.cfg").read_text()
    text = re.sub("(?m)^include-system-site-packages.*$", "include-system-site-packages = true", text)
    (venv / "pyvenv.cfg").write_text(text + "home = /nowhere\n")
    (venv / "bin/python").unlink()
    (venv / "bin/python").write_text("#!/bin/sh\nexit 1\n")


def unreadable(venv: Path) -> None:
    """Bytecode that only its source could vouch for, and no source."""
    (venv / SITE / "beta.py").unlink()
    (venv / SITE / "beta.py").mkdir()


DEEDS: list[Callable[[Path], None]] = [files, packages, configuration, unreadable]


@pytest.mark.parametrize("deed", DEEDS)
def test_what_was_changed_is_told_alike(deed: Callable[[Path], None], place: Place) -> None:
    deed(place.folder / ".venv")
    status, report = place.both("--format", "json")
    assert status == 1
    assert len(json.loads(report)["findings"]) >= 2


@pytest.mark.campaign
def test_all_formats_say_what_envctl_says(place: Place) -> None:
    (place.folder / ".venv" / SITE / "extra.py").write_text("")
    offered = re.search(r"--format \[([a-z|]+)\]", envctl("verify", "--help").out)
    assert offered is not None
    for form in offered[1].split("|"):
        assert place.both("train", "--format", form)[0] == 1
    assert place.both("--schema")[0] == 0
    assert place.both("-o", "report.txt")[0] == 1
    assert (place.folder / "report.txt").read_text().startswith("untrusted: .venv")


@pytest.mark.campaign
def test_every_python_gives_the_same_report(place: Place) -> None:
    expected = place.verify("--format", "json")
    assert (expected.returncode, json.loads(expected.stdout)["findings"]) == (0, [])
    oldest, newest = verifier.pythons()[0], verifier.pythons()[-1]
    for python, *flags in ((oldest,), (newest,), (verifier.BASE, *verifier.ISOLATED)):
        done = verifier.start(python, *flags, place.archive, "--format", "json", cwd=place.folder)
        assert (done.returncode, timeless(done.stdout)) == (0, timeless(expected.stdout)), done.stderr
    foreign_bytecode(place.folder / ".venv")
    for python in {oldest, newest}:
        done = verifier.start(python, place.archive, cwd=place.folder)
        assert (done.returncode, "ENV403" in done.stdout) == (1, True), done.stdout


@pytest.mark.campaign
def test_errors_are_told_alike(place: Place) -> None:
    lock = place.folder / "profiles/locked/pylock.train.toml"
    whole = lock.read_text()
    for args in (("train:gpu",), ("--venv", "nowhere"), ("--archive", "nowhere.tar")):
        assert place.both(*args)[0] in (2, 3)
    (place.folder / "profiles/train.toml").write_text('python = "3.11.9"\ndependencies = ["x"]\n')
    assert place.both("train")[0] == 0
    (place.folder / "profiles/train.toml").write_text('python = 3\nimage = { bas = "x", user = -1 }\n')
    assert place.both("train")[0] == 3
    (place.folder / "profiles/train.toml").unlink()
    for text in (whole.replace('version = "1.0"', "version = 1"), whole[:400]):
        lock.write_text(text)
        assert place.both("train")[0] == 3


def test_a_fetched_folder_names_the_file(place: Place) -> None:
    alpha = place.folder / ".venv" / SITE / "alpha/core.py"
    alpha.write_text("changed")
    (place.folder / ".venv" / INFO / "RECORD").write_text("")
    status, report = place.both("--from", place.wheels[0].parent)
    assert (status, "alpha/core.py" in report) == (1, True)


class Trap(NamedTuple):
    """Modules that would be imported by a verifier that listens to its surroundings; each leaves a mark."""

    folder: Path

    def set(self) -> Trap:
        """Lay it."""
        self.folder.mkdir(exist_ok=True)
        for name in ("json", "msgspec", "click", "hashlib", "envctl", "tomli", "sitecustomize", "usercustomize", "os"):
            (self.folder / f"{name}.py").write_text(f"open({str(self.mark)!r}, 'a').write('{name} ')\n")
        return self

    @property
    def mark(self) -> Path:
        """What they write."""
        return self.folder / "mark"

    def caught(self) -> str:
        """Who was imported."""
        return self.mark.read_text() if self.mark.exists() else ""


def test_nothing_around_it_is_imported(place: Place) -> None:
    trap = Trap(place.folder).set()
    done = place.single()
    assert (done.returncode, trap.caught()) == (0, ""), done.stderr
    # What the caller's variables bring runs before the first line of any program, unless the interpreter is isolated.
    for flags, caught in ((("-I", "-S"), ""), (("-S",), "")):
        done = verifier.start(
            verifier.BASE, *flags, place.archive, cwd=place.folder, env={"PYTHONPATH": str(place.folder)}
        )
        assert (done.returncode, trap.caught()) == (1, caught)
        assert "ENV308" in done.stdout, "the variable itself is a finding, as envctl has it"


def test_a_missing_home_and_a_read_only_world(place: Place) -> None:
    """No variable at all, and no folder that could be written to: the archive is run by a user who owns nothing."""
    if os.getuid() != 0:
        pytest.skip("only root can start a program as nobody")
    folder, python = place.folder, verifier.BASE
    shutil.copy(place.archive, folder / "v.pyz")
    start = f"""set -e
mount --bind / /mnt && mount -o remount,ro,bind / && mount -t tmpfs -o ro none /dev/shm
cd {folder}
! touch {folder}/x /tmp/x /var/tmp/x /dev/shm/x 2>/dev/null
exec """
    done = verifier.start("unshare", "--mount", "/bin/sh", "-c", f"{start} env -i {python} v.pyz")
    if "ermitted" in done.stderr or "ermission denied" in done.stderr:
        pytest.skip(f"this container may not mount: {done.stderr}")
    assert (done.returncode, done.stdout.partition(":")[0]) == (0, "ok"), done.stderr + done.stdout
    # A user whom the machine does not know, with the power to read what other users closed, and to do nothing else.
    caps = "--inh-caps=-all,+dac_read_search --ambient-caps=+dac_read_search --bounding-set=-all,+dac_read_search"
    user = f"setpriv --reuid=54321 --regid=54321 --clear-groups {caps}"
    done = verifier.start("unshare", "--mount", "/bin/sh", "-c", f"{start} {user} env -i {python} v.pyz")
    # Whether it may start the interpreter in somebody's closed home depends on where that lies.
    assert (done.returncode, done.stdout.partition(":")[0]) in ((0, "ok"), (1, "changed")), done.stderr
    assert re.findall(r"ENV\d+", done.stdout) in ([], ["ENV304"])


def test_the_environments_own_python_is_only_its_own_word(place: Place) -> None:
    own = place.folder / ".venv/bin/python"
    for args in ((), ("--venv", ".venv")):
        done = place.single("--format", "json", *args, python=own)
        found = json.loads(done.stdout)
        assert (done.returncode, found["verdict"], found["scope"]) == (7, "unverifiable", ["self"])
    done = place.single("--format", "json", "--accept-self", python=own, cwd=place.folder)
    found = json.loads(done.stdout)
    assert (done.returncode, found["verdict"], found["scope"][-1]) == (0, "ok", "self")
    # Where no environment is named and none is active, it is the one that the interpreter belongs to.
    lock = place.folder / "profiles/locked/pylock.train.toml"
    done = place.single(lock, "--accept-self", python=own, cwd=place.folder.parent)
    assert (done.returncode, done.stdout.partition(":")[0]) == (0, "ok"), done.stderr
    shutil.copy(place.archive, place.folder / ".venv/v.pyz")
    done = verifier.start(verifier.BASE, place.folder / ".venv/v.pyz", cwd=place.folder)
    assert done.returncode == 1, "the archive in the environment is a file that nobody locked"
    assert "v.pyz" in done.stdout


@pytest.mark.parametrize("name", ["with space.pyz", "-new\nline é"])
def test_any_place_will_do(name: str, place: Place) -> None:
    shutil.copy(place.archive, place.folder / name)
    done = verifier.start(verifier.BASE, "./" + name, "--version", cwd=place.folder)
    assert (done.returncode, done.stdout) == (0, f"envctl {package.__version__}\n"), done.stderr
    (place.folder / name).chmod(0o755)
    path = f"{Path(verifier.BASE).parent}:{os.defpath}"
    done = verifier.start(place.folder / name, "train", cwd=place.folder, env={"PATH": path})
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("locale", ["C", "en_US.ISO-8859-1"])
def test_names_do_not_depend_on_the_locale(locale: str, place: Place) -> None:
    (place.folder / ".venv" / SITE / "é.py").write_text("")
    done = place.single("--format", "json", env={"LC_ALL": locale, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"})
    assert [f["path"] for f in json.loads(done.stdout)["findings"]] == [f"{SITE}/é.py"]


def test_a_damaged_file_says_nothing_good(place: Place) -> None:
    whole = place.archive.read_bytes()
    damaged = place.folder / "damaged.pyz"
    flipped = bytearray(whole)
    flipped[whole.index(b"byte for byte")] ^= 1
    for data in (whole[:-1], whole[:-100_000], whole[:1000], whole[:60], b"", whole + b"x", bytes(flipped)):
        damaged.write_bytes(data)
        done = verifier.start(verifier.BASE, damaged, "train", cwd=place.folder)
        assert (done.returncode == 0, done.stdout) == (data == b"", "")
    assert (
        done.stderr
        == "error: this file is damaged; compare its sha256 with what `envctl verifier` said, and copy it again\n"
    )


def test_old_pythons_get_one_line() -> None:
    """Run as far as the check goes, with what an older interpreter says of itself."""
    boot = Path(package.__file__).parent / "cli/boot.py"
    code = "import sys; sys.version_info = (3, 8, 18, 'final', 0); exec(open(sys.argv[1]).read())"
    done = verifier.start(verifier.BASE, "-c", code, boot)
    assert done.returncode == 2
    assert done.stderr == f"error: this verifier needs Python 3.10 or later; {verifier.BASE} is 3.8.18\n"
    for old in sorted((Path.home() / ".pyenv/versions").glob("3.[6-9].*/bin/python3.[6-9]")):
        done = verifier.start(old, "-c", "import ast, sys; ast.parse(open(sys.argv[1]).read())", boot)
        assert done.returncode == 0, "every Python 3 must be able to read it"


def test_an_interpreter_that_cannot_be_isolated_is_no_reason_to_loop(place: Place) -> None:
    done = place.single("--version", env={"ENVCTL_VERIFY_STARTED": "1"})
    assert done.returncode == 2
    assert "cannot be started in isolation" in done.stderr


def test_statements_and_signatures(place: Place) -> None:
    said = []
    for verify in (place.verify, place.single):
        assert verify("--attestation", "statement.json").returncode == 0
        said.append((place.folder / "statement.json").read_text())
    moment = r'"\d{4}-\d\d-\d\dT[\d:.]+Z"'
    assert len(re.findall(moment, said[0])) == 1
    assert re.sub(moment, "", timeless(said[0])) == re.sub(moment, "", timeless(said[1]))
    assert place.both("--require-signature")[0] != 0


def test_there_is_no_engine_in_it(place: Place) -> None:
    for option in ("--image", "--container"):
        assert place.single("train", option, "x").returncode == 2
    done = verifier.start(verifier.BASE, place.archive, "--help")
    assert (done.returncode, "--image" in done.stdout, "--accept-self" in done.stdout) == (0, False, True)


def test_the_same_version_writes_the_same_bytes(place: Place, tmp_path: Path) -> None:
    os.umask(0o077)
    try:
        ran = envctl("-C", tmp_path, "verifier", "--format", "json")
    finally:
        os.umask(0o022)
    data = (tmp_path / "envctl-verify.pyz").read_bytes()
    assert data == place.archive.read_bytes()
    assert ran.json == {
        "schema": "envctl.verifier/1",
        "file": "envctl-verify.pyz",
        "version": package.__version__,
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "carried": ran.json["carried"],
    }
    assert (tmp_path / "envctl-verify.pyz").stat().st_mode & 0o777 == 0o755
    assert envctl("-C", tmp_path, "verifier").out.startswith("written: envctl-verify.pyz, 2.")
    assert envctl("-C", tmp_path, "verifier", "-o", ".").status == 5
    assert envctl("-C", tmp_path, "verifier", "-o", "").status == 2


def test_what_is_in_it(place: Place) -> None:
    with zipfile.ZipFile(place.archive) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        own = Path(package.__file__).parent
        for name in names:
            if name.startswith("envctl/"):
                assert archive.read(name) == (own / name.removeprefix("envctl/")).read_bytes(), name
        carried = archive.read("CARRIED").decode().split("\n")
    assert names == sorted(names)
    assert not [name for name in names if name.endswith((".so", ".pyc")) or "__pycache__" in name]
    assert [line.partition("==")[0] for line in carried] == ["envctl-ml", "click", "packaging", "tomli", ""]
    assert {name.split("/")[1] for name in names if name.startswith("LICENCES/")} == {"envctl-ml", *CARRIED}


CARRIED = ("click", "packaging", "tomli")
