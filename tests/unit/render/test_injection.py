"""Whatever a profile holds stays one value: each Dockerfile is read back with BuildKit's own parser."""

from __future__ import annotations

import fnmatch
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.dockerfiles import process, read
from support.lockfiles import LOCK_DIGEST, make_image, make_lockfile

from envctl.errors import InvalidFile
from envctl.model.lockfile import Image, LockedFile, Project
from envctl.render import dockerfile, dockerignore, escape, stages

UGLY = [
    "plain",
    "two words",
    "  blanks around  ",
    "",
    '"',
    "'",
    "''\"\"",
    "\\",
    "ends with \\",
    "\\\\",
    '\\"',
    "\\n not a line",
    "$HOME",
    "${HOME:-x}",
    "\\$HOME",
    "$(id)",
    "`id`",
    "a`b",
    "#comment",
    "a # b",
    "<<EOF",
    "1<<-'EOF'",
    "; RUN id",
    "&& id",
    "| id",
    "key=value other=value",
    "--from=base",
    "--chown=0",
    "[]",
    '["a", "b"]',
    "a[0]*?.txt",
    "[!a]",
    "^a$",
    "(a|b)+{c}",
    "!negated",
    "%s%n",
    "~root",
    "größe 尺寸 🎉",
    "a\u00a0b",
    "x" * 5000,
]
CONTROL = ["a\nRUN id", "a\r\nb", "\0", "\x1b[2J", "a\tb", "\x7f", "\x85", "\u2028", "\u2029", "\ud800"]
SHAPE = [
    *("FROM", "FROM"),  # base, wheels
    *("FROM", "USER", "ENV", "RUN", "RUN"),  # tools
    *("FROM", "RUN", "FROM", "COPY", "FROM", "RUN"),  # installer, lockfile, packages
    *("FROM", "ARG", "COPY"),  # application
]


def rendered(image: Image) -> str:
    return dockerfile.render(make_lockfile(image=image), lock_digest=LOCK_DIGEST)


@pytest.mark.parametrize("value", UGLY)
def test_env_values_stay_values(value: str) -> None:
    text = read(rendered(make_image(env={"BEFORE": "1", "UGLY": value, "ZLAST": value})))
    env = text.pairs("ENV")
    assert (env["BEFORE"], env["UGLY"], env["ZLAST"]) == ("1", value, value)
    assert list(env) == ["PATH", "PYTHONDONTWRITEBYTECODE", "BEFORE", "UGLY", "ZLAST"]


@pytest.mark.parametrize("value", UGLY)
def test_command_arguments_stay_arguments(value: str) -> None:
    command = read(rendered(make_image(command=("python", value, "last")))).one("CMD")
    assert command.json
    assert command.words == ("python", value, "last")


@pytest.mark.parametrize("value", [value for value in UGLY if value.strip()])
def test_workdir_and_user_stay_one_word(value: str) -> None:
    text = read(rendered(make_image(workdir=f"/{value}", user=value.strip())))
    assert process(" ".join(text.one("WORKDIR").words)) == f"/{value}"
    assert process(" ".join(text.one("USER").words)) == value.strip()


@pytest.mark.parametrize("value", UGLY)
def test_labels_stay_labels(value: str) -> None:
    image = make_image(files=(LockedFile(source="app", target=f"/x{value}"), LockedFile(source="b", target="/y")))
    labels = read(rendered(image)).pairs("LABEL")
    assert json.loads(labels["envctl.application"]) == sorted([f"/x{value}", "/y"])


@pytest.mark.parametrize("value", [value for value in UGLY if value])
def test_copied_sources_are_one_path_and_no_pattern(value: str) -> None:
    image = make_image(files=(LockedFile(source=f"d/{value}", target=f"/x/{value}"),))
    text = read(rendered(image))
    copies = [i for i in text.instructions if i.name == "COPY" and not i.flags]
    assert len(copies) == 3
    assert copies[-1].json
    pattern, target = (process(word) for word in copies[-1].words)
    assert target == f"/layers/app_files/x/{value}"
    assert go_match(pattern, f"d/{value}")
    assert not go_match(pattern, "d/other")


