"""Which CUDA a target carries, and what a driver makes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.lockfiles import make_image, make_lockfile, make_package

from envctl.model import cuda
from envctl.model.cuda import Cuda, Support
from envctl.model.platform import Platform

AMD64 = Platform("linux", "amd64")


def carried(*pins, **values):
    packages = [make_package(name, version) for name, version in pins]
    return cuda.carried(make_lockfile(packages, **values), AMD64)


@pytest.mark.parametrize(
    ("pins", "expected", "source"),
    [
        ([("nvidia-cuda-runtime-cu12", "12.8.90")], "12.8", "nvidia-cuda-runtime-cu12 12.8.90"),
        ([("nvidia-cuda-runtime", "13.2.86"), ("nvidia-nccl-cu13", "2.30.7")], "13.2", "nvidia-cuda-runtime 13.2.86"),
        ([("cuda-toolkit", "13.2.2"), ("nvidia-nvjitlink", "13.4.92")], "13.2", "cuda-toolkit 13.2.2"),
        ([("nvidia-nccl-cu12", "2.32.3")], "12", "nvidia-nccl-cu12 2.32.3"),
        ([("cupy-cuda12x", "13.6.0")], "12", "cupy-cuda12x 13.6.0"),
        ([("jax-cuda13-plugin", "0.9.0")], "13", "jax-cuda13-plugin 0.9.0"),
        ([("torch", "2.9.0+cu128")], "12.8", "torch 2.9.0+cu128"),
        ([("nvidia-cuda-runtime-cu12", "12.8.90"), ("nvidia-nccl-cu13", "2.30")], "13", "nvidia-nccl-cu13 2.30"),
    ],
)
def test_pins_say_which_cuda_a_target_carries(pins, expected, source):
    found = carried(*pins)
    assert found is not None
    assert (str(found), found.source) == (expected, source)


def test_a_target_without_any_of_it_carries_none():
    assert carried(("numpy", "2.4.0"), ("nvidia-ml-py", "13.580")) is None


def test_the_profile_is_believed_where_no_pin_says_more():
    assert str(carried(("numpy", "2.4.0"), cuda="12.8")) == "12.8"
    assert str(carried(("nvidia-cuda-runtime-cu12", "12.6.77"), cuda="12.8")) == "12.6"


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("nvidia/cuda:12.8.1-base-ubuntu22.04", "12.8"),
        ("registry.example/mirror/cuda:13.0.0-runtime-ubi9", "13.0"),
        ("registry.example/barracuda:12.8", "None"),
        ("python:3.11.9", "None"),
    ],
)
def test_the_tag_of_a_cuda_base_is_the_last_word(base, expected):
    assert str(carried(image=make_image(base=f"{base}@sha256:" + "8f" * 32))) == expected


def test_cudnn_is_told_beside_it():
    found = carried(("nvidia-cuda-runtime-cu12", "12.8.90"), ("nvidia-cudnn-cu12", "9.10.2.21"))
    assert found is not None
    assert found.cudnn == "9.10.2.21"


def of(text):
    major, _, minor = text.partition(".")
    return Cuda(major=int(major), minor=int(minor) if minor else None, source="a test")


@pytest.mark.parametrize(
    ("release", "driver", "expected"),
    [
        ("12.8", "570.26", Support.FULL),
        ("12.8", "570.25.99", Support.MINOR),
        ("12.8", "550.54.14", Support.MINOR),
        ("12.8", "525.60.13", Support.MINOR),
        ("12.8", "525.60.12", Support.NONE),
        ("12.4", "550.54.14", Support.FULL),
        ("12.4", "550.54.13", Support.MINOR),
        ("12.7", "565.57.01", Support.MINOR),
        ("12", "525.60.13", Support.FULL),
        ("12", "520.61.05", Support.NONE),
        ("11.8", "450.80.02", Support.MINOR),
        ("11.8", "450.80.1", Support.NONE),
        ("11.8", "580.65.06", Support.FULL),
        ("13.0", "575.57.08", Support.NONE),
        ("13.2", "580.65.06", Support.MINOR),
        ("13.2", "595.45.04", Support.FULL),
        ("13.7", "595.45.04", Support.MINOR),
        ("14.0", "700.10", Support.UNKNOWN),
    ],
)
def test_drivers_run_a_release_in_full_or_without_its_new_features_or_not(release, driver, expected):
    assert cuda.support(of(release), cuda.parse_driver(driver)) is expected


@pytest.mark.parametrize(
    ("release", "reported", "expected"),
    [
        ("12.4", (12, 4), Support.FULL),
        ("12.8", (12, 4), Support.MINOR),
        ("13.0", (12, 4), Support.NONE),
        ("14.1", (14, 2), Support.FULL),
        ("12.8", None, Support.UNKNOWN),
    ],
)
def test_without_a_version_that_counts_the_drivers_own_word_does(release, reported, expected):
    assert cuda.support(of(release), None, reported) is expected


def test_a_release_newer_than_the_table_runs_where_the_driver_says_so():
    assert cuda.support(of("13.9"), (700, 10), (13, 9)) is Support.FULL


@pytest.mark.parametrize(
    "text", ["", "550", "550.", ".1", "550.54.14.1.2", "550.x", "550.54 ", "-1.2", "550.54\n", "٣.١"]
)
def test_what_is_no_drivers_version_is_none(text):
    assert cuda.parse_driver(text) is None


@given(st.text(max_size=20))
def test_no_text_breaks_the_reading_of_versions(text):
    driver, release = cuda.parse_driver(text), cuda.parse_release(text)
    assert driver is None or all(part >= 0 for part in driver)
    assert release is None or len(release) == 2


_DRIVERS = st.tuples(st.integers(440, 620), st.integers(0, 99), st.integers(0, 99))
_ORDER = [Support.NONE, Support.MINOR, Support.FULL]


@given(_DRIVERS, _DRIVERS, st.sampled_from(["11.8", "12", "12.1", "12.8", "13.0", "13.2"]))
def test_a_newer_driver_never_does_less(one, other, release):
    older, newer = sorted((one, other))
    assert _ORDER.index(cuda.support(of(release), older)) <= _ORDER.index(cuda.support(of(release), newer))


def test_versions_are_written_as_nvidia_does():
    assert cuda.show_driver((450, 80, 2)) == "450.80.02"
    assert cuda.show_driver((570, 26)) == "570.26"
