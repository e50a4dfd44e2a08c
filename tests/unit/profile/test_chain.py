from __future__ import annotations

import pytest

from envctl.errors import InvalidFile, UsageError
from envctl.model.target import Target
from envctl.profile import load, resolve_name, targets

SHA = "0" * 64
EVERYTHING = f"""
description  = "Train and serve"
python       = "3.11"
libc         = "glibc 2.28"
platforms    = ["linux/amd64", "linux/arm64"]
dependencies = ["numpy>=2", "scikit-learn", "torch"]
constraints  = ["numpy<3"]
requirements = ["r.in"]
project      = {{ path = ".", extras = [], groups = [], editable = true }}
default-variant = "cpu"
[resolver]
backend       = "uv"
exclude-newer = "2026-11-01T00:00:00Z"
sdists        = []
overrides     = ["idna>=3"]
exclude       = ["Foo.Bar"]
index         = [{{ name = "internal", url = "https://index.example/simple", packages = ["acme-*", "My.Pkg"] }}]
[image]
base     = "registry.example:5000/team/python:3.11.9-slim-bookworm@sha256:{SHA}"
packages = ["libgomp1", "libc6=2.36-9+deb12u10"]
provides = ["torch"]
env      = {{ OMP_NUM_THREADS = "1" }}
files    = [{{ source = "./app/", target = "/app" }}, {{ source = "model.joblib", target = "/app/m", locked = true }}]
workdir  = "/app"
user     = 10001
ports    = [8000]
command  = ["python", "-m", "serve"]
[image.python]
url.'linux/amd64' = "https://host.example/a%2B1"
url.'linux/arm64' = "https://host.example/b"
sha256 = {{ "linux/amd64" = "{SHA}", "linux/arm64" = "{SHA}" }}
[commands]
train = ["python", "-m", "train"]
[policy]
startup-hooks = ["distutils-precedence.pth"]
writable      = ["share/jupyter/runtime"]
allow-seed    = false
[variants.cpu]
resolver.index = [{{ name = "torch-cpu", url = "http://127.0.0.1:8080/cpu", packages = ["torch"] }}]
[variants.cuda]
cuda = "12.8"
image.base = "nvidia/cuda:12.8.1-base-ubuntu22.04"
"""
CPU_CUDA = 'python = "3.11"\n[variants.cpu]\n[variants.cuda]\n'


def test_later_files_win_and_this_file_is_last(loaded) -> None:
    inputs = loaded(
        'extends = ["a", "b"]\ndependencies = ["t"]',
        **{"a.toml": 'python = "3.9"\ndependencies = ["a"]\nlibc = "glibc 2.17"', "b.toml": 'libc = "glibc 2.31"'},
    )
    assert inputs.profile.libc == "glibc 2.31"
    assert inputs.profile.python == "3.11"
    assert inputs.profile.dependencies == ("a", "t")


def test_a_parent_reached_twice_counts_once_at_its_first_place(loaded) -> None:
    inputs = loaded(
        'extends = ["left", "right"]',
        **{
            "root.toml": 'dependencies = ["root"]\nlibc = "glibc 2.17"',
            "left.toml": 'extends = ["root"]\ndependencies = ["left"]\nlibc = "glibc 2.31"',
            "right.toml": 'extends = ["root"]\ndependencies = ["right"]',
        },
    )
    assert inputs.profile.dependencies == ("root", "left", "right")
    assert inputs.profile.libc == "glibc 2.31"


def test_variants_of_every_file_come_after_the_plain_parts(loaded) -> None:
    inputs = loaded(
        'extends = ["base"]\ndependencies = ["plain"]\n[variants.cpu]\ndependencies = ["own"]',
        target="train:cpu",
        **{"base.toml": '[variants.cpu]\ndependencies = ["base-cpu"]\nlibc = "glibc 2.31"\n'},
    )
    assert inputs.profile.dependencies == ("plain", "base-cpu", "own")
    assert inputs.line_of["dependencies[1]"] == ("profiles/base.toml", 2)
    assert inputs.line_of["libc"] == ("profiles/base.toml", 3)


def test_a_variant_may_hold_tables_dotted_keys_and_unset(loaded) -> None:
    inputs = loaded(
        '[image]\nbase = "python:3.11"\nuser = 1\n[variants.cuda]\nunset = ["image.user"]\ncuda = "12.8"\n'
        'image.base = "nvidia/cuda:12.8"\n[variants.cuda.resolver]\nexclude = ["Foo_Bar"]',
    )
    assert inputs.profile.image is not None
    assert (inputs.profile.image.base, inputs.profile.image.user) == ("nvidia/cuda:12.8", None)
    assert inputs.profile.resolver.exclude == ("foo-bar",)


def test_targets_are_sorted_and_pure_parents_are_none(write) -> None:
    project = write({"z.toml": CPU_CUDA, "base.toml": 'dependencies = ["x"]', "a.toml": 'python = "3.11"'})
    assert targets(project) == (Target("a"), Target("z", "cpu"), Target("z", "cuda"))


def test_a_profile_may_say_python_in_its_variants_alone(write) -> None:
    project = write({"a.toml": '[variants.old]\npython = "3.10"\n[variants.new]\npython = "3.12"\n'})
    assert targets(project) == (Target("a", "new"), Target("a", "old"))
    assert load(project, Target("a", "new")).profile.python == "3.12"


def test_two_targets_that_share_their_files_are_an_error_naming_both(write) -> None:
    project = write({"a.toml": 'python = "3.11"\n[variants.b]\n', "a-b.toml": 'python = "3.11"'})
    with pytest.raises(InvalidFile) as caught:
        targets(project)
    assert "profiles/a.toml" in str(caught.value)
    assert "profiles/a-b.toml" in str(caught.value)
    assert "pylock.a-b.toml" in str(caught.value)


