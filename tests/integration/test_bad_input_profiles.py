"""Profiles that are wrong, seen from the command line: exit code, message, and files that stay as they are."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import tomli
from support.project import BASE, Project, Ran
from support.server import IndexServer

from envctl.profile import schema

pytestmark = pytest.mark.campaign

GOOD = f"""\
python = "3.11.9"
dependencies = ["alpha"]
[image]
base = "{BASE}"
"""
COMMANDS = (["lock"], ["lock", "--check"], ["lock", "--dry-run"], ["profile", "train"])


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, Mapping[str, bytes]]]:
    """A project that was locked once, and its files."""
    with IndexServer() as index, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENVCTL_INDEX_URL", index.url)
        for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
            patch.delenv(name)
        patch.setenv("UV_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "uv-cache"))
        patch.setenv("ENVCTL_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "envctl-cache"))
        project = Project(tmp_path_factory.mktemp("profiles") / "project", index)
        project.wheel("alpha", "1.0")
        project.wheel("uv", "0.13.8", tag="py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64")
        project.profile(GOOD)
        assert project.run("lock").status == 0
        yield project, project.snapshot()


@pytest.fixture
def locked(stock: tuple[Project, Mapping[str, bytes]], monkeypatch: pytest.MonkeyPatch) -> Project:
    """The same, with its files as they were written, and nothing else in the folder."""
    project, files = stock
    monkeypatch.setenv("ENVCTL_INDEX_URL", project.index.url)
    for path in project.folder.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    folder = project.folder / "profiles" / "locked"
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    project.profile(GOOD)
    return project


def refused(project: Project, *parts: str, status: int = 3, commands: Any = COMMANDS) -> Ran:
    """Every command ends so, says so in one message, and writes nothing."""
    before = {path: path.read_bytes() for path in project.folder.rglob("*") if path.is_file()}
    for command in commands:
        ran = project.run(*command)
        assert (ran.status, ran.out) == (status, ""), (command, ran)
        assert ran.err.startswith("error: ")
        assert "Traceback" not in ran.err
        assert all(line.isprintable() for line in ran.err.split("\n")), repr(ran.err)
        assert len(ran.err) < 3000
        for part in parts:
            assert part in ran.err, ran.err
        assert {path: path.read_bytes() for path in project.folder.rglob("*") if path.is_file()} == before
    return ran


FILES: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "no TOML": (b"python = \n", ("train.toml:1: is not valid TOML",)),
    "a table without an end": (GOOD.encode() + b"[image\n", ("train.toml:5:",)),
    "a key twice": (b'python = "3.11"\npython = "3.12"\n', ("train.toml:2: says a key or table twice",)),
    "a table twice": (GOOD.encode() + b"[image]\n", ("train.toml:5: says a key or table twice",)),
    "a key twice in a variant": (b"[variants.x]\ncuda = '1.2'\ncuda = '1.3'\n", ("train.toml:3: says a key",)),
    "a dotted key twice": (b"[variants.x]\nimage.user = 1\nimage.user = 2\n", ("train.toml:3: says a key",)),
    "a dotted key and its table": (b"image.user = 1\n[image]\nuser = 2\n", ("train.toml:2: says a key",)),
    "an unknown key": (b'python = "3.11"\npyton = 1\n', ("train.toml:2: pyton is not a key", "did you mean python?")),
    "an unknown key in a variant": (b"[variants.x.image]\nusr = 1\n", ("train.toml:2: variants.x.image.usr", "user?")),
    "an unknown dotted key": (b"image.usr = 1\n", ("train.toml:1: image.usr", "did you mean user?")),
    "a variant of a variant": (b"[variants.x.variants.y]\n", ("variants.x.variants is not a key",)),
    "latin-1": (b'python = "3.11"\ndescription = "\xe9"\n', ("train.toml:2: is not UTF-8", "0xe9")),
    "UTF-16": (GOOD.encode("utf-16"), ("is not UTF-8",)),
    "carriage returns alone": (GOOD.replace("\n", "\r").encode(), ("is not valid TOML",)),
    "NUL": (b'python = "3.11\0"\n', ("train.toml:1:",)),
    "more than anybody writes": (b"# " + b"x" * 5_000_000, ("is too large",)),
    "nested arrays": (b"python = " + b"[" * 10_000 + b"]" * 10_000, ("is not valid TOML",)),
    "nested tables": (b"python = " + b"{a = " * 10_000, ("is not valid TOML",)),
    "nested dotted keys": (b"a" + b".a" * 10_000 + b" = 1", ("is not valid TOML",)),
    "nested headers": (b"[a" + b".a" * 10_000 + b"]", ("is not valid TOML",)),
    "a long number": (b"python = " + b"9" * 10_000, ("train.toml",)),
    "conflict markers": (b"<<<<<<< HEAD\n" + GOOD.encode(), ("train.toml:1:",)),
    "a hidden direction": ("# \u202e\n".encode() + GOOD.encode(), ("train.toml:1:", "direction")),
}


@pytest.mark.parametrize(("data", "parts"), FILES.values(), ids=FILES.keys())
def test_a_file_that_is_no_profile_is_refused_with_its_line(
    locked: Project, data: bytes, parts: tuple[str, ...]
) -> None:
    (locked.folder / "profiles/train.toml").write_bytes(data)
    refused(locked, "profiles/train.toml", *parts)


@pytest.mark.parametrize(
    "data", [b"\xef\xbb\xbf" + GOOD.encode(), GOOD.replace("\n", "\r\n").encode()], ids=["BOM", "CRLF"]
)
def test_what_editors_do_to_a_file_changes_nothing(locked: Project, data: bytes) -> None:
    before = locked.snapshot()
    (locked.folder / "profiles/train.toml").write_bytes(data)
    assert locked.run("lock", "--check").status == 0
    assert "nothing changed" in locked.run("lock").out
    assert locked.snapshot() == before


def test_an_empty_profile_says_what_is_missing(locked: Project) -> None:
    (locked.folder / "profiles/train.toml").write_bytes(b"")
    refused(locked, "train has no python", 'python = "3.11"', commands=[["profile", "train"]])
    refused(locked, "which Python", status=2, commands=[["lock"], ["lock", "--check"]])


WRONG = ("", "x", True, 1, 1.5, -1, [], ["x"], [1], [[]], {}, {"x": 1}, {"x": "y"}, [{}])


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def keys() -> Iterator[str]:
    """Every key path that a profile can have, from its JSON Schema."""
    whole = schema()

    def below(table: dict[str, Any], path: str) -> Iterator[str]:
        for key, value in table.get("properties", {}).items():
            yield f"{path}{key}"
            for part in (value, *value.get("anyOf", ())):
                inner = whole["$defs"].get(str(part.get("$ref", "")).rpartition("/")[2])
                if inner is not None and key != "variants":
                    yield from below(inner, f"{path}{key}.")

    yield from below(whole, "")
    yield from below(whole["$defs"]["Index"], "resolver.index[].")
    yield from below(whole["$defs"]["ImageFile"], "image.files[].")


KEYS = sorted(set(keys()))


def test_the_keys_under_attack_are_those_of_the_contract() -> None:
    assert {"python", "image.env", "resolver.index[].url", "image.files[].locked", "image.python.sha256"} <= set(KEYS)
    assert len(KEYS) > 45


@pytest.mark.parametrize("key", KEYS)
def test_a_value_of_any_other_type_for_any_key_is_refused_or_read_and_never_a_crash(locked: Project, key: str) -> None:
    others = {"name": '"x"', "url": '"https://index.example/simple"', "source": '"x"', "target": '"/x"'}
    refusals = 0
    for value in WRONG:
        table, brackets, inner = key.partition("[].")
        if brackets:
            needed = ("name", "url") if table == "resolver.index" else ("source", "target")
            entry = {**{name: others[name] for name in needed}, inner: toml(value)}
            line = f"{table} = [{{ {', '.join(f'{name} = {text}' for name, text in entry.items())} }}]"
        else:
            line = f"{key} = {toml(value)}"
        first = "" if key == "python" else 'python = "3.11.9"\n'
        locked.profile(f"{first}{line}\n")
        for command in (["lock", "--check"], ["profile", "train"]):
            ran = locked.run(*command)
            assert ran.status in (0, 1, 2, 3), (line, ran)
            assert "Traceback" not in ran.err
            if ran.status == 3:
                refusals += 1
                assert f"profiles/train.toml:{1 + bool(first)}: " in ran.err or "train has" in ran.err, (line, ran.err)
    assert refusals >= len(WRONG), "most of these are wrong for any key"


EVIL = {
    "quotes": "a\"b'c",
    "command": "$(touch pwned)",
    "backticks": "`touch pwned`",
    "variable": "${HOME}$HOME",
    "statement": "'; touch pwned; '",
    "instruction": 'x" && RUN touch pwned',
    "heredoc": "<<EOF",
    "flag": "--mount=type=secret,id=x",
    "comment": "# x",
    "percent": "%s%n{0}",
    "backslash": "a\\",
    "toml": '"]\nevil = ["',
    "newline": "a\nRUN touch pwned",
    "NUL": "a\0b",
    "escape": "a\x1b[31mb",
    "direction": "a\u202eb",
    "separator": "a\u2028b",
    "invisible": "a\u200bb",
    "tab": "a\tb",
    "long": "x" * 20_000,
}
STRINGS = {
    "description": "description = {}",
    "dependency": "dependencies = [{}]",
    "constraint": "constraints = [{}]",
    "override": "resolver.overrides = [{}]",
    "excluded": "resolver.exclude = [{}]",
    "index name": 'resolver.index = [{{ name = {}, url = "https://index.example/simple" }}]',
    "index url": 'resolver.index = [{{ name = "x", url = {} }}]',
    "index package": 'resolver.index = [{{ name = "x", url = "https://index.example/simple", packages = [{}] }}]',
    "cutoff": "resolver.exclude-newer = {}",
    "parent": "extends = [{}]",
    "requirements": "requirements = [{}]",
    "project": "project.path = {}",
    "extra": 'project = {{ path = ".", extras = [{}] }}',
    "python": "python = {}",
    "libc": "libc = {}",
    "platform": "platforms = [{}]",
    "cuda": "cuda = {}",
    "base": "image.base = {}",
    "OS package": "image.packages = [{}]",
    "provided": "image.provides = [{}]",
    "variable": "image.env = {{ A = {} }}",
    "variable's name": 'image.env = {{ {} = "1" }}',
    "source": 'image.files = [{{ source = {}, target = "/x" }}]',
    "target": 'image.files = [{{ source = "app", target = {} }}]',
    "workdir": "image.workdir = {}",
    "user": "image.user = {}",
    "command": 'image.command = ["python", {}]',
    "program": "image.command = [{}]",
    "standalone": 'image.python = {{ url = {}, sha256 = "' + "0" * 64 + '" }}',
    "named command": 'commands.x = ["python", {}]',
    "command's name": 'commands.{} = ["python"]',
    "startup hook": "policy.startup-hooks = [{}]",
    "writable": "policy.writable = [{}]",
    "unset": "unset = [{}]",
    "default variant": "default-variant = {}",
    "variant's name": "variants.{}.cuda = '12.8'",
}


@pytest.mark.parametrize("where", STRINGS.keys())
def test_nothing_that_is_written_into_a_profile_gets_out_of_its_value(locked: Project, where: str) -> None:
    (locked.folder / "app").mkdir()
    (locked.folder / "app" / "x.py").write_text("")
    plain = re.compile(r"^[^\s#]", re.MULTILINE)
    good = locked.snapshot()
    dockerfile = good["Dockerfile.train"].decode()
    for name, text in EVIL.items():
        for value in (text, f"/{text}") if where in ("target", "workdir", "source") else (text,):
            line = STRINGS[where].format(json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f"))
            own = "" if where == "python" else 'python = "3.11.9"\n'
            base = "" if where == "base" else f'image.base = "{BASE}"\n'
            names = "" if where in ("dependency",) else 'dependencies = ["alpha"]\n'
            locked.profile(f"{own}{names}{base}{line}\n")
            before = locked.snapshot()
            ran = locked.run("lock", "--offline")
            assert ran.status in (0, 2, 3, 6), (line, ran)
            assert "Traceback" not in ran.err
            assert all(shown.isprintable() for shown in ran.err.split("\n")), repr(ran.err)
            if ran.status != 0:
                assert locked.snapshot() == before
                continue
            assert name not in ("newline", "NUL", "escape", "direction", "separator", "invisible", "tab", "toml"), line
            text_now = (locked.folder / "profiles/locked/Dockerfile.train").read_text("utf-8")
            words = {shown.split()[0] for shown in text_now.splitlines() if plain.match(shown)}
            assert words <= {
                "FROM",
                "ARG",
                "ENV",
                "RUN",
                "COPY",
                "WORKDIR",
                "USER",
                "EXPOSE",
                "CMD",
                "ENTRYPOINT",
                "LABEL",
            }, text_now
            assert text_now.count("\nRUN") <= dockerfile.count("\nRUN") + 2
            assert tomli.loads(locked.lock_path().read_text("utf-8"))
            for command in (["lock", "--check"], ["tree", "train"], ["dockerfile", "train", "-o", "-"]):
                assert locked.run(*command).status == 0, (line, command)
    assert not list(locked.folder.rglob("pwned"))


def test_chains_that_lead_nowhere_or_in_a_circle_are_told(locked: Project) -> None:
    locked.profile('extends = ["b"]\n' + GOOD)
    refused(locked, "train.toml:1: extends names a profile that does not exist (train -> b)", "profiles/b.toml")
    locked.profile('extends = ["c"]\n', "b")
    locked.profile('extends = ["train"]\n', "c")
    refused(locked, "profiles extend each other", " -> ")
    locked.profile('extends = ["train"]\n' + GOOD)
    refused(locked, "train.toml:1: profiles extend each other", "train -> train", commands=[["profile", "train"]])
    for number in range(60):
        locked.profile(f'extends = ["p{number + 1}"]\n', f"p{number}")
    locked.profile('extends = ["p0"]\n' + GOOD)
    locked.profile(GOOD, "p60")
    for name in ("b", "c"):
        (locked.folder / f"profiles/{name}.toml").unlink()
    refused(locked, "more than 50 profiles extend each other", commands=[["profile", "train"]])


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ('image.files = [{ source = "../outside", target = "/x" }]', "not a path inside the project"),
        ('image.files = [{ source = "away/secret", target = "/x" }]', "outside the project folder"),
        ('image.files = [{ source = "away", target = "/x", locked = true }]', "outside the project folder"),
        ('requirements = ["../outside/r.in"]', "not a path inside the project"),
        ('requirements = ["away/r.in"]', "outside the project folder"),
        ('requirements = ["nested.in"]', "outside the project folder"),
        ('requirements = ["folder"]', "is not a regular file"),
        ('project = { path = ".." }', "not a path inside the project"),
        ('project = { path = "away" }', "outside the project folder"),
        ('project = { path = "folder" }', "does not exist"),
        ('extends = ["../outside/p"]', "is not a name"),
    ],
)
def test_nothing_outside_the_project_is_read(locked: Project, line: str, part: str) -> None:
    outside = locked.folder.parent / "outside"
    outside.mkdir(exist_ok=True)
    for name in ("secret", "r.in", "pyproject.toml", "p.toml"):
        (outside / name).write_text("numpy\n")
    (locked.folder / "away").symlink_to(outside)
    (locked.folder / "nested.in").write_text("-r ../outside/r.in\n")
    (locked.folder / "folder").mkdir()
    top, _, image = GOOD.partition("[image]\n")
    locked.profile(f"{top}{line}\n{image.replace('base', 'image.base')}")
    refused(locked, part)


def test_a_link_inside_a_locked_folder_is_refused(locked: Project) -> None:
    (locked.folder / "data").mkdir()
    (locked.folder / "data" / "link").symlink_to("/etc/hostname")
    locked.profile(GOOD + 'files = [{ source = "data", target = "/data", locked = true }]\n')
    refused(locked, "no regular file", commands=[["lock"], ["lock", "--check"]])


def test_what_stands_in_the_folder_of_profiles_and_is_none(locked: Project) -> None:
    folder = locked.folder / "profiles"
    (folder / "dir.toml").mkdir()
    refused(locked, "profiles/dir.toml: is not a regular file", commands=[["lock"], ["lock", "--check"]])
    (folder / "dir.toml").rmdir()
    os.mkfifo(folder / "pipe.toml")
    refused(locked, "profiles/pipe.toml: is not a regular file", commands=[["lock"], ["lock", "--check"]])
    (folder / "pipe.toml").unlink()
    (folder / "gone.toml").symlink_to("nowhere.toml")
    refused(
        locked,
        "profiles/gone.toml: is a link to nothing",
        commands=[["lock"], ["lock", "--check"], ["profile", "gone"]],
    )
    (folder / "gone.toml").unlink()
    for name in ("Train.toml", "a b.toml", "-x.toml", "x.y.toml", "é.toml", "a\nb.toml", "tr\u202eain.toml"):
        (folder / name).write_text(GOOD)
        refused(locked, "is not the name of a profile", commands=[["lock"], ["lock", "--check"]])
        (folder / name).unlink()
    for name in (".hidden.toml", "notes.md", "old.toml~", "x.TOML"):
        (folder / name).write_text("not a profile")
    assert locked.run("lock", "--check").status == 0


def test_two_targets_that_would_write_the_same_files_are_refused(locked: Project) -> None:
    before = locked.snapshot()
    locked.profile('python = "3.11.9"\n', "a-b")
    locked.profile('python = "3.11.9"\n[variants.b]\n', "a")
    for names in ([], ["a"], ["a:b"], ["a-b"], ["train"]):
        for option in ([], ["--check"]):
            ran = locked.run("lock", *names, *option)
            assert (ran.status, ran.out) == (3, ""), ran
            assert "a:b and a-b would write the same files" in ran.err
    assert locked.snapshot() == before


VARIANTS = """
python = "3.11.9"
dependencies = ["alpha"]
resolver.index = [
    { name = "one", url = "https://one.example/simple", packages = ["acme-*"] },
    { name = "two", url = "https://two.example/simple", packages = ["beta"] },
]
image.env = { A = "1", B = "2" }
[variants.cpu]
resolver.index = [{ name = "one", url = "https://cpu.example/simple", packages = ["torch"] }]
image.base = "%s"
"""


def test_variants_of_parents_and_dotted_keys_merge_as_the_docs_say(locked: Project) -> None:
    locked.profile(VARIANTS % BASE, "parent")
    locked.profile(
        """
