"""Indexes that fail, lie or send garbage: the right exit code, one message, the old files, nothing half-written."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.project import BASE, Project, Ran
from support.server import JSON, IndexServer
from support.wheels import build_wheel

pytestmark = pytest.mark.campaign

SECRET = "sekret"
TARGET = f"""
python = "3.11.9"
dependencies = ["alpha"]
[image]
base = "{BASE}"
"""
PAGE, FILE = "/simple/beta/", "/files/beta"
WHEEL = "beta-2.0-py3-none-any.whl"


@pytest.fixture
def cold(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project that was locked with beta 1.0, which the index no longer has; all caches are cold."""
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    project.wheel("uv", "0.13.8", tag="py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64")
    project.wheel("alpha", "1.0", requires=["beta"])
    project.wheel("beta", "1.0")
    project.profile(TARGET)
    assert project.run("lock").status == 0
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("ENVCTL_CACHE_DIR", str(tmp_path / "envctl-cache"))
    project.index.files["beta"].clear()
    project.wheel("beta", "2.0")
    project.index.requests.clear()
    return project


def fails(project: Project, status: int, *parts: str, command: tuple[str, ...] = ("lock", "-U")) -> Ran:
    """The command ends so, with one message that holds these parts, and leaves every file as it was."""
    before, listed = project.snapshot(), sorted(project.folder.rglob("*"))
    ran = project.run(*command)
    assert ran.status == status, ran.out + ran.err
    assert ran.out == ""
    assert ran.err.startswith("error: ")
    assert ran.err.count("error: ") == 1
    for part in parts:
        assert part in ran.err, ran.err
    assert "Traceback" not in ran.err
    assert SECRET not in ran.err
    assert all(line.isprintable() for line in ran.err.split("\n")), repr(ran.err)
    assert project.snapshot() == before
    assert sorted(project.folder.rglob("*")) == listed
    return ran


GARBAGE = b"\x1b[31m\x00\xff" * 50
LOGIN = b"<!DOCTYPE html><html><body><form action='/login'><input name='password'></form></body></html>"
HTML = {"Content-Type": "text/html"}
# what goes wrong where, the exit code, and what the message says
FAULTS: dict[str, tuple[str, dict[str, Any], int, tuple[str, ...]]] = {
    "a package is not there": (PAGE, {"status": 404}, 4, ("beta is not in the index",)),
    "a wheel is not there": (FILE, {"status": 404}, 6, (WHEEL, "404")),
    "500 for everything": ("/", {"status": 500}, 6, ("500",)),
    "500 for a page": (PAGE, {"status": 500}, 6, (PAGE, "500")),
    "500 for a wheel": (FILE, {"status": 500}, 6, (WHEEL, "500")),
    "503 for a wheel": (FILE, {"status": 503, "headers": {"Retry-After": "600"}}, 6, (WHEEL, "503")),
    "401": ("/", {"status": 401}, 6, ("401", "hint: credentials")),
    "403 for a page": (PAGE, {"status": 403}, 6, ("403",)),
    "403 for a wheel": (FILE, {"status": 403}, 6, (WHEEL, "403")),
    "a login form for a page": (PAGE, {"body": LOGIN, "headers": HTML}, 6, (PAGE, "no project page")),
    "a sentence for a page": (PAGE, {"body": b"<html>Blocked.</html>", "headers": HTML}, 6, (PAGE,)),
    "a login form for a wheel": (FILE, {"body": LOGIN, "headers": HTML}, 6, (WHEEL,)),
    "half of a JSON page": (PAGE, {"body": b'{"meta": {"api-ver'}, 6, (PAGE, "no page of a package index")),
    "another JSON document": (PAGE, {"body": b'["beta"]'}, 6, (PAGE, "no page of a package index")),
    "a page of another API": (
        PAGE,
        {"body": b'{"meta": {"api-version": "2.0"}, "name": "beta", "files": []}'},
        6,
        (PAGE, "version '2.0'"),
    ),
    "a page without files": (
        PAGE,
        {"body": b'{"meta": {"api-version": "1.0"}, "name": "beta", "files": []}'},
        4,
        ("names no file",),
    ),
    "a page of no type": (PAGE, {"body": b"hello", "headers": {"Content-Type": "text/plain"}}, 6, (PAGE,)),
    "a binary page": (PAGE, {"body": GARBAGE}, 6, (PAGE,)),
    "an empty page": (PAGE, {"body": b""}, 6, (PAGE,)),
    "a page that is said to be gzip": (PAGE, {"body": b"[]", "headers": {"Content-Encoding": "gzip"}}, 6, (PAGE,)),
    "a binary wheel": (FILE, {"body": GARBAGE}, 6, (WHEEL,)),
    "an empty wheel": (FILE, {"body": b""}, 6, (WHEEL,)),
    "a page that is cut": (PAGE, {"cut": 30}, 6, (PAGE, "cut")),
    "a wheel that is cut": (FILE, {"cut": 100}, 6, (WHEEL,)),
    "a wheel that is cut, without ranges": (FILE, {"cut": 100, "no_ranges": True}, 6, ("beta",)),
    "no answer to a page": (PAGE, {"drop": True}, 6, (PAGE,)),
    "no answer to a wheel": (FILE, {"drop": True}, 6, (WHEEL,)),
    "a page that redirects to itself": (PAGE, {"redirect": PAGE}, 6, (PAGE,)),
    "a wheel that redirects to itself": (FILE, {"redirect": f"/files/{WHEEL}"}, 6, ("beta",)),
    "a page that redirects to a file": (PAGE, {"redirect": "file:///etc/passwd"}, 6, (PAGE,)),
    "a wheel that redirects to a file": (FILE, {"redirect": "file:///etc/passwd"}, 6, (WHEEL,)),
    "a wheel that redirects to nowhere": (FILE, {"redirect": "http://127.0.0.1:1/x.whl"}, 6, ("refused",)),
    "a wheel of endless size": (FILE, {"claim": 10**13}, 6, ("beta",)),
}


