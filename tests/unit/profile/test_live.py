from __future__ import annotations

import pytest

PYPROJECT = """
[project]
name = "Acme.Serve"
requires-python = ">=3.10"
dependencies = [
    "numpy>=2",
    "acme-serve[gpu]",
]
[project.optional-dependencies]
gpu = ["torch>=2"]
Dev_Tools = ["pytest", "acme.serve[gpu]; sys_platform == 'linux'"]
all = ["acme_serve[dev-tools,gpu]"]
[dependency-groups]
lint = ["ruff"]
check = ["mypy", { include-group = "Lint" }]
"""


def texts(requirements) -> list[str]:
    return [requirement.text for requirement in requirements]


def test_a_requirements_file_is_read_as_pip_reads_it(loaded) -> None:
    inputs = loaded(
        'requirements = ["requirements.in"]\ndependencies = ["scipy"]',
        **{
            "requirements.in": (
                "# a comment\r\n"
                "numpy >= 2  # why\r\n"
                "\r\n"
                "pandas==2.1 \\\r\n"
                "    --hash=sha256:aa \\\r\n"
                "    --hash sha256:bb\r\n"
                "-r sub/more.in\n"
                "-c sub/limits.txt\n"
                "acme[a,b]; python_version < '4'\n"
                "last \\"
            ),
            "sub/more.in": "--requirement=deeper/x.in\nmore",
            "sub/deeper/x.in": "deep",
            "sub/limits.txt": "numpy<3\n-r limits2.txt",
            "sub/limits2.txt": "pandas<3",
        },
    )
    assert [(r.text, r.place) for r in inputs.requirements] == [
        ("scipy", "profiles/train.toml:3"),
        ("numpy >= 2", "requirements.in:2"),
        ("pandas==2.1", "requirements.in:4"),
        ("deep", "sub/deeper/x.in:1"),
        ("more", "sub/more.in:2"),
        ("acme[a,b]; python_version < '4'", "requirements.in:9"),
        ("last", "requirements.in:10"),
    ]
    assert [(r.text, r.place) for r in inputs.constraints] == [
        ("numpy<3", "sub/limits.txt:1"),
        ("pandas<3", "sub/limits2.txt:1"),
    ]


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("--index-url https://user:secret@index.example/simple", "[resolver] index"),
        ("-i https://index.example/simple", "[resolver] index"),
        ("-ihttps://index.example/simple", "[resolver] index"),
        ("--extra-index-url=https://index.example/simple", "packages"),
        ("--find-links ./wheels", "index"),
        ("-f ./wheels", "index"),
        ("-e .", "project"),
        ("--editable ./sub", "project"),
        ("./local", "index"),
        ("/abs/x.whl", "index"),
        ("git+https://user:secret@host.example/x", "index"),
        ("https://host.example/x-1-py3-none-any.whl", "index"),
        ("x @ file:///srv/x.whl", "index"),
        ("--pre", "pre-release"),
        ("--no-binary :all:", "wheels only"),
        ("--frobnicate", "take the line out"),
        ("numpy==2 --config-settings=a=b", "take it out"),
        ("numpy>=2 --hash=sha256:aa", None),
        ("numpy >> 2", None),
        ("-r", None),
        ("-r /etc/passwd", None),
        ("-r https://host.example/r.txt", None),
        ("-r ../../outside.txt", None),
        ("-r missing.txt", None),
        ("-c missing.txt", None),
        ("numpy\x1b[31m", None),
        ("nu\x00mpy", None),
    ],
)
def test_what_only_pip_understands_is_an_error_with_file_line_and_the_profile_key(refused, line, hint) -> None:
    error = refused({"train.toml": 'python = "3.11"\nrequirements = ["r.txt"]', "r.txt": f"# c\nnumpy\n{line}\n"})
    assert (error.exit_code, error.file, error.line) == (3, "r.txt", 3)
    assert hint is None or hint in (error.hint or ""), str(error)
    assert "secret" not in str(error)


def test_requirements_files_that_include_each_other_name_the_chain(refused) -> None:
    error = refused(
        {
            "train.toml": 'python = "3.11"\nrequirements = ["./a.txt"]',
            "a.txt": "-r sub/b.txt",
            "sub/b.txt": "x\n-r ../sub/../a.txt",
        }
    )
    assert (error.file, error.line) == ("sub/b.txt", 2)
    assert "a.txt -> sub/b.txt -> a.txt" in str(error)


def test_a_constraint_file_holds_no_extras(refused) -> None:
    error = refused({"train.toml": 'python = "3.11"\nrequirements = ["r.txt"]', "r.txt": "-c c.txt", "c.txt": "a[x]"})
    assert (error.file, error.line) == ("c.txt", 1)


def test_a_pyproject_gives_its_dependencies_with_its_own_extras_resolved(loaded) -> None:
    inputs = loaded('requirements = ["pyproject.toml"]', **{"pyproject.toml": PYPROJECT})
    assert [(r.text, r.place, r.key) for r in inputs.requirements] == [
        ("numpy>=2", "pyproject.toml:6", "project.dependencies[0]"),
        ("torch>=2", "pyproject.toml:10", "project.optional-dependencies.gpu[0]"),
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpu", ["torch>=2"]),
        ("dev-tools", ["pytest", 'torch>=2; sys_platform == "linux"']),
        ("ALL", ["pytest", 'torch>=2; sys_platform == "linux"', "torch>=2"]),
        ("check", ["mypy", "ruff"]),
        ("optional-dependencies.gpu", ["torch>=2"]),
        ("dependency-groups.lint", ["ruff"]),
    ],
)
def test_a_name_after_the_file_is_an_extra_or_a_dependency_group(loaded, name, expected) -> None:
    inputs = loaded(f'requirements = ["pyproject.toml#{name}"]', **{"pyproject.toml": PYPROJECT})
    assert texts(inputs.requirements) == expected


