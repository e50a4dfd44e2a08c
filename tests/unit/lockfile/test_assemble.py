"""How resolved sets become packages of a lockfile."""

from __future__ import annotations

import pytest
from support.resolved import AMD64, ARM64, inputs, locked, resolved

from envctl.lockfile.assemble import applies
from envctl.model.profile import Profile

BOTH = ("linux/amd64", "linux/arm64")


def test_one_pure_wheel_for_all_platforms_is_one_entry_without_marker():
    lockfile = locked(
        inputs(Profile(python="3.11.9", platforms=BOTH)), {AMD64: [resolved("pure")], ARM64: [resolved("pure")]}
    )
    (package,) = lockfile.packages
    assert package.marker is None
    assert len(package.wheels) == 1


def test_a_pure_wheel_beside_a_built_one_is_split_so_that_no_installer_has_a_choice():
    sets = {AMD64: [resolved("mixed", tag="cp311-cp311-manylinux_2_28_x86_64")], ARM64: [resolved("mixed")]}
    lockfile = locked(inputs(Profile(python="3.11.9", platforms=BOTH)), sets)
    assert [package.marker for package in lockfile.packages] == [
        "platform_machine == 'x86_64'",
        "platform_machine == 'aarch64'",
    ]
    assert [wheel.name for _, wheel in lockfile.select(ARM64)] == ["mixed-1.0-py3-none-any.whl"]
    assert len(lockfile.select(AMD64)) == 1


def test_a_package_of_one_platform_only_is_marked():
    lockfile = locked(
        inputs(Profile(python="3.11.9", platforms=BOTH)),
        {AMD64: [resolved("both"), resolved("only")], ARM64: [resolved("both")]},
    )
    assert {p.name: p.marker for p in lockfile.packages} == {"both": None, "only": "platform_machine == 'x86_64'"}
    assert [p.name for p, _ in lockfile.select(ARM64)] == ["both"]


def test_platforms_may_pin_different_versions():
    lockfile = locked(
        inputs(Profile(python="3.11.9", platforms=BOTH)), {AMD64: [resolved("a", "2.0")], ARM64: [resolved("a", "1.0")]}
    )
    assert [p.version for p, _ in lockfile.select(AMD64)] == ["2.0"]
    assert [p.version for p, _ in lockfile.select(ARM64)] == ["1.0"]


def test_edges_follow_extras_and_markers():
    asked = inputs(Profile(python="3.11.9", dependencies=("root[fast]",)))
    sets = {
        AMD64: [
            resolved(
                "root",
                requires=[
                    "always",
                    'quick ; extra == "fast"',
                    'unused ; extra == "slow"',
                    'old ; python_version < "3.9"',
                    'arm ; platform_machine == "aarch64"',
                ],
            ),
            *[resolved(name) for name in ("always", "quick", "unused", "old", "arm")],
        ]
    }
    lockfile = locked(asked, sets)
    root = next(p for p in lockfile.packages if p.name == "root")
    assert [edge.name for edge in root.dependencies] == ["always", "quick"]


def test_a_cycle_of_extras_ends():
    asked = inputs(Profile(python="3.11.9", dependencies=("a[x]",)))
    sets = {
        AMD64: [
            resolved("a", requires=['b[y] ; extra == "x"']),
            resolved("b", requires=['a[x] ; extra == "y"', "a"]),
        ]
    }
    names = {p.name: [d.name for d in p.dependencies] for p in locked(asked, sets).packages}
    assert names == {"a": ["b"], "b": ["a"]}


@pytest.mark.parametrize(
    ("text", "extras", "expected"),
    [
        ("x", set(), True),
        ('x ; extra == "e"', set(), False),
        ('x ; extra == "e"', {"e"}, True),
        ('x ; extra == "e" or python_version >= "3"', set(), True),
        ('x ; python_version < "3" and extra == "e"', {"e"}, False),
        ('x ; sys_platform == "win32"', set(), False),
    ],
)
def test_a_requirement_applies_where_its_marker_holds(text, extras, expected):
    assert applies(text, AMD64.environment("3.11.9"), extras) is expected


def test_the_newest_upload_decides_the_image_clock():
    lockfile = locked(inputs(Profile(python="3.11.9")), {AMD64: [resolved("a")]})
    assert lockfile.envctl.source_date_epoch == 1767323045
    without = locked(inputs(Profile(python="3.11.9")), {AMD64: [resolved("a", upload_time=None)]})
    assert without.envctl.source_date_epoch == 315532800
    assert without.envctl.resolver.exclude_newer is None
