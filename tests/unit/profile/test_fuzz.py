"""Whatever a file holds: a profile, or an error for people. Never a traceback, never an unprintable message."""

from __future__ import annotations

import tempfile
from pathlib import Path

import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from envctl.errors import InvalidFile, UsageError
from envctl.model.target import Target
from envctl.profile import assemble, schema

SEED = (
    'python = "3.11"\nextends = []\nplatforms = ["linux/amd64"]\ndependencies = ["n>=2", "a[b]; os_name == \'x\'"]\n'
    'requirements = ["r.in"]\n[resolver]\nexclude-newer = "7 days"\n'
    'index = [{ name = "x", url = "https://u.example/a", packages = ["a-*"], exclude-newer = false }]\n'
    '[image]\nbase = "a/b:c@sha256:' + "0" * 64 + '"\nenv = { A = "1" }\nuser = 1\nports = [80]\ncommand = ["a"]\n'
    '[variants.cpu]\nunset = ["image.user"]\ndependencies = ["!n"]\n'
)
ODD = st.sampled_from([*"\"'[]{}=.#!\n\\@:/ \t,-09", "\x00", "\x1b", "\u202e", "é", '"""', "'''", "[[", "unset"])


def survives(profile: str, requirements: str = "") -> None:
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        (project / "r.in").write_text(requirements, "utf-8", newline="")
        for variant in (None, "cpu"):
            try:
                assemble(project, Target("x", variant), {"x": profile})
            except (InvalidFile, UsageError) as error:
                said = str(error)
            else:
                said = ""
            assert all(line.isprintable() for line in said.split("\n")), repr(said)


@given(st.lists(st.tuples(st.integers(0, len(SEED)), st.integers(0, 6), ODD), min_size=1, max_size=4))
def test_a_damaged_profile_is_read_or_refused(edits: list[tuple[int, int, str]]) -> None:
    text = SEED
    for at, length, put in edits:
        text = text[:at] + put + text[at + length :]
    survives(text)


_TABLES = [schema(), *schema()["$defs"].values()]
KEYS = st.sampled_from(sorted({key for table in _TABLES for key in table["properties"]} | {"x", "cpu"}))
VALUES = st.recursive(
    st.sampled_from(["3.11", "a", "!a", "", "https://a.example", "../x", "linux/amd64", 1, -1, True, 1.5, "a\x00"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_any_tables_are_read_or_refused(data: dict[str, object]) -> None:
    survives(tomli_w.dumps({"python": "3.11", **data}))


WORDS = st.sampled_from(
    [
        "numpy",
        "==1",
        "-r",
        "-c",
        "r.in",
        "--hash=sha256:aa",
        "\\\n",
        "\n",
        " #",
        "-e",
        ".",
        "--index-url",
        "=",
        " ",
        "\x0c",
        ";",
    ]
)


@given(st.lists(WORDS, max_size=8))
def test_any_requirements_file_is_read_or_refused(words: list[str]) -> None:
    survives(SEED, "".join(words))
