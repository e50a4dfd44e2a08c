"""Rules of a resolved set: owners of paths, startup hooks, CUDA."""

from __future__ import annotations

import pytest
from support.resolved import AMD64, inputs, locked, resolved

from envctl.errors import NoResolution
from envctl.lockfile.assemble import hooks_of
from envctl.lockfile.cuda import check_cuda
from envctl.lockfile.policy import check_hooks, check_overlaps, overlaps
from envctl.model.profile import PolicyTable, Profile

PLAIN = Profile(python="3.11.9", dependencies=("opencv-python", "other"))


def test_two_owners_of_different_contents_fail_and_are_both_named():
    sets = {
        AMD64: [
            resolved("opencv-python", files={"site/cv2/__init__.py": "with display"}),
            resolved("opencv-python-headless", files={"site/cv2/__init__.py": "without"}),
            resolved("other", requires=["opencv-python-headless"]),
        ]
    }
    with pytest.raises(NoResolution) as caught:
        check_overlaps(inputs(PLAIN), sets)
    text = str(caught.value)
    assert caught.value.exit_code == 4
    assert "opencv-python 1.0 (asked for in profiles/train.toml:3)" in text
    assert "opencv-python-headless 1.0 (needed by other 1.0)" in text
    assert "cv2/__init__.py" in text
    assert 'exclude = ["opencv-python-headless"]' in text


def test_who_asks_in_an_extra_only_is_not_named_where_another_asks_for_sure():
    sets = {
        AMD64: [
            resolved("nccl-cu12", files={"site/nccl.h": "12"}),
            resolved("nccl-cu13", files={"site/nccl.h": "13"}, requires=[]),
            resolved("flow", requires=["nccl-cu12; extra == 'and-cuda'", "nccl-cu13; extra == 'and-cuda'"]),
            resolved("trees", requires=["nccl-cu12; sys_platform == 'linux'"]),
        ]
    }
    with pytest.raises(NoResolution) as caught:
        check_overlaps(inputs(PLAIN), sets)
    text = str(caught.value)
    assert "nccl-cu12 1.0 (needed by trees 1.0)" in text
    assert "nccl-cu13 1.0 (needed by flow 1.0)" in text


def test_two_owners_of_equal_contents_are_fine():
    files = {"site/google/__init__.py": "namespace"}
    sets = {AMD64: [resolved("a", files=files), resolved("b", files=files)]}
    assert overlaps(sets[AMD64]) == []
    check_overlaps(inputs(PLAIN), sets)


def test_three_owners_are_compared_with_the_last_one_that_differs():
    three = [resolved(n, files={"bin/run": n if n == "c" else "same"}) for n in ("a", "b", "c")]
    (pair,) = overlaps(three)
    assert pair.second.name == "c"


HOOK = {"boot.pth": "import os"}


def test_a_first_lock_records_hooks_and_names_each():
    sets = {AMD64: [resolved("tool", hooks=HOOK)]}
    (warning,) = check_hooks(inputs(PLAIN), hooks_of(sets), None)
    assert "tool" in warning
    assert "boot.pth" in warning


def test_a_hook_that_was_recorded_stays_without_a_word():
    sets = {AMD64: [resolved("tool", hooks=HOOK)]}
    previous = locked(inputs(PLAIN), sets)
    assert check_hooks(inputs(PLAIN), hooks_of(sets), previous) == []


@pytest.mark.parametrize("hooks", [{"boot.pth": "import sys"}, {"new.pth": "import os"}])
def test_a_hook_that_is_new_or_changed_fails_with_the_line_that_allows_it(hooks):
    previous = locked(inputs(PLAIN), {AMD64: [resolved("tool", hooks=HOOK)]})
    with pytest.raises(NoResolution) as caught:
        check_hooks(inputs(PLAIN), hooks_of({AMD64: [resolved("tool", hooks=hooks)]}), previous)
    assert f'startup-hooks = ["{next(iter(hooks))}"]' in str(caught.value)


def test_the_policy_names_the_only_hooks_that_may_exist():
    strict = Profile(python="3.11.9", policy=PolicyTable(startup_hooks=("boot.pth",)))
    assert check_hooks(inputs(strict), hooks_of({AMD64: [resolved("tool", hooks=HOOK)]}), None) == []
    with pytest.raises(NoResolution) as caught:
        check_hooks(inputs(strict), hooks_of({AMD64: [resolved("bad", hooks={"zz.pth": "x"})]}), None)
    assert "bad: zz.pth" in str(caught.value)
    assert '["boot.pth", "zz.pth"]' in str(caught.value)


def test_an_empty_policy_allows_no_hook():
    none = Profile(python="3.11.9", policy=PolicyTable(startup_hooks=()))
    with pytest.raises(NoResolution):
        check_hooks(inputs(none), hooks_of({AMD64: [resolved("tool", hooks=HOOK)]}), None)


@pytest.mark.parametrize(
    ("name", "version", "fits"),
    [
        ("nvidia-nccl-cu12", "2.27", True),
        ("nvidia-nccl-cu13", "2.28", False),
        ("nvidia-cuda-runtime-cu12", "12.8.90", True),
        ("nvidia-cuda-runtime-cu12", "12.6.77", False),
        ("nvidia-cuda-runtime", "13.0.96", False),
        ("nvidia-ml-py", "13.1", True),
    ],
)
def test_the_asserted_cuda_must_be_that_of_the_pins(name, version, fits):
    asked = inputs(Profile(python="3.11.9", cuda="12.8"), lines={"cuda": 7})
    sets = {AMD64: [resolved(name, version)]}
    if fits:
        check_cuda(asked, sets)
        assert check_cuda(inputs(Profile(python="3.11.9")), sets) is None
        return
    with pytest.raises(NoResolution, match=r"not those of CUDA 12\.8") as caught:
        check_cuda(asked, sets)
    assert caught.value.line == 7
    assert name in str(caught.value)