def test_the_project_adds_its_dependencies_extras_and_groups(loaded) -> None:
    inputs = loaded(
        'project = { path = ".", extras = ["dev_tools"], groups = ["lint"] }', **{"pyproject.toml": PYPROJECT}
    )
    assert texts(inputs.requirements) == [
        "numpy>=2",
        "torch>=2",
        "pytest",
        'torch>=2; sys_platform == "linux"',
        "ruff",
    ]
    assert inputs.project is not None
    assert (inputs.project.name, inputs.project.path, inputs.project.editable) == ("acme-serve", ".", True)


def test_a_project_in_a_folder_is_named_from_the_project_folder(loaded) -> None:
    inputs = loaded(
        'project = { path = "./pkgs/a/", editable = false }',
        **{"pkgs/a/pyproject.toml": '[project]\nname="A"\ndependencies=["x"]'},
    )
    assert inputs.project is not None
    assert (inputs.project.path, inputs.project.editable) == ("pkgs/a", False)
    assert inputs.requirements[0].place == "pkgs/a/pyproject.toml:3"


def test_an_extra_that_includes_itself_ends(loaded) -> None:
    text = '[project]\nname="a"\n[project.optional-dependencies]\nx=["a[y]", "p"]\ny=["a[x]", "q"]'
    inputs = loaded('requirements = ["pyproject.toml#x"]', **{"pyproject.toml": text})
    assert texts(inputs.requirements) == ["q", "p"]


BAD = [
    ("pyproject.toml", "[tool.poetry.dependencies]\nnumpy='*'", "no [project] table"),
    ("pyproject.toml", "[project]\nname='a'\ndynamic=['dependencies']", "project.dependencies is dynamic"),
    ("pyproject.toml#x", "[project]\nname='a'\ndynamic=['optional-dependencies']", "is dynamic"),
    ("pyproject.toml#gup", "[project]\nname='a'\n[project.optional-dependencies]\ngpu=[]", "did you mean gpu?"),
    ("pyproject.toml#dependency-groups.gup", "[dependency-groups]\ngpu=[]", "did you mean gpu?"),
    ("pyproject.toml#x", "[dependency-groups]\nx=[]\n[project.optional-dependencies]\nX=[]", "#dependency-groups.x"),
    ("pyproject.toml#x", "[dependency-groups]\nx=[{include-group='y'}]\ny=[{include-group='X'}]", "x -> y -> x"),
    ("pyproject.toml#x", "[dependency-groups]\nx=[{include='y'}]", "no entry of a dependency group"),
    ("pyproject.toml#x", "[dependency-groups]\nx=[1]", "dependency-groups.x[0] is not a string"),
    ("pyproject.toml#x", "[dependency-groups]\nx='y'", "is not a list"),
    ("pyproject.toml#x", "[dependency-groups]\nx=[]\nX=[]", "one name twice"),
    ("pyproject.toml#x", "dependency-groups=1", "is not a table"),
    ("pyproject.toml", "project=1", "is not a table"),
    ("pyproject.toml", "[project]\nname=1\ndependencies=['x']", "project.name is not a string"),
    ("pyproject.toml", "[project]\nname='a b'\ndependencies=['x']", "not the name of a distribution"),
    ("pyproject.toml", "[project]\nname='a'\ndependencies=['a >> b']", "project.dependencies[0] is not a requirement"),
    ("pyproject.toml", "[project]\nname='a'\ndependencies=['a[nope]']", "has no extra 'nope'"),
    ("pyproject.toml", "[project]\nname='a'\ndependencies=['x @ https://x.example/x.whl']", "pinned to an address"),
    ("pyproject.toml", "[project]\nname='a'\ndependencies=[\"x\\u001b\"]", "control character"),
    ("pyproject.toml", "[project", "is not valid TOML"),
]


@pytest.mark.parametrize(("entry", "text", "part"), BAD)
def test_a_pyproject_that_cannot_be_read_is_named(refused, entry, text, part) -> None:
    error = refused({"train.toml": f'python = "3.11"\nrequirements = ["{entry}"]', "pyproject.toml": text})
    assert (error.exit_code, error.file) == (3, "pyproject.toml")
    assert part in str(error), str(error)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[project]\nversion='1'", "has no project.name"),
        ("[project]\nname='a'\nrequires-python='<3.11'", "does not run on the profile's Python"),
        ("[project]\nname='a'\nrequires-python='3.11'", "not a version specifier"),
        ("[project]\nname='a'\nrequires-python=3.11", "is not a string"),
    ],
)
def test_a_project_that_does_not_fit_is_named(refused, text, part) -> None:
    error = refused({"train.toml": 'python = "3.11"\nproject.path = "."', "pyproject.toml": text})
    assert (error.exit_code, error.file) == (3, "pyproject.toml")
    assert part in str(error), str(error)


def test_a_project_may_ask_for_a_later_patch_release(loaded) -> None:
    text = "[project]\nname='a'\nrequires-python='>=3.11.4,<3.12'"
    assert loaded('project.path = "."', **{"pyproject.toml": text}).project is not None