@pytest.mark.parametrize(("place", "fault", "status", "parts"), FAULTS.values(), ids=FAULTS.keys())
def test_an_index_that_fails_ends_the_lock_and_leaves_the_old_files(
    cold: Project, place: str, fault: dict[str, Any], status: int, parts: tuple[str, ...]
) -> None:
    cold.index.fault(place, **fault)
    fails(cold, status, *parts)
    cold.index.faults.clear()
    assert cold.run("lock", "-U").status == 0, "a failure is not remembered"
    assert cold.pins() == {"alpha": "1.0", "beta": "2.0"}


@pytest.mark.parametrize(
    "fault",
    [
        {"cut": 100, "no_ranges": True},
        {"cut": 100},
        {"redirect": f"/files/{WHEEL}"},
        {"body": GARBAGE},
        {"status": 404},
    ],
)
def test_an_older_version_is_never_taken_because_the_newest_could_not_be_read(
    cold: Project, fault: dict[str, Any]
) -> None:
    cold.wheel("beta", "1.0")
    cold.index.fault(f"/files/{WHEEL}", **fault)
    fails(cold, 6)


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 503}, {"drop": True}, {"cut": 20}])
@pytest.mark.parametrize("place", [PAGE, FILE])
def test_what_goes_wrong_once_is_asked_again(
    cold: Project, place: str, fault: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "2")
    cold.index.fault(place, **fault, times=1)
    ran = cold.run("lock", "-U")
    assert (ran.status, ran.err) == (0, "")
    assert cold.pins() == {"alpha": "1.0", "beta": "2.0"}


def test_an_index_that_drips_is_given_up_in_time(cold: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "2")
    cold.index.fault(FILE, delay=60)
    began = time.monotonic()
    fails(cold, 6, WHEEL)
    assert time.monotonic() - began < 30


def test_an_index_that_is_slow_is_waited_for(cold: Project) -> None:
    cold.index.fault("/", delay=0.5)
    assert cold.run("lock", "-U").status == 0


