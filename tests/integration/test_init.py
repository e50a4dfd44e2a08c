from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import tomli

from envctl.cli.main import invoke
from envctl.model.target import Target
from envctl.profile import load, schema, targets


def init(project: Path, *args: str) -> int:
    return invoke(["-C", str(project), "init", *args])


def profile(project: Path, name: str = "base") -> str:
    return (project / "profiles" / f"{name}.toml").read_text("utf-8")


def test_a_profile_from_nothing_loads_and_names_the_schema_beside_it(tmp_path, capsys) -> None:
    assert init(tmp_path) == 0
    out, err = capsys.readouterr()
    assert out == "wrote profiles/envctl.schema.json\nwrote profiles/base.toml\n"
    assert err == "hint: `envctl lock base`\n"
    first = profile(tmp_path).splitlines()[0]
    assert first == "#:schema ./envctl.schema.json"
    assert json.loads((tmp_path / "profiles" / "envctl.schema.json").read_text("utf-8")) == json.loads(
        json.dumps(schema())
    )
    assert targets(tmp_path) == (Target("base"),)
    assert load(tmp_path, Target("base")).requirements == ()


def test_its_commented_lines_are_a_valid_profile_too(tmp_path) -> None:
    assert init(tmp_path, "train") == 0
    lines = profile(tmp_path, "train").splitlines()
    example = [
        line.removeprefix("# ") for line in lines if line.startswith(("# [", "# base", "# user", "# command", "# dep"))
    ]
    active = [line.replace("    # ", "    ") for line in lines if not line.startswith("#")]
    text = "\n".join(active + example)
    jsonschema.validate(tomli.loads(text), schema(), jsonschema.Draft202012Validator)
    (tmp_path / "profiles" / "train.toml").write_text(text)
    cpu = load(tmp_path, Target("train", "cpu"))
    assert cpu.profile.image is not None
    assert [asked.text for asked in cpu.requirements] == ["numpy>=2", "scikit-learn"]


def test_an_existing_profile_is_never_overwritten(tmp_path, capsys) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "base.toml").write_text("mine")
    (tmp_path / "profiles" / "linked.toml").symlink_to("nowhere")
    assert init(tmp_path) == 2
    assert init(tmp_path, "linked") == 2
    assert "hint:" in capsys.readouterr().err
    assert profile(tmp_path) == "mine"
    assert sorted(path.name for path in (tmp_path / "profiles").iterdir()) == ["base.toml", "linked.toml"]


def test_a_foreign_schema_file_is_left_alone(tmp_path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "envctl.schema.json").write_text("{}")
    assert init(tmp_path) == 0
    assert (tmp_path / "profiles" / "envctl.schema.json").read_text() == "{}"


@pytest.mark.parametrize("name", ["Train", "a:b", "../x", "-x", "", "a b"])
def test_a_name_that_is_none_is_wrong_usage(tmp_path, name) -> None:
    assert init(tmp_path, "--", name) == 2
    assert not (tmp_path / "profiles").exists()


@pytest.mark.parametrize(
    ("files", "python", "why"),
    [
        ({}, "3.12", "most wheels"),
        ({".python-version": "3.10.4\n3.11\n"}, "3.10.4", ".python-version"),
        ({".python-version": "cpython-3.11\n"}, "3.11", ".python-version"),
        ({".python-version": "pypy3.10\n"}, "3.12", "most wheels"),
        ({"pyproject.toml": "[project]\nrequires-python = '>=3.10'"}, "3.12", "pyproject.toml asks for >=3.10"),
        ({"pyproject.toml": "[project]\nrequires-python = '>=3.9,<3.12'"}, "3.11", "pyproject.toml"),
        ({"pyproject.toml": "[project]\nrequires-python = '>=3.13.2'"}, "3.13", "pyproject.toml"),
        ({"pyproject.toml": "[project]\nrequires-python = '>3.99'"}, "3.12", "most wheels"),
    ],
)
def test_python_is_what_the_project_says(tmp_path, files, python, why) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert init(tmp_path) == 0
    assert load(tmp_path, Target("base")).profile.python == python
    assert why in profile(tmp_path)