extends = ["parent"]
[variants.cpu]
unset = ["resolver.index.two"]
image.env.A = "3"
[variants.cuda]
resolver.exclude = ["torch"]
"""
    )
    ran = locked.run("profile", "train:cpu", "--format", "json")
    assert ran.status == 0, ran.err
    merged = ran.json["profile"]
    assert merged["resolver"]["index"] == [{"name": "one", "url": "https://cpu.example/simple", "packages": ["torch"]}]
    assert merged["image"] == {"env": {"A": "3", "B": "2"}, "base": BASE}
    assert ran.json["origins"]["image.env.A"]["file"] == "profiles/train.toml"
    assert ran.json["origins"]["image.base"]["file"] == "profiles/parent.toml"
    cuda = locked.run("profile", "train:cuda")
    assert cuda.status == 3, "image.base stands in the cpu variant alone"
    assert "has no image.base" in cuda.err


@pytest.mark.parametrize(
    "cutoff",
    [
        *("garbage", "", "7", "7 months", "-5 days", "99999999999 days", "a\x1b[31mb", "a\nb"),
        *("2026-13-01", "2026-03-01T00:00:00", "9999-12-31T23:59:59Z", "0001-01-01"),
    ],
)
def test_a_cutoff_that_is_none_is_wrong_usage_on_the_command_line_and_invalid_in_a_profile(
    locked: Project, cutoff: str
) -> None:
    refused(locked, "--exclude-newer", "RFC 3339", status=2, commands=[["lock", "--exclude-newer", cutoff]])
    locked.profile(GOOD.replace("[image]", f"[resolver]\nexclude-newer = {json.dumps(cutoff)}\n[image]"))
    refused(locked, "profiles/train.toml:4: ", "resolver.exclude-newer")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["lock", "nothing"], "there is no profile nothing"),
        (["lock", "train:cpu"], "train has no variant cpu"),
        (["lock", "../train"], "is not a target"),
        (["lock", "tr\x1b[31main"], "is not a target"),
        (["lock", "train:"], "is not a target"),
        (["lock", "-P", "numpy"], "in none of the lockfiles"),
        (["lock", "--resolve"], "--check"),
        (["lock", "--check", "-U"], "--check"),
        (["lock", "--check", "--dry-run"], "--check"),
        (["lock", "--no-such-option"], "No such option"),
        (["-C", "nowhere", "lock"], "does not exist"),
        (["profile"], "Missing argument"),
        (["profile", "train:x"], "no variant x"),
        (["tree", "train", "numpy"], "not in the lockfile"),
        (["diff", "train"], "Missing argument"),
        (["dockerfile", "../../etc/passwd:x"], ""),
        (["init", "../evil"], "is not a name"),
        (["init", "train"], "exists already"),
        (["init", "new", "--from", "../outside.txt"], ""),
        (["init", "new", "--from", "nowhere.txt"], ""),
    ],
)
def test_wrong_usage_is_exit_2_or_3_with_a_message_and_writes_nothing(
    locked: Project, arguments: list[str], part: str
) -> None:
    before = {path: path.read_bytes() for path in locked.folder.rglob("*") if path.is_file()}
    ran = locked.run(*arguments)
    assert ran.status in (2, 3), ran
    assert ran.err.startswith("error: ")
    assert part in ran.err
    assert all(line.isprintable() for line in ran.err.split("\n")), repr(ran.err)
    assert {path: path.read_bytes() for path in locked.folder.rglob("*") if path.is_file()} == before


def test_a_project_without_profiles_is_told_how_to_begin(tmp_path: Path) -> None:
    from support.project import envctl

    for arguments in (["lock"], ["lock", "--check"], ["lock", "train"], ["profile", "train"]):
        ran = envctl("-C", tmp_path, *arguments)
        assert ran.status == 2, ran
        assert "envctl init" in ran.err
    assert list(tmp_path.iterdir()) == []