@pytest.mark.parametrize(
    "options", [{"no_ranges": True}, {"wrong_range": 7}, {"gzip": True}], ids=["no ranges", "wrong ranges", "gzip"]
)
def test_an_index_that_serves_files_in_its_own_way_gives_the_same_lockfile(
    cold: Project, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cold.run("lock", "-U").status == 0
    good = cold.snapshot()
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "another"))
    monkeypatch.setenv("ENVCTL_CACHE_DIR", str(tmp_path / "yet another"))
    cold.index.fault("/files/", **options)
    ran = cold.run("lock", "-U")
    assert ran.status == 0, ran.err
    assert cold.snapshot() == good


def other(**kind: Any) -> Callable[[Project], None]:
    """The index has this wheel in place of beta's."""

    def put(project: Project) -> None:
        offered = {key: kind[key] for key in ("sha256", "size", "upload_time", "hashed", "yanked") if key in kind}
        built = {key: value for key, value in kind.items() if key not in offered}
        project.index.files["beta"].clear()
        project.index.add(build_wheel(project.wheels / "other", "beta", "2.0", **built), **offered)

    return put


def metadata(name: str = "beta", version: str = "2.0", more: str = "") -> bytes:
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}".encode()


WHEELS: dict[str, tuple[Callable[[Project], None], int, tuple[str, ...]]] = {
    "another sha256 than the page says": (other(sha256="0" * 64), 6, (WHEEL, "another file", "0" * 64)),
    "another size than the page says": (other(size=5), 6, (WHEEL, "another size", "5 bytes")),
    "no RECORD": (other(record="missing"), 6, (WHEEL, "has no RECORD")),
    "an empty RECORD": (other(record=b""), 6, (WHEEL, "not in its RECORD")),
    "a binary RECORD": (other(record=GARBAGE), 6, (WHEEL, "RECORD")),
    "a RECORD of other digests": (
        other(record=b"beta/__init__.py,sha256=AAAA,3\nbeta-2.0.dist-info/RECORD,,\n"),
        6,
        (WHEEL, "RECORD"),
    ),
    "a RECORD that is a bomb": (other(record=b"beta/__init__.py,,\n" * 4_000_000), 6, ("RECORD", "too large")),
    "metadata that is a bomb": (other(metadata=metadata() + bytes(80 * 2**20)), 6, ("too large",)),
    "a file that RECORD does not list": (other(extra_members={"beta/evil.py": b""}), 6, (WHEEL, "beta/evil.py")),
    "an absolute member": (other(extra_members={"/etc/passwd": b""}), 6, (WHEEL, "/etc/passwd")),
    "a member outside": (other(extra_members={"../evil": b""}), 6, (WHEEL, "../evil")),
    "a listed file outside": (other(files={"../evil": b""}), 6, (WHEEL, "../evil")),
    "an absolute listed file": (other(files={"/etc/evil": b""}), 6, (WHEEL, "/etc/evil")),
    "data outside": (other(data={"data/../../evil": b""}), 6, (WHEEL, "evil")),
    "a script outside": (other(scripts={"../evil": b"#!python\n"}), 6, (WHEEL, "evil")),
    "an entry point outside": (other(entry_points={"../evil": "a:b"}), 6, (WHEEL, "evil")),
    "an entry point of two lines": (other(entry_points={"ev\nil": "a:b"}), 6, (WHEEL, "entry_points.txt")),
    "a member twice": (other(extra_members=[("beta/__init__.py", b"evil")]), 6, (WHEEL, "twice")),
    "two dist-infos": (other(extra_members={"gamma-1.0.dist-info/METADATA": metadata("gamma")}), 6, ("dist-info",)),
    "another name": (other(metadata=metadata("evil")), 6, ("evil", "beta")),
    "another version": (other(metadata=metadata(version="9.0")), 6, (WHEEL, "9.0")),
    "metadata of nothing": (other(metadata=b""), 6, ("beta 2.0",)),
    "binary metadata": (other(metadata=GARBAGE), 6, ("beta 2.0",)),
    "a requirement that is none": (other(metadata=metadata(more="Requires-Dist: (((\n")), 6, ("beta 2.0", "(((")),
    "a requirement at an address": (
        other(requires=["gamma @ https://user:sekret@x.example/gamma-1-py3-none-any.whl"]),
        4,
        ("beta 2.0 needs gamma from an address",),
    ),
    "a requirement in a repository": (
        other(requires=["gamma @ git+https://user:sekret@x.example/gamma.git"]),
        4,
        ("beta 2.0 needs gamma from an address",),
    ),
    "a wheel for no Python that there is": (other(requires_python=">=99"), 4, ("beta", ">=99")),
    "a yanked wheel alone": (other(yanked="broken"), 4, ("yanked",)),
    "a file name with a command in it": (other(filename="beta-2.0-py3-none-any$(x).whl"), 4, ("beta",)),
    "an upload time that is none": (other(upload_time="yesterday"), 6, (PAGE,)),
    "an upload time without an offset": (other(upload_time="2026-01-01T00:00:00"), 6, (PAGE,)),
    "an upload time in another age": (other(upload_time="2500-01-01T00:00:00Z"), 6, ("cannot stand in a lockfile",)),
}  # fmt: skip


