from __future__ import annotations

import json

import tomli

from envctl.cli.main import invoke

FILES = {
    "base.toml": '\npython = "3.11"\ndependencies = ["numpy>=2"]\n[image]\nbase = "python:3.11"\nenv = { A = "1" }\n',
    "train.toml": 'extends = ["base"]\nrequirements = ["r.in"]\ndependencies = ["scipy"]\n'
    'commands.train = ["python", "-m", "train"]\n[image.env]\n"B" = "quo\\"te \\\\ é"\n[resolver]\n'
    'index = [{ name = "x", url = "https://index.example/simple", packages = ["acme-*"], exclude-newer = false }]\n'
    "[variants.cpu]\npolicy.startup-hooks = []\n",
    "r.in": "pandas # c\n",
}


def run(project, *args: str) -> int:
    return invoke(["-C", str(project), "profile", *args])


def test_the_text_is_toml_with_the_origin_of_each_value(write, capsys) -> None:
    project = write(FILES)
    assert run(project, "train") == 0
    text = capsys.readouterr().out
    assert run(project, "train", "--format", "json") == 0
    result = json.loads(capsys.readouterr().out)
    parsed = tomli.loads(text)
    assert parsed == {**result["profile"], "libc": "glibc 2.28", "platforms": ["linux/amd64"]}
    lines = {tuple(line.split("  # ")) for line in text.splitlines() if "  # " in line}
    origins = {content.strip(): origin for content, origin in lines}
    assert origins['python = "3.11"'] == "profiles/base.toml:2"
    assert origins['"numpy>=2",'] == "profiles/base.toml:3"
    assert origins['"scipy",'] == "profiles/train.toml:3"
    assert origins['env.B = "quo\\"te \\\\ é"'] == "profiles/train.toml:6"
    assert origins['env.A = "1"'] == "profiles/base.toml:6"
    assert origins["startup-hooks = []"] == "profiles/train.toml:10"
    assert origins['libc = "glibc 2.28"'] == "default"
    assert origins["#   pandas"] == "r.in:1"


def test_json_names_every_origin_and_all_that_is_asked_for(write, capsys) -> None:
    assert run(write(FILES), "train:cpu", "--format", "json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["schema"] == "envctl.profile/1"
    assert result["target"] == "train:cpu"
    assert result["files"] == ["profiles/base.toml", "profiles/train.toml"]
    assert result["inputs"].startswith("sha256:")
    assert result["origins"]["image.env.B"] == {"file": "profiles/train.toml", "line": 6}
    assert result["origins"]["resolver.index[0].url"] == {"file": "profiles/train.toml", "line": 8}
    assert result["requirements"] == [
        {"requirement": "numpy>=2", "file": "profiles/base.toml", "line": 3},
        {"requirement": "scipy", "file": "profiles/train.toml", "line": 3},
        {"requirement": "pandas", "file": "r.in", "line": 1},
    ]


def test_errors_end_in_their_exit_codes(write, capsys) -> None:
    project = write({**FILES, "bad.toml": "pyton = 1"})
    assert run(project, "tran") == 2
    assert run(project, "bad") == 3
    err = capsys.readouterr().err
    assert "did you mean train?" in err
    assert "error: profiles/bad.toml:1: pyton is not a key of a profile" in err


def test_help_begins_with_what_it_is_for_and_ends_with_two_examples(capsys) -> None:
    for command in ("profile", "init"):
        assert invoke([command, "--help"]) == 0
        text = capsys.readouterr().out
        assert text.split("\n\n")[1].strip().startswith(("Show a target's merged profile", "Write a profile"))
        assert len(text.split("Examples:")[1].strip().splitlines()) == 2
