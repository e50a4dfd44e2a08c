from __future__ import annotations

from pathlib import Path

import pytest

from envctl.adopt import requirements
from envctl.adopt.adopted import Adopted
from envctl.adopt.requirements import address, clean
from envctl.commands.init import why_not
from envctl.errors import InvalidFile, UsageError
from envctl.model.profile import Index


def adopt(project: Path, source: str) -> Adopted:
    return requirements.adopt(project, source, why_not)


def write(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_file_that_a_profile_can_read_stays_the_source_of_truth(tmp_path) -> None:
    project = write(tmp_path, r_txt="numpy==2.0 --hash=sha256:aa\n-r more.txt\n-c c.txt\n", more_txt="x", c_txt="y<2")
    adopted = adopt(project, "./r.txt")
    assert adopted.requirements == ("r.txt",)
    assert (adopted.dependencies, adopted.constraints, adopted.notes, adopted.left) == ((), (), (), ())


def test_options_make_a_copy_of_every_file(tmp_path) -> None:
    project = write(
        tmp_path,
        r_txt="-i https://index.example/simple/\nnumpy==2.0 --hash=sha256:aa\n-r sub/more.txt\nnumpy==2.0\n",
        sub__more_txt="pandas>=2 # c\n-c c.txt",
        sub__c_txt="numpy<3\nbad[x]",
    )
    adopted = adopt(project, "r.txt")
    assert adopted.requirements == ()
    assert adopted.dependencies == ("numpy==2.0", "pandas>=2")
    assert adopted.constraints == ("numpy<3",)
    assert adopted.indexes == (Index(name="index-example", url="https://index.example/simple/"),)
    assert [(left.place, left.line) for left in adopted.left] == [("sub/c.txt:2", "bad[x]")]
    assert any("hashes" in note for note in adopted.notes)


def test_credentials_are_stripped_and_said(tmp_path) -> None:
    project = write(
        tmp_path,
        r_txt="--index-url https://user:secret@index.example:8443/simple?token=secret\n"
        "git+https://user:secret@host.example/x.git\n--find-links https://user:secret@host.example/\n"
        "--extra-index-url https://user:secret@other.example/simple\n-r https://user:secret@host.example/r.txt\n",
    )
    adopted = adopt(project, "r.txt")
    assert adopted.indexes[0].url == "https://index.example:8443/simple"
    assert any("r.txt:1" in note and "netrc" in note for note in adopted.notes)
    assert "secret" not in str(adopted)
    assert len(adopted.left) == 4


def test_a_torch_index_is_bound_to_the_torch_packages_that_are_asked_for(tmp_path) -> None:
    project = write(
        tmp_path, r_txt="--extra-index-url https://index.example/whl/cu128\ntorch\nTorchVision>=0.20\nnumpy\n"
    )
    adopted = adopt(project, "r.txt")
    assert adopted.indexes == (
        Index(
            name="torch-cu128",
            url="https://index.example/whl/cu128",
            packages=("torch", "torchvision"),
            exclude_newer=False,
        ),
    )
    assert adopted.left == ()


def test_another_extra_index_is_left_since_nobody_says_what_comes_from_it(tmp_path) -> None:
    project = write(tmp_path, r_txt="--extra-index-url https://index.example/simple\nnumpy\n")
    adopted = adopt(project, "r.txt")
    assert adopted.indexes == ()
    assert "packages" in adopted.left[0].why


def test_the_last_index_url_counts_as_in_pip(tmp_path) -> None:
    project = write(tmp_path, r_txt="-i https://a.example/\n--index-url https://b.example/\nx\n")
    assert [index.url for index in adopt(project, "r.txt").indexes] == ["https://b.example/"]


@pytest.mark.parametrize(
    ("line", "extras", "editable"),
    [("-e .", (), True), ("-e .[dev, x]", ("dev", "x"), True), (".[dev]", ("dev",), False)],
)
def test_the_own_package_becomes_the_project(tmp_path, line, extras, editable) -> None:
    project = write(tmp_path, r_txt=f"{line}\nnumpy", pyproject_toml="")
    adopted = adopt(project, "r.txt")
    assert (adopted.project, adopted.extras, adopted.editable) == (".", extras, editable)
    assert adopted.dependencies == ("numpy",)


@pytest.mark.parametrize(
    "line",
    [
        "-e ./no-pyproject",
        "-e ..",
        "-e git+https://host.example/x",
        "-e /abs",
        "./x.whl",
        "file:///x.whl",
        "a @ https://host.example/a.whl",
        "a; extra == 'x'",
        "a b c",
        "foo.zip",
        "a==1 --global-option=x",
        "a>=1 --hash=sha256:aa",
        "--find-links wheels",
        "--index-url http://plain.example/",
        "--index-url ${INDEX}",
        "--frobnicate",
        "-x",
        "a\x1b[31m",
    ],
)
def test_what_a_profile_cannot_say_is_left_with_its_place_and_reason(tmp_path, line) -> None:
    adopted = adopt(write(tmp_path, r_txt=f"numpy\n{line}\n"), "r.txt")
    assert adopted.requirements == ()
    assert adopted.dependencies[0] == "numpy"
    assert [left.place for left in adopted.left] == ["r.txt:2"] or adopted.dependencies[1:], adopted
    assert all(left.why and left.line.isprintable() for left in adopted.left)


@pytest.mark.parametrize("line", ["--require-hashes", "--pre", "--trusted-host x.example", "--only-binary=:all:"])
def test_options_that_change_nothing_are_dropped(tmp_path, line) -> None:
    adopted = adopt(write(tmp_path, r_txt=f"{line}\nnumpy\n"), "r.txt")
    assert (adopted.dependencies, adopted.left) == (("numpy",), ())


def test_a_file_outside_the_project_is_copied(tmp_path) -> None:
    write(tmp_path, r_txt="numpy")
    (tmp_path / "project").mkdir()
    adopted = adopt(tmp_path / "project", "../r.txt")
    assert (adopted.requirements, adopted.dependencies) == ((), ("numpy",))


def test_files_that_include_each_other_or_nothing_are_invalid(tmp_path) -> None:
    write(tmp_path, a_txt="-r b.txt", b_txt="x\n-r a.txt", c_txt="-r gone.txt")
    with pytest.raises(InvalidFile, match=r"b\.txt:2.*include each other"):
        adopt(tmp_path, "a.txt")
    with pytest.raises(InvalidFile, match=r"c\.txt:1.*does not exist"):
        adopt(tmp_path, "c.txt")
    with pytest.raises(UsageError, match="no such file"):
        adopt(tmp_path, "gone.txt")


def test_addresses_keep_port_and_path_and_lose_the_rest() -> None:
    assert address("https://u@[2001:db8::1]:8443/a?b#c") == ("https://[2001:db8::1]:8443/a", False)
    assert address("http://127.0.0.1:8080/simple") == ("http://127.0.0.1:8080/simple", True)
    assert address("http://x.example/") == (None, True)
    assert address("https://[::1") == (None, True)
    assert address("file:///x") == (None, True)


def test_a_cleaned_line_can_be_printed() -> None:
    assert clean("git+https://u:p@h.example/\x1b") == "git+https://h.example/?"