@pytest.mark.parametrize(("put", "status", "parts"), WHEELS.values(), ids=WHEELS.keys())
def test_a_wheel_that_is_not_what_it_says_ends_the_lock_and_leaves_the_old_files(
    cold: Project, put: Callable[[Project], None], status: int, parts: tuple[str, ...]
) -> None:
    put(cold)
    fails(cold, status, *parts)


@pytest.mark.parametrize(
    ("kind", "pinned"),
    [
        ({"record": "hex"}, True),
        ({"record": "none"}, True),
        ({"hashed": False}, True),
        ({"upload_time": None}, False),
        ({"upload_time": "2026-01-01T00:00:00.123456Z"}, True),
        ({"files": {"beta/zeros": bytes(200 * 2**20)}}, True),
    ],
    ids=["hex RECORD", "RECORD without digests", "no hashes", "no upload times", "fractions", "mostly zeros"],
)
def test_a_wheel_that_is_only_unusual_is_locked(cold: Project, kind: dict[str, Any], pinned: bool) -> None:
    other(**kind)(cold)
    ran = cold.run("lock", "-U")
    assert ran.status == 0, ran.err
    wheel = next(p for p in cold.lockfile().packages if p.name == "beta").wheels[0]
    assert (wheel.name, wheel.upload_time is not None) == (WHEEL, pinned)
    assert cold.run("lock", "--check").status == 0


def page(cold: Project, url: str) -> None:
    row = {"filename": WHEEL, "url": url, "hashes": {}}
    body = json.dumps({"meta": {"api-version": "1.0"}, "name": "beta", "files": [row]}).encode()
    cold.index.page(PAGE, body, JSON)


@pytest.mark.parametrize(
    "url", ["file:///srv/beta-2.0-py3-none-any.whl", "javascript:x", "ftp://x.example/beta-2.0-py3-none-any.whl"]
)
def test_a_page_that_sends_elsewhere_than_to_the_web_is_refused(cold: Project, url: str) -> None:
    page(cold, url)
    fails(cold, 6, "beta")


def test_a_file_of_this_machine_that_a_page_names_is_not_locked(cold: Project) -> None:
    page(cold, build_wheel(cold.wheels / "mine", "beta", "2.0").as_uri())
    fails(cold, 6, "cannot stand in a lockfile")


def test_signatures_and_credentials_of_a_file_s_address_are_not_in_the_lockfile(cold: Project) -> None:
    url = cold.index.file_url(WHEEL)
    page(cold, f"{url.replace('://', '://user:sekret@')}?signature=sekret#sha256={'0' * 0}")
    ran = cold.run("lock", "-U")
    assert ran.status == 0, ran.err
    assert SECRET not in cold.lock_path().read_text("utf-8")
    assert next(p for p in cold.lockfile().packages if p.name == "beta").wheels[0].url == url


@pytest.fixture
def private() -> Iterator[IndexServer]:
    with IndexServer("user", SECRET) as server:
        yield server