@pytest.mark.parametrize("name", ["Train.toml", "a.b.toml", "-x.toml", "é.toml", "a b.toml"])
def test_a_file_whose_name_is_no_profile_name_is_an_error(write, name) -> None:
    with pytest.raises(InvalidFile, match="not the name of a profile"):
        targets(write({name: 'python = "3.11"'}))


def test_hidden_and_other_files_beside_profiles_are_left_alone(write) -> None:
    project = write({"a.toml": 'python = "3.11"', ".#a.toml": "junk", "profiles/envctl.schema.json": "{}"})
    assert targets(project) == (Target("a"),)


def test_a_project_without_profiles_says_how_to_begin(tmp_path, write) -> None:
    with pytest.raises(UsageError, match="envctl init"):
        targets(tmp_path)
    with pytest.raises(UsageError, match="envctl init"):
        resolve_name(tmp_path, "train")
    with pytest.raises(UsageError, match="which Python"):
        targets(write({"base.toml": ""}))


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ('python = "3.11"', "train", Target("train")),
        (CPU_CUDA, "train:cuda", Target("train", "cuda")),
        ('default-variant = "cuda"\n' + CPU_CUDA, "train", Target("train", "cuda")),
        ('python = "3.11"\n[variants.only]\n', "train", Target("train", "only")),
    ],
)
def test_a_name_means_a_target(write, text, name, expected) -> None:
    assert resolve_name(write({"train.toml": text}), name) == expected


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("train", "has several variants", "default-variant"),
        ("train:cud", "has no variant cud", "train:cuda"),
        ("trian", "there is no profile trian", "did you mean train"),
        ("other", "there is no profile other", "envctl init other"),
        ("Train", "is not a target", None),
        ("train:", "is not a target", None),
        ("../x", "is not a target", None),
    ],
)
def test_a_name_that_means_none_is_wrong_usage_with_the_nearest(write, name, message, hint) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        resolve_name(write({"train.toml": CPU_CUDA}), name)
    assert hint is None or hint in str(caught.value)


def test_loading_a_profile_without_its_variant_is_wrong_usage(write) -> None:
    with pytest.raises(UsageError, match="train:cpu, train:cuda"):
        load(write({"train.toml": CPU_CUDA}), Target("train"))
    with pytest.raises(UsageError, match="no variant"):
        load(write({"train.toml": 'python = "3.11"'}), Target("train", "cpu"))


def test_a_cycle_names_the_whole_chain(refused) -> None:
    error = refused({"train.toml": 'extends = ["b"]', "b.toml": '\nextends = ["c"]', "c.toml": 'extends = ["b"]'})
    assert (error.exit_code, error.file, error.line) == (3, "profiles/c.toml", 1)
    assert "b -> c -> b" in str(error)


def test_a_profile_that_extends_itself_is_a_cycle(refused) -> None:
    assert "train -> train" in str(refused('extends = ["train"]'))


def test_a_missing_parent_is_named_with_the_chain_and_the_nearest(refused) -> None:
    error = refused({"train.toml": 'extends = ["b"]', "b.toml": '\n\nextends = ["bsae"]', "base.toml": ""})
    assert (error.exit_code, error.file, error.line, error.key) == (3, "profiles/b.toml", 3, "extends[0]")
    assert "train -> b -> bsae" in str(error)
    assert error.hint == "did you mean base?"


def test_a_chain_without_end_is_refused(refused) -> None:
    files = {f"p{n}.toml": f'extends = ["p{n + 1}"]' for n in range(60)}
    assert "more than 50" in str(refused({**files, "train.toml": 'extends = ["p0"]', "p60.toml": ""}))


def test_a_default_variant_that_is_none_is_named(refused) -> None:
    error = refused('python = "3.11"\ndefault-variant = "cdua"\n[variants.cuda]\n')
    assert (error.line, error.hint) == (2, "did you mean cuda?")


def test_taking_away_names_file_and_line_of_the_layer(refused) -> None:
    error = refused(
        {"train.toml": 'extends = ["base"]\npython = "3.11"\n\nunset = ["libx"]', "base.toml": 'libc = "glibc 2.31"'}
    )
    assert (error.exit_code, error.file, error.line) == (3, "profiles/train.toml", 4)


def test_an_abstract_profile_cannot_be_loaded(refused) -> None:
    error = refused('dependencies = ["numpy"]')
    assert error.exit_code == 3
    assert "train has no python" in str(error)


def test_everything_that_a_profile_can_say_is_read(write) -> None:
    project = write(
        {
            "train.toml": EVERYTHING,
            "r.in": "scipy",
            "app/x.py": "",
            "model.joblib": "",
            "pyproject.toml": '[project]\nname = "acme"',
        }
    )
    profile = load(project, Target("train", "cpu")).profile
    assert profile.platforms == ("linux/amd64", "linux/arm64")
    assert profile.resolver.exclude == ("foo-bar",)
    assert profile.resolver.index[0].packages == ("acme-*", "my-pkg")
    assert profile.resolver.index[1].name == "torch-cpu"
    image = profile.image
    assert image is not None
    assert image.python is not None
    assert image.python.url == {"linux/amd64": "https://host.example/a%2B1", "linux/arm64": "https://host.example/b"}
    assert [(file.source, file.locked) for file in image.files] == [("app", False), ("model.joblib", True)]
    assert (image.user, image.ports, image.workdir) == (10001, (8000,), "/app")
    assert profile.commands == {"train": ("python", "-m", "train")}
    assert profile.policy.startup_hooks == ("distutils-precedence.pth",)
    assert targets(project) == (Target("train", "cpu"), Target("train", "cuda"))
