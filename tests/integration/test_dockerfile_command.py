"""`envctl dockerfile`, and how commands find a lockfile: the lockfile alone suffices."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.lockfiles import make_image, make_lockfile, make_package, put_lockfile
from support.project import envctl

from envctl.commands.locate import find_lockfile, locked_targets
from envctl.errors import InvalidFile, UsageError
from envctl.lockfile.write import write_lockfile
from envctl.model.manifest import sha256
from envctl.model.target import Target
from envctl.render import dockerfile, dockerignore

CPU = make_lockfile([make_package("numpy")], image=make_image())
CUDA = make_lockfile([make_package("numpy")], variant="cuda", image=make_image())


def locked_dockerfile(project: Path, text: str) -> Path:
    path = project / "profiles/locked/Dockerfile.train-cpu"
    path.write_text(text)
    (path.parent / "Dockerfile.train-cpu.dockerignore").write_text(dockerignore.render(CPU))
    return path


def rendered() -> str:
    return dockerfile.render(CPU, lock_digest=sha256(write_lockfile(CPU)))


def test_it_prints_what_the_lockfile_renders_to(tmp_path: Path) -> None:
    put_lockfile(tmp_path, CPU)
    ran = envctl("-C", tmp_path, "dockerfile", "train:cpu")
    assert ran == (0, rendered(), "")


def test_it_writes_the_ignore_file_beside_the_dockerfile(tmp_path: Path) -> None:
    put_lockfile(tmp_path, CPU)
    ran = envctl("-C", tmp_path, "dockerfile", "train:cpu", "-o", "build/Dockerfile")
    assert (ran.status, ran.out) == (0, "")
    assert ran.err == "wrote build/Dockerfile and Dockerfile.dockerignore\n"
    assert (tmp_path / "build/Dockerfile").read_text() == rendered()
    assert (tmp_path / "build/Dockerfile.dockerignore").read_text() == dockerignore.render(CPU)


def test_only_files_are_replaced(tmp_path: Path) -> None:
    put_lockfile(tmp_path, CPU)
    (tmp_path / "folder").mkdir()
    (tmp_path / "device").symlink_to("/dev/null")
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    for place in ("folder", "device", "/dev/stdout"):
        ran = envctl("-C", tmp_path, "dockerfile", "train:cpu", "-o", place)
        assert (ran.status, ran.out) == (2, "")
    assert Path("/dev/null").is_char_device()
    assert envctl("-C", tmp_path, "dockerfile", "train:cpu", "-o", "link").status == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == rendered()


def test_check_passes_what_lock_wrote(tmp_path: Path) -> None:
    put_lockfile(tmp_path, CPU)
    locked_dockerfile(tmp_path, rendered())
    ran = envctl("-C", tmp_path, "dockerfile", "train:cpu", "--check")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith("fresh: ")


def test_check_shows_the_edited_line(tmp_path: Path) -> None:
    put_lockfile(tmp_path, CPU)
    locked_dockerfile(tmp_path, rendered().replace("USER 0", "USER \x1b[31mroot"))
    ran = envctl("-C", tmp_path, "dockerfile", "train:cpu", "--check")
    assert ran.status == 1
    assert ran.out.splitlines()[0] == "stale: profiles/locked/Dockerfile.train-cpu"
    assert "  -USER \\x1b[31mroot" in ran.out
    assert "  +USER 0" in ran.out
    assert ran.err == "hint: `envctl lock train:cpu` writes them anew\n"


def test_check_names_what_is_missing_binary_or_much_changed(tmp_path: Path) -> None:
    put_lockfile(tmp_path, CPU)
    ran = envctl("-C", tmp_path, "dockerfile", "train:cpu", "--check")
    assert ran.status == 1
    assert ran.out.count("is missing") == 2
    path = locked_dockerfile(tmp_path, "x\n" * 100)
    assert "more lines" in envctl("-C", tmp_path, "dockerfile", "train:cpu", "--check").out
    path.write_bytes(b"\xff\xfe")
    assert "is not UTF-8" in envctl("-C", tmp_path, "dockerfile", "train:cpu", "--check").out
    path.write_bytes(rendered().replace("\n", "\r\n").encode())
    assert envctl("-C", tmp_path, "dockerfile", "train:cpu", "--check").status == 1


def test_check_and_output_exclude_each_other(tmp_path: Path) -> None:
    put_lockfile(tmp_path, CPU)
    assert envctl("-C", tmp_path, "dockerfile", "train:cpu", "--check", "-o", "x").status == 2


def test_a_target_without_an_image_has_no_dockerfile(tmp_path: Path) -> None:
    put_lockfile(tmp_path, make_lockfile([make_package("numpy")]))
    ran = envctl("-C", tmp_path, "dockerfile", "train:cpu")
    assert ran.status == 3
    assert "error: profiles/locked/pylock.train-cpu.toml: train:cpu has no image" in ran.err
    assert "hint: add [image]" in ran.err


def test_without_a_profile_the_only_locked_variant_is_meant(tmp_path: Path) -> None:
    path = put_lockfile(tmp_path, CPU)
    assert find_lockfile(tmp_path, "train") == (path, CPU)
    put_lockfile(tmp_path, CUDA)
    with pytest.raises(UsageError) as caught:
        find_lockfile(tmp_path, "train")
    assert caught.value.expected == "one of train:cpu, train:cuda"


def test_the_profile_says_which_variant_is_meant(tmp_path: Path) -> None:
    put_lockfile(tmp_path, CPU)
    path = put_lockfile(tmp_path, CUDA)
    (tmp_path / "profiles/train.toml").write_text(
        'python = "3.11.9"\ndefault-variant = "cuda"\n[variants.cpu]\n[variants.cuda]\n'
    )
    assert find_lockfile(tmp_path, "train") == (path, CUDA)


def test_a_profile_without_variants_is_found_by_its_name(tmp_path: Path) -> None:
    plain = make_lockfile([make_package("numpy")], variant=None)
    path = put_lockfile(tmp_path, plain)
    put_lockfile(tmp_path, CPU)
    assert find_lockfile(tmp_path, "train") == (path, plain)


def test_a_broken_profile_does_not_stop_a_named_variant(tmp_path: Path) -> None:
    path = put_lockfile(tmp_path, CPU)
    (tmp_path / "profiles/train.toml").write_text("not toml")
    assert find_lockfile(tmp_path, "train:cpu")[0] == path
    with pytest.raises(InvalidFile, match="TOML"):
        find_lockfile(tmp_path, "train")


def test_a_lockfile_can_be_named_by_its_path(tmp_path: Path) -> None:
    path = put_lockfile(tmp_path, CPU)
    assert find_lockfile(tmp_path, "profiles/locked/pylock.train-cpu.toml") == (path, CPU)
    assert find_lockfile(tmp_path / "profiles", str(path)) == (path, CPU)
    with pytest.raises(InvalidFile, match="no such lockfile"):
        find_lockfile(tmp_path, "profiles/locked/pylock.absent.toml")


def test_what_is_not_locked_says_what_to_type(tmp_path: Path) -> None:
    put_lockfile(tmp_path, CPU)
    ran = envctl("-C", tmp_path, "tree", "trian:cpu")
    assert ran.status == 2
    assert "trian:cpu is not locked, and there is no profile of that name" in ran.err
    assert "expected: one of train:cpu" in ran.err
    assert "hint: did you mean train:cpu?" in ran.err
    (tmp_path / "profiles/serve.toml").write_text('python = "3.11"\n')
    with pytest.raises(InvalidFile) as caught:
        find_lockfile(tmp_path, "serve")
    assert caught.value.hint == "`envctl lock serve`"
    assert find_hint(tmp_path / "profiles").startswith("`envctl lock train:cpu`")


def find_hint(project: Path) -> str:
    with pytest.raises(InvalidFile) as caught:
        find_lockfile(project, "train:cpu")
    return caught.value.hint or ""


def test_a_lockfile_under_another_targets_name_is_refused(tmp_path: Path) -> None:
    put_lockfile(tmp_path, CPU).rename(tmp_path / "profiles/locked/pylock.other.toml")
    with pytest.raises(InvalidFile, match="another target's"):
        find_lockfile(tmp_path, "other")
    assert locked_targets(tmp_path) == []


def test_unreadable_lockfiles_do_not_hide_the_others(tmp_path: Path) -> None:
    put_lockfile(tmp_path, CPU)
    (tmp_path / "profiles/locked/pylock.broken.toml").write_text("<<<<<<< HEAD\n")
    (tmp_path / "profiles/locked/pylock.folder.toml").mkdir()
    assert locked_targets(tmp_path) == [Target("train", "cpu")]


@pytest.mark.parametrize("name", ["", ":", "train:", "Train", "train:cpu:x", "-x", "a b", "../x:y"])
def test_what_is_no_target_is_wrong_usage_or_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises((UsageError, InvalidFile)):
        find_lockfile(tmp_path, name)


def test_without_a_target_all_that_have_an_image_are_checked(tmp_path: Path) -> None:
    assert envctl("-C", tmp_path, "dockerfile", "--check").status == 3
    put_lockfile(tmp_path, CPU)
    put_lockfile(tmp_path, make_lockfile([make_package("numpy")], variant="bare"))
    ran = envctl("-C", tmp_path, "dockerfile", "--check")
    assert (ran.status, ran.out.splitlines()[0].partition(":")[0]) == (1, "stale")
    locked_dockerfile(tmp_path, rendered())
    ran = envctl("-C", tmp_path, "dockerfile", "--check")
    assert ran.out == "fresh: the Dockerfile of train:cpu is what its lockfile renders to\n"
    assert ran.status == 0
    put_lockfile(tmp_path, CUDA)
    assert envctl("-C", tmp_path, "dockerfile", "--check").status == 1
    for wrong in ((), ("--check", "--format", "json")):
        assert envctl("-C", tmp_path, "dockerfile", *wrong).status == 2
