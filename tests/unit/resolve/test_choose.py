"""The one wheel of a pin that is installed on a platform."""

from __future__ import annotations

import itertools

import pytest

from envctl.errors import NoResolution
from envctl.model.platform import Libc, Platform
from envctl.model.resolution import Candidate, Pin
from envctl.resolve.choose import choose


def chosen(*tags: str, libc: str = "glibc 2.28", platform: str = "linux/amd64") -> str:
    wheels = tuple(Candidate(filename=f"lib-1.0-{tag}.whl", url=f"https://files.example/{tag}") for tag in tags)
    pin = Pin(name="lib", version="1.0", wheels=wheels)
    found = choose(pin, python=(3, 11), platform=Platform.parse(platform), libc=Libc.parse(libc), label="t")
    return found.filename.removeprefix("lib-1.0-").removesuffix(".whl")


BEST_FIRST = [
    "cp311-cp311-manylinux_2_28_x86_64",
    "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
    "cp311-abi3-manylinux_2_28_x86_64",
    "cp39-abi3-manylinux_2_28_x86_64",
    "py3-none-manylinux_2_28_x86_64",
    "py3-none-any",
]


def test_the_order_of_tags_decides_whatever_the_order_of_files() -> None:
    for length in range(1, len(BEST_FIRST)):
        rest = BEST_FIRST[length - 1 :]
        for files in itertools.islice(itertools.permutations(rest), 24):
            assert chosen(*files) == rest[0]


def test_what_does_not_fit_is_passed_over() -> None:
    newer = "cp311-cp311-manylinux_2_34_x86_64"
    other = ["cp312-cp312-manylinux_2_28_x86_64", "cp311-cp311-win_amd64", newer, "nonsense"]
    assert chosen(*other, "py3-none-any") == "py3-none-any"
    assert chosen(*other, "py3-none-any", libc="glibc 2.36") == newer


def test_of_builds_the_highest_wins() -> None:
    assert chosen("2-py3-none-any", "10-py3-none-any", "py3-none-any") == "10-py3-none-any"


@pytest.mark.parametrize(
    ("tags", "hint"),
    [
        (["cp311-cp311-manylinux_2_34_x86_64", "cp311-cp311-manylinux_2_39_x86_64"], 'libc = "glibc 2.34"'),
        (["cp311-cp311-win_amd64"], "constrain lib to a version with a wheel for linux/amd64"),
        ([], "constrain lib"),
    ],
)
def test_without_a_fitting_wheel_there_is_no_solution(tags: list[str], hint: str) -> None:
    with pytest.raises(NoResolution) as caught:
        chosen(*tags)
    assert hint in (caught.value.hint or "")
    assert len(caught.value.details) == max(1, len(tags))