def test_a_requirements_file_is_read_live(tmp_path, capsys) -> None:
    (tmp_path / "requirements.txt").write_text("numpy==2.0 \\\n  --hash=sha256:aa\n")
    (tmp_path / "requirements.in").write_text("numpy\n")
    assert init(tmp_path, "train", "--from", "requirements.txt") == 0
    assert "--from requirements.in" in capsys.readouterr().err
    inputs = load(tmp_path, Target("train"))
    assert inputs.profile.requirements == ("requirements.txt",)
    assert [asked.text for asked in inputs.requirements] == ["numpy==2.0"]


def test_everything_a_requirements_file_can_hold_becomes_a_profile_that_loads(tmp_path, capsys) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "Acme"\nrequires-python = ">=3.11"\n[project.optional-dependencies]\ndev = ["pytest"]\n'
    )
    (tmp_path / "requirements.txt").write_text(
        "--index-url https://user:secret@index.example/simple\n"
        "--extra-index-url https://index.example/whl/cpu\n"
        "-e .[dev]\n"
        "numpy==2.0 --hash=sha256:aa\n"
        "torch\n"
        "git+https://user:secret@host.example/x.git\n"
        '"quo\'ted"\n'
        "-c c.txt\n"
    )
    (tmp_path / "c.txt").write_text("scipy<2\n")
    assert init(tmp_path, "train", "--from", "requirements.txt", "--format", "json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["schema"] == "envctl.init/1"
    assert result["next"] == "envctl lock train"
    assert "secret" not in profile(tmp_path, "train") + str(result)
    inputs = load(tmp_path, Target("train"))
    assert [asked.text for asked in inputs.requirements] == ["numpy==2.0", "torch", "pytest"]
    assert [asked.text for asked in inputs.constraints] == ["scipy<2"]
    assert [(index.name, index.packages) for index in inputs.profile.resolver.index] == [
        ("index-example", ()),
        ("torch-cpu", ("torch",)),
    ]
    assert inputs.project is not None
    assert inputs.profile.python == "3.12"
    assert "git+https://host.example/x.git" in profile(tmp_path, "train")


def test_a_package_becomes_the_project_and_other_pyprojects_are_read_live(tmp_path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "a"\ndependencies = ["x"]\n')
    assert init(tmp_path, "live", "--from", "pyproject.toml") == 0
    assert load(tmp_path, Target("live")).profile.requirements == ("pyproject.toml",)
    (tmp_path / "pyproject.toml").write_text('[build-system]\n[project]\nname = "a"\ndependencies = ["x"]\n')
    assert init(tmp_path, "own", "--from", "pyproject.toml") == 0
    own = load(tmp_path, Target("own"))
    assert own.project is not None
    assert [asked.text for asked in own.requirements] == ["x"]


def test_a_source_that_cannot_be_read_writes_nothing(tmp_path, capsys) -> None:
    (tmp_path / "environment.yml").write_text("name: x")
    (tmp_path / "bad.txt").write_bytes(b"\xff\n")
    (tmp_path / "folder.txt").mkdir()
    (tmp_path / "pyproject.toml").write_text("[project]\ndynamic = ['dependencies']")
    assert init(tmp_path, "a", "--from", "environment.yml") == 2
    assert init(tmp_path, "a", "--from", "gone.txt") == 2
    assert init(tmp_path, "a", "--from", "bad.txt") == 3
    assert init(tmp_path, "a", "--from", "folder.txt") == 3
    assert init(tmp_path, "a", "--from", "pyproject.toml") == 3
    (tmp_path / "pyproject.toml").write_text("[project]\nrequires-python = 'x'")
    assert init(tmp_path, "a") == 3
    assert "Traceback" not in capsys.readouterr().err
    assert not (tmp_path / "profiles").exists()


def test_a_hint_tells_of_what_is_there_already(tmp_path, capsys) -> None:
    (tmp_path / "requirements.txt").write_text("numpy")
    assert init(tmp_path) == 0
    assert "--from requirements.txt" in capsys.readouterr().err


def test_quiet_prints_the_result_alone(tmp_path, capsys) -> None:
    assert invoke(["-q", "-C", str(tmp_path), "init"]) == 0
    out, err = capsys.readouterr()
    assert "wrote profiles/base.toml" in out
    assert err == ""