def bound(server: IndexServer, packages: str = '["beta"]') -> str:
    return TARGET.replace(
        "[image]", f'[[resolver.index]]\nname = "team"\nurl = "{server.url}"\npackages = {packages}\n[image]'
    )


BOUND_FAULTS = ["a package is not there", "500 for a page", "500 for a wheel", "a login form for a page",
                "half of a JSON page", "a page that is cut", "a wheel that is cut", "a page that redirects to itself",
                "a page that redirects to a file", "a binary wheel"]  # fmt: skip


@pytest.mark.parametrize("name", BOUND_FAULTS)
def test_a_bound_index_that_fails_ends_the_lock_and_nobody_else_is_asked(
    cold: Project, private: IndexServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, fault, status, _ = FAULTS[name]
    private.add(cold.wheels / WHEEL)
    monkeypatch.setenv("UV_INDEX_TEAM_USERNAME", "user")
    monkeypatch.setenv("UV_INDEX_TEAM_PASSWORD", SECRET)
    cold.profile(bound(private))
    private.fault(place, **fault)
    fails(cold, status, "team")
    assert not cold.index.asked(PAGE)
    private.faults.clear()
    assert cold.run("lock", "-U").status == 0
    assert not cold.index.asked(PAGE)


def credentials_of(requests: list[tuple[str, str, Mapping[str, str]]]) -> list[str]:
    return [path for _, path, headers in requests if "authorization" in headers]


@pytest.mark.parametrize("where", ["bound", "default", "mirror"])
def test_credentials_reach_their_index_alone_and_no_output_or_file(
    cold: Project, private: IndexServer, where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for wheel in cold.wheels.glob("*.whl"):
        private.add(wheel)
    if where == "mirror":
        monkeypatch.setenv("ENVCTL_INDEX_URL", private.with_credentials())
    else:
        cold.profile(bound(private, '["beta"]' if where == "bound" else "[]"))
        refused = fails(cold, 6, "401")
        assert "UV_INDEX_TEAM_USERNAME" in refused.err
        monkeypatch.setenv("UV_INDEX_TEAM_USERNAME", "user")
        monkeypatch.setenv("UV_INDEX_TEAM_PASSWORD", SECRET)
    with IndexServer(host="localhost") as elsewhere:
        elsewhere.add(cold.wheels / WHEEL)
        private.fault(FILE, redirect=elsewhere.file_url(WHEEL))
        for command in (
            ["-v", "lock", "-U"],
            ["lock", "--check"],
            ["lock", "--check", "--resolve"],
            ["profile", "train"],
        ):
            ran = cold.run(*command)
            assert ran.status == 0, ran.err
            assert SECRET not in ran.out + ran.err
        assert elsewhere.asked("/files/")
        assert credentials_of(elsewhere.requests) == []
    assert credentials_of(cold.index.requests) == []
    everything = [path for path in cold.folder.rglob("*") if path.is_file()]
    assert len(everything) > 3
    assert not any(SECRET.encode() in path.read_bytes() for path in everything)
    private.faults.clear()
    private.fault("/simple/", status=500)
    fails(cold, 6, "500")
    if where == "mirror":
        monkeypatch.setenv("ENVCTL_INDEX_URL", private.with_credentials(password=f"{SECRET}-no-more"))
    else:
        monkeypatch.setenv("UV_INDEX_TEAM_PASSWORD", f"{SECRET}-no-more")
    private.faults.clear()
    fails(cold, 6, "401")


def test_credentials_come_from_netrc_too(cold: Project, private: IndexServer, monkeypatch: pytest.MonkeyPatch) -> None:
    private.add(cold.wheels / WHEEL)
    netrc = cold.folder.parent / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login user password {SECRET}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    cold.profile(bound(private))
    ran = cold.run("lock", "-U")
    assert ran.status == 0, ran.err
    assert SECRET not in ran.out + ran.err + cold.lock_path().read_text("utf-8")
    netrc.write_text(f"machine 127.0.0.1 login user password {SECRET}-no-more\n")
    fails(cold, 6, "401")
