"""Lockfiles that were edited, merged, cut off or made up: every command refuses them or says that they are stale."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import tomli
import tomli_w
from support.project import BASE, Project, Ran
from support.server import IndexServer

from envctl.lockfile.seal import sealed

pytestmark = pytest.mark.campaign

IMAGE = f'python = "3.11.9"\ndependencies = ["alpha"]\n[image]\nbase = "{BASE}"\n'
READERS = (["dockerfile", "train", "-o", "-"], ["tree", "train"], ["diff", "train", "train"])
INSTALLERS = (["sync", "train", "--venv", "made"], ["verify", "train", "--venv", "there"])


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, Mapping[str, bytes]]]:
    """A project that was locked once, and its three files. Its index stays up for the module."""
    with IndexServer() as index, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENVCTL_INDEX_URL", index.url)
        for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
            patch.delenv(name)
        patch.setenv("UV_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "uv-cache"))
        patch.setenv("ENVCTL_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "envctl-cache"))
        project = Project(tmp_path_factory.mktemp("locked") / "project", index)
        project.wheel("alpha", "1.0", requires=["beta"])
        project.wheel("beta", "2.0")
        project.wheel("uv", "0.13.8", tag="py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64")
        project.profile(IMAGE)
        ran = project.run("lock")
        assert ran.status == 0, ran.err
        (project.folder / "there" / "bin").mkdir(parents=True)
        yield project, project.snapshot()


@pytest.fixture
def locked(stock: tuple[Project, Mapping[str, bytes]], monkeypatch: pytest.MonkeyPatch) -> Project:
    """The same with its files as they were written."""
    project, files = stock
    monkeypatch.setenv("ENVCTL_INDEX_URL", project.index.url)
    folder = project.folder / "profiles" / "locked"
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    project.profile(IMAGE)
    return project


def swapped(text: str, pattern: str) -> str:
    first, second = re.findall(pattern, text)[:2]
    return text.replace(first, "\0").replace(second, first).replace("\0", second)


def twice(text: str) -> str:
    start = text.index('[[packages]]\nname = "beta"')
    return text[:start] + text[start : text.index("[tool.envctl]")] + text[start:]


def said(ran: Ran) -> str:
    """All that was printed: never a traceback, never a character that a terminal would obey."""
    text = ran.out + ran.err
    assert ran.status != 70, text
    assert "Traceback" not in text
    assert all(line.isprintable() for line in text.split("\n")), repr(text)
    return text


def after(line: str, more: str) -> Any:
    return lambda text: text.replace(line, f"{line}{more}", 1)


def instead(old: str, new: str) -> Any:
    return lambda text: re.sub(old, new, text, count=1)


BETA = 'name = "beta"\n'
# What a person, a merge or a stranger may do to a lockfile that contradicts what else it says: every reader refuses it.
CONTRADICTIONS: dict[str, Any] = {
    "content digests swapped": lambda text: swapped(text, r'whl" = "(sha256:[0-9a-f]{64})'),
    "content digest edited": instead(r'whl" = "sha256:[0-9a-f]{8}', 'whl" = "sha256:00000000'),
    "content digest missing": instead(r'content = \{ "beta', 'content = { "gamma'),
    "content digest of another file": instead(
        r'content = \{ "beta', 'content = { "beta-2.0-cp311-cp311-win_amd64.whl" = "sha256:' + "0" * 64 + '", "beta'
    ),
    "environment digest edited": instead(r'(package-set.*?"sha256:)[0-9a-f]{8}', r"\g<1>00000000"),
    "package listed twice": twice,
    "package taken away": lambda text: (
        text[: text.index('[[packages]]\nname = "beta"')] + text[text.index("[tool.envctl]") :]
    ),
    "version edited": instead('version = "2.0"', 'version = "2.1"'),
    "version endless": instead('version = "2.0"', f'version = "{"9" * 5000}"'),
    "version with an escape": instead('version = "2.0"', 'version = "2.0\\\\u001b[31m"'),
    "name in capitals": instead(BETA, 'name = "Beta"\n'),
    "marker that is none": after(BETA, 'marker = "what is this"\n'),
    "marker on extras": after(BETA, "marker = \"'x' in extras\"\n"),
    "marker on a patch release": after(BETA, "marker = \"python_full_version == '3.11.9'\"\n"),
    "marker without an end": after(BETA, f'marker = "{"(" * 3000}"\n'),
    "marker of no platform": after(BETA, "marker = \"platform_machine == 'riscv64'\"\n"),
    "wheel of another system": lambda text: text.replace("alpha-1.0-py3-none-any", "alpha-1.0-cp311-cp311-win_amd64"),
    "wheel of another machine": lambda text: text.replace(
        "alpha-1.0-py3-none-any", "alpha-1.0-cp311-cp311-manylinux_2_17_aarch64"
    ),
    "wheel of a newer libc": lambda text: text.replace(
        "alpha-1.0-py3-none-any", "alpha-1.0-cp311-cp311-manylinux_2_39_x86_64"
    ),
    "wheel that is no wheel": lambda text: text.replace("alpha-1.0-py3-none-any.whl", "alpha-1.0.tar.gz"),
    "wheel of another distribution": lambda text: text.replace("alpha-1.0-py3", "evil-1.0-py3"),
    "no sha256": instead(r"hashes = \{ sha256 = \"[0-9a-f]{64}\"", 'hashes = { md5 = "00"'),
    "sha256 in capitals": instead(r'sha256 = "[0-9a-f]{64}" \} \},', f'sha256 = "{"A" * 64}" }} }},'),
    "credentials in a url": instead('url = "http://', 'url = "http://user:sekret@'),
    "user in a url": instead('url = "http://', 'url = "http://sekret@'),
    "url of a file": instead('url = "http://[^/]*', 'url = "file://'),
    "url of git": instead('url = "http://', 'url = "git+http://'),
    "url with a newline": instead("/files/alpha", "/files/\\\\nRUN evil alpha"),
    "url with a quote": instead("/files/alpha", "/files/'\\\\\"alpha"),
    "url without a host": instead('url = "http://[^/]*', 'url = "http://'),
    "url with a port that is none": instead('url = "http://[^/]*', 'url = "http://index.example:x'),
    "size below nothing": instead("size = ", "size = -"),
    "size beyond everything": instead("size = ", f"size = {'9' * 30}"),
    "time without an offset": instead("upload-time = 2026-01-01T00:00:00Z", "upload-time = 2026-01-01T00:00:00"),
    "time before time": instead("upload-time = 2026-01-01T00:00:00Z", "upload-time = 0001-01-01T00:00:00+14:00"),
    "time after time": instead("upload-time = 2026-01-01T00:00:00Z", "upload-time = 9999-12-31T23:59:59-14:00"),
    "epoch below nothing": instead("source-date-epoch = ", "source-date-epoch = -"),
    "epoch beyond everything": instead("source-date-epoch = ", f"source-date-epoch = {'9' * 30}"),
    "lock-version of the future": instead('lock-version = "1.0"', 'lock-version = "2.0"'),
    "another Python": instead(r'requires-python = "==3\.11', 'requires-python = ">=3.9'),
    "no Python": instead('version = "3.11.9"', 'version = "x"'),
    "half a Python": instead('version = "3.11.9"', 'version = "3"'),
    "Python from nowhere": instead('source = "image"', 'source = "elsewhere"'),
    "another interpreter": instead('source = "image"', 'source = "image", implementation = "pypy"'),
    "libc that is none": instead("glibc 2.28", "wat"),
    "libc beyond everything": instead("glibc 2.28", "glibc 2.99999999"),
    "platform that is none": lambda text: text.replace('"linux/amd64"', '"linux/odd"'),
    "platform that was not locked": instead(r'platforms = \{ "linux/amd64"', 'platforms = { "linux/arm64"'),
    "no platform": instead(r"platforms = .*", "platforms = {}"),
    "no environments": instead(r"environments = .*", "environments = []"),
    "inputs that are no digest": instead('inputs = "sha256:', 'inputs = "sha256:0'),
    "profile outside the folder": instead('profile = "train"', 'profile = "../../train"'),
    "profile with a newline": instead('profile = "train"', 'profile = "tr\\\\nain"'),
    "another profile": instead('profile = "train"', 'profile = "other"'),
    "a variant": instead('profile = "train"', 'profile = "train"\nvariant = "cpu"'),
}  # fmt: skip


@pytest.mark.parametrize("edit", CONTRADICTIONS.values(), ids=CONTRADICTIONS.keys())
def test_a_contradiction_is_refused_by_readers_stale_for_check_and_mended_by_lock(locked: Project, edit: Any) -> None:
    good = locked.snapshot()
    text = good["pylock.train.toml"].decode()
    bad = edit(text).encode()
    assert bad != good["pylock.train.toml"]
    # A seal does not help: it is for accidents, and whoever writes a file can write that as well.
    for data in (bad, sealed(re.sub(rb'seal = "sha256:\w+"\n', b"", bad))):
        locked.lock_path().write_bytes(data)
        for command in (*READERS, *INSTALLERS):
            ran = locked.run(*command)
            text = said(ran)
            assert (ran.status, ran.out) == (3, ""), (command, text)
            assert ran.err.startswith("error: profiles/locked/pylock.train.toml"), text
            assert "sekret" not in text
        assert not (locked.folder / "made").exists()
        for command in (["lock", "--check"], ["lock", "--check", "--resolve"]):
            ran = locked.run(*command)
            assert ran.status == 1, said(ran)
            assert "stale: train" in ran.out
            assert "sekret" not in said(ran)
        assert locked.snapshot() == {**good, "pylock.train.toml": data}
        ran = locked.run("lock")
        assert ran.status == 0, said(ran)
        assert locked.snapshot() == good, "what was right before is what is right now"


# What contradicts nothing, and is told by the seal alone: a reader that installs finds out by itself, if it matters.
EDITS: dict[str, tuple[Any, int]] = {
    "hashes of two wheels swapped": (lambda text: swapped(text, r'sha256 = "([0-9a-f]{64})" \} \},'), 6),
    "hash edited": (instead(r'sha256 = "[0-9a-f]{64}" \} \},', f'sha256 = "{"0" * 64}" }} }},'), 6),
    "url of another place": (instead('url = "http://[^/]*', 'url = "http://127.0.0.1:1'), 0),
    "a source distribution added": (
        after(BETA, f'sdist = {{ url = "http://127.0.0.1:1/x.tar.gz", hashes = {{ sha256 = "{"0" * 64}" }} }}\n'),
        0,
    ),
    "a key that nobody knows": (instead("schema = 1", "schema = 1\nwhat = 3"), 0),
    "another tool's table": (lambda text: text + "[tool.other]\nx = 1\n", 0),
    "a comment": (after("[tool.envctl]\n", "# reviewed\n"), 0),
    "ends of lines": (lambda text: text.replace("\n", "\r\n"), 0),
    "a circle of dependencies": (after('version = "2.0"\n', 'dependencies = [{ name = "alpha" }]\n'), 0),
    "another time": (instead("upload-time = 2026-01-01", "upload-time = 2026-01-02"), 0),
    "another epoch": (instead("source-date-epoch = 17", "source-date-epoch = 16"), 0),
    "another base digest": (instead(r'base-digest = "sha256:\w{4}', 'base-digest = "sha256:0000'), 0),
    "another installer": (instead('version = "0.13.8"', 'version = "0.13.9"'), 0),
    "another installer's hash": (instead(r'(version = "0.13.8".*?)"[0-9a-f]{64}"', rf'\g<1>"{"0" * 64}"'), 0),
    "an index with credentials": (after(BETA, 'index = "ftp://user:sekret@x"\n'), 0),
    "another cutoff": (instead("exclude-newer = 2026-01-01", "exclude-newer = 2027-01-01"), 0),
    "a requirement that is none": (instead(r'requirements = \["alpha"\]', 'requirements = ["alpha >> 2"]'), 0),
    "another requirement": (instead(r'requirements = \["alpha"\]', 'requirements = ["alpha<9"]'), 0),
    "a policy": (instead(r"policy = \{\}", 'policy = { startup-hooks = ["x.pth"] }'), 0),
    "an image with a newline": (instead("python:3.11.9-slim", "python:3.11.9\\\\nRUN evil"), 0),
}


@pytest.mark.parametrize(("edit", "synced"), EDITS.values(), ids=EDITS.keys())
def test_an_edit_by_hand_is_stale_for_check_and_undone_by_lock(locked: Project, edit: Any, synced: int) -> None:
    good = locked.snapshot()
    locked.lock_path().write_bytes(edit(good["pylock.train.toml"].decode()).encode())
    for command in (["lock", "--check"], ["lock", "--check", "--resolve"]):
        ran = locked.run(*command)
        assert ran.status == 1, said(ran)
        assert "stale: train" in ran.out
    for command in READERS:
        ran = locked.run(*command)
        assert ran.status in (0, 3), said(ran)
        assert "sekret" not in said(ran)
        assert "\nRUN evil" not in ran.out
    if synced:
        ran = locked.run("sync", "train", "--venv", "made")
        assert ran.status == synced, said(ran)
        assert not list((locked.folder / "made").rglob("alpha*"))
        shutil.rmtree(locked.folder / "made", ignore_errors=True)
    ran = locked.run("lock")
    assert ran.status == 0, said(ran)
    assert locked.snapshot() == good


def test_an_edit_is_found_in_a_target_without_an_image_too(locked: Project) -> None:
    locked.profile('python = "3.11.9"\ndependencies = ["alpha"]\n', "plain")
    assert locked.run("lock", "plain").status == 0
    path = locked.lock_path("plain")
    good = path.read_bytes()
    path.write_bytes(re.sub(rb'(sha256 = ")[0-9a-f]{4}', rb"\g<1>0000", good, count=1))
    ran = locked.run("lock", "--check", "plain")
    assert (ran.status, "edited by hand" in ran.out) == (1, True), said(ran)
    assert locked.run("lock", "plain").status == 0
    assert path.read_bytes() == good
    (locked.folder / "profiles/plain.toml").unlink()


CONFLICT = '<<<<<<< HEAD\nversion = "2.0"\n{}=======\nversion = "1.0"\n>>>>>>> theirs\n'
UNREADABLE: dict[str, Any] = {
    "conflict markers": lambda text: text.replace('version = "2.0"\n', CONFLICT.format("")),
    "conflict markers of three sides": lambda text: text.replace(
        'version = "2.0"\n', CONFLICT.format('||||||| base\nversion = "0.1"\n')
    ),
    "conflict markers at the end": lambda text: text + CONFLICT.format(""),
    "conflict markers with ends of lines": lambda text: text.replace(
        'version = "2.0"\n', CONFLICT.format("")
    ).replace("\n", "\r\n"),
    "half a conflict": lambda text: text.replace('version = "2.0"\n', '=======\nversion = "2.0"\n>>>>>>> theirs\n'),
    "a newer schema": instead("schema = 1", "schema = 2"),
    "schema 0": instead("schema = 1", "schema = 0"),
    "schema true": instead("schema = 1", "schema = true"),
    "nothing": lambda text: "",
    "a byte order mark": lambda text: "\ufeff" + text,
    "a NUL": lambda text: text.replace("alpha", "al\0pha"),
    "another tool's pylock": lambda text: text[: text.index("[tool.envctl]")].replace("tool.envctl", "tool.other"),
    "nesting without an end": lambda text: "a = " + "[" * 100_000,
    "a number without an end": lambda text: "a = " + "9" * 50_000,
    "an escape in a message": instead("schema = 1", 'schema = "\\\\u001b[31m"'),
    "binary": lambda text: bytes(range(256)).decode("latin-1"),
}  # fmt: skip


@pytest.mark.parametrize("edit", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_cannot_be_read_is_refused_by_every_command_and_left_alone(locked: Project, edit: Any) -> None:
    good = locked.snapshot()
    data = edit(good["pylock.train.toml"].decode()).encode("latin-1" if edit is UNREADABLE["binary"] else "utf-8")
    locked.lock_path().write_bytes(data)
    every = (["lock"], ["lock", "-U"], ["lock", "--check"], ["lock", "--check", "--resolve"], *READERS, *INSTALLERS)
    for command in every:
        ran = locked.run(*command)
        text = said(ran)
        assert (ran.status, ran.out) == (3, ""), (command, text)
        assert ran.err.startswith("error: profiles/locked/pylock.train.toml"), text
        assert "hint: " in ran.err, text
    assert not (locked.folder / "made").exists()
    assert locked.snapshot() == {**good, "pylock.train.toml": data}


def test_conflict_markers_have_a_message_of_their_own_with_their_line(locked: Project) -> None:
    text = locked.lock_path().read_text("utf-8")
    line = text[: text.index('version = "2.0"\n')].count("\n") + 1
    locked.lock_path().write_text(UNREADABLE["conflict markers"](text), "utf-8")
    err = locked.run("lock").err
    assert err.startswith(
        f"error: profiles/locked/pylock.train.toml:{line}: the lockfile holds git's conflict markers\n"
    )


def test_a_lockfile_cut_off_anywhere_is_refused_or_stale_and_never_a_crash(locked: Project) -> None:
    good = locked.snapshot()["pylock.train.toml"]
    for end in range(0, len(good), 97):
        locked.lock_path().write_bytes(good[:end])
        for command in (["lock", "--check"], *READERS):
            ran = locked.run(*command)
            assert ran.status in ((1, 3) if command[0] == "lock" else (3,)), (end, command, said(ran))
            said(ran)
    assert end > 2000


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything that the file says."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from leaves(item, (*path, key))


ODD = (True, -1, 2**70, 1.5, "", "\x1b[31m", "\n", "x" * 5000, [], ["\0"], {}, {"x": {}}, [[1]], "1979-05-27")


def test_a_value_of_any_other_type_anywhere_is_refused_or_stale_and_never_a_crash(locked: Project) -> None:
    good = locked.snapshot()["pylock.train.toml"]
    places = list(leaves(tomli.loads(good.decode())))
    assert len(places) > 50
    for number, place in enumerate(places):
        for shift in range(3):
            document = tomli.loads(good.decode())
            table = document
            for key in place[:-1]:
                table = table[key]
            table[place[-1]] = ODD[(number * 3 + shift) % len(ODD)]
            locked.lock_path().write_text(tomli_w.dumps(document), "utf-8")
            for command in (["lock", "--check"], READERS[0], READERS[1]):
                ran = locked.run(*command)
                assert ran.status in (0, 1, 3), (place, said(ran))
                said(ran)
                assert command[0] != "lock" or ran.status != 0, (place, said(ran))


def test_what_stands_in_the_place_of_the_files_is_never_replaced_or_followed(locked: Project) -> None:
    good = locked.snapshot()
    locked.lock_path().unlink()
    locked.lock_path().mkdir()
    for command in (["lock"], ["lock", "--check"], *READERS, *INSTALLERS):
        ran = locked.run(*command)
        assert (ran.status, "is not a regular file" in said(ran)) == (3, True), command
    locked.lock_path().rmdir()

    dockerfile = locked.folder / "profiles/locked/Dockerfile.train"
    dockerfile.unlink()
    dockerfile.mkdir()
    locked.profile(IMAGE.replace("[image]", '[image]\nenv = { A = "1" }'))
    ran = locked.run("lock")
    assert ran.status == 5, said(ran)
    assert "profiles/locked/Dockerfile.train" in ran.err
    names = sorted(path.name for path in dockerfile.parent.iterdir())
    assert names == ["Dockerfile.train", "Dockerfile.train.dockerignore"], "all of them are written, or none"
    dockerfile.rmdir()
    assert locked.run("lock").status == 0

    shutil.rmtree(locked.folder / "profiles/locked")
    (locked.folder / "profiles/locked").write_text("a file")
    for command in (["lock"], ["lock", "--check"], *READERS, *INSTALLERS):
        ran = locked.run(*command)
        assert (ran.status, "Not a directory" in ran.err) == (3, True), said(ran)
    assert (locked.folder / "profiles/locked").read_text() == "a file"
    assert good


def test_a_lockfile_behind_a_link_is_read_and_what_it_points_to_is_never_written(locked: Project) -> None:
    elsewhere = locked.folder / "elsewhere.toml"
    locked.lock_path().rename(elsewhere)
    locked.lock_path().symlink_to("../../elsewhere.toml")
    assert locked.run("lock", "--check").status == 0
    locked.profile(IMAGE.replace("[image]", '[image]\nenv = { A = "1" }'))
    assert locked.run("lock").status == 0
    assert not locked.lock_path().is_symlink()
    assert b'A = "1"' not in elsewhere.read_bytes()
    assert locked.run("lock", "--check").status == 0
    locked.lock_path().unlink()
    locked.lock_path().symlink_to("nowhere")
    ran = locked.run("lock", "--check")
    assert (ran.status, "is missing" in ran.out) == (1, True), said(ran)