@pytest.mark.parametrize("value", UGLY)
def test_no_value_adds_or_hides_an_instruction(value: str) -> None:
    image = make_image(
        env={"A": value},
        command=(value,),
        workdir=f"/{value}",
        user=value.strip() or "0",
        files=(LockedFile(source=value or "x", target=f"/{value}x"),),
    )
    names = read(rendered(image)).names()
    after = ["COPY", "RUN", "FROM", "COPY", "COPY", "ENV", "WORKDIR", "USER", "ENTRYPOINT", "CMD", "LABEL"]
    assert names == ["ARG", *SHAPE, *after]


@pytest.mark.parametrize("value", [value for value in UGLY if value and len(value) < 255])
def test_locked_files_are_checked_by_their_real_name(value: str, tmp_path: Path) -> None:
    """The shell sees one path: the check of a file that is another one says its whole name."""
    image = make_image(files=(LockedFile(source=f"d/{value}", target=f"/{value}", digest="sha256:" + "0" * 64),))
    (run,) = [
        i.words[0]
        for i in read(rendered(image)).instructions
        if i.name == "RUN" and "/opt/layers.py locked" in i.words[0]
    ]
    check = run.rpartition(" && ")[0]
    script = tmp_path / "layers.py"
    script.write_text("\n".join(stages.script()))
    layers = tmp_path / "layers"
    place = f"{layers}/app_files/{value}"
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    Path(place).write_bytes(b"another one")
    check = check.replace("python3.11 -I /opt/layers.py", f"{sys.executable} -I {script}").replace(
        "/layers/", f"{layers}/"
    )
    done = subprocess.run(["/bin/sh", "-c", check], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 1
    assert f"d/{value} is not what was locked" in done.stderr
    assert "uid=" not in done.stdout


@pytest.mark.parametrize("value", CONTROL)
@pytest.mark.parametrize("place", ["env", "command", "workdir", "user", "source", "target", "project"])
def test_control_characters_are_refused_everywhere(place: str, value: str) -> None:
    image = {
        "env": make_image(env={"A": value}),
        "command": make_image(command=(value,)),
        "workdir": make_image(workdir=f"/{value}"),
        "user": make_image(user=f"u{value}u"),
        "source": make_image(files=(LockedFile(source=value, target="/x"),)),
        "target": make_image(files=(LockedFile(source="x", target=f"/{value}"),)),
        "project": make_image(),
    }[place]
    project = Project(name="x", path=f"p{value}") if place == "project" else None
    with pytest.raises(InvalidFile, match="control character"):
        dockerfile.render(make_lockfile(image=image, project=project), lock_digest=LOCK_DIGEST)


@pytest.mark.parametrize("path", ["..", "../x", "a/../../x", "/etc/passwd", ""])
def test_paths_that_leave_the_project_are_refused(path: str) -> None:
    lockfile = make_lockfile(image=make_image(files=(LockedFile(source=path, target="/x"),)))
    with pytest.raises(InvalidFile, match="leaves the project folder"):
        dockerfile.render(lockfile, lock_digest=LOCK_DIGEST)
    with pytest.raises(InvalidFile, match="leaves the project folder"):
        dockerignore.render(lockfile)


@pytest.mark.parametrize("path", ["x", "/../x", "/", "//", ""])
def test_targets_are_places_in_the_image(path: str) -> None:
    with pytest.raises(InvalidFile, match=r"no place in the image|the whole image"):
        rendered(make_image(files=(LockedFile(source="x", target=path),)))


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=40))
def test_any_text_survives_each_form(value: str) -> None:
    assert process(escape.word(value, "k")) == value
    assert json.loads(escape.exec_form([value], "k")) == [value]
    shown = subprocess.run(["printf", "%s", value], capture_output=True, check=True).stdout
    shell = subprocess.run(["/bin/sh", "-c", f"printf %s {escape.shell(value, 'k')}"], capture_output=True, check=True)
    assert shell.stdout == shown


def go_match(pattern: str, path: str) -> bool:
    """filepath.Match of Go for patterns without ranges: `\\` escapes, also inside a class."""
    out, i = [], 0
    while i < len(pattern):
        char = pattern[i]
        if char == "\\":
            out.append(f"[{pattern[i + 1]}]")
            i += 1
        elif char == "[":
            inner = pattern[i + 1 : i + 3] if pattern[i + 1] == "\\" else pattern[i + 1]
            assert pattern[i + 1 + len(inner)] == "]"
            out.append("[[]" if inner[-1] == "[" else f"[{inner[-1]}]")
            i += 1 + len(inner)
        else:
            out.append(char)
        i += 1
    return fnmatch.fnmatchcase(path, "".join(out))
