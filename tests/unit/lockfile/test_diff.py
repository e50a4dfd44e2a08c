"""What counts as a difference between two lockfiles, and what does not."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from support.lockfiles import BASE, CUTOFF, make_image, make_lockfile, make_package

from envctl.lockfile.diff import Diff, diff
from envctl.model.lockfile import (
    Hook,
    Installer,
    LockedFile,
    LockedIndex,
    Lockfile,
    OsPackage,
    OsPackages,
    Policy,
    Project,
    Python,
    Resolver,
    Standalone,
)

BOTH = ("linux/amd64", "linux/arm64")
ARM = "platform_machine == 'aarch64'"
STACK = (make_package("numpy", "2.3.4"), make_package("idna", "3.10"))


def os_package(version: str) -> OsPackage:
    url = f"https://archive.example/git_{version}_amd64.deb"
    return OsPackage(name="git", version=version, arch="amd64", sha256=version * 64, url=url, size=1)


def builtins(value: object) -> object:
    return msgspec.json.decode(msgspec.json.encode(value))


def changed_fields(result: Diff) -> set[str]:
    return {name for name in result.__struct_fields__ if name != "sizes" and getattr(result, name)}


def test_a_lockfile_equals_itself() -> None:
    lockfile = make_lockfile(STACK, image=make_image(env={"A": "1"}))
    result = diff(lockfile, lockfile)
    assert result.equal
    assert builtins(result.sizes) == [{"platform": "linux/amd64", "from": 2000, "to": 2000}]


def test_addresses_inputs_and_epoch_are_no_difference() -> None:
    moved = tuple(
        msgspec.structs.replace(
            package,
            wheels=tuple(
                msgspec.structs.replace(wheel, url=f"https://mirror.example/{wheel.name}", upload_time=None)
                for wheel in package.wheels
            ),
        )
        for package in STACK
    )
    new = make_lockfile(moved, inputs="sha256:" + "0" * 64, source_date_epoch=5)
    assert diff(make_lockfile(STACK), new).equal


def test_packages_that_came_went_and_moved() -> None:
    new = (make_package("numpy", "2.4.0"), make_package("scipy", "1.16"))
    result = diff(make_lockfile(STACK), make_lockfile(new))
    assert builtins(result.added) == [{"name": "scipy", "version": "1.16"}]
    assert builtins(result.removed) == [{"name": "idna", "version": "3.10"}]
    assert builtins(result.changed) == [{"name": "numpy", "from": "2.3.4", "to": "2.4.0"}]
    assert changed_fields(result) == {"added", "removed", "changed"}
    assert not result.equal


def test_another_wheel_of_the_same_version_is_a_rebuild() -> None:
    new = (make_package("numpy", "2.3.4", salt="again"), make_package("idna", "3.10"))
    (built,) = diff(make_lockfile(STACK), make_lockfile(new)).rebuilt
    assert (built.name, built.version, built.old.wheel) == ("numpy", "2.3.4", built.new.wheel)
    assert built.old.sha256 != built.new.sha256


def test_a_difference_on_one_of_two_platforms_says_which() -> None:
    new = (*STACK, make_package("jetson", marker=ARM))
    result = diff(make_lockfile(STACK, platforms=BOTH), make_lockfile(new, platforms=BOTH))
    assert builtins(result.added) == [{"name": "jetson", "version": "1.0", "platforms": ["linux/arm64"]}]


def test_versions_that_differ_by_platform_are_compared_by_platform() -> None:
    amd = "platform_machine == 'x86_64'"
    old = (make_package("torch", "2.8", marker=amd), make_package("torch", "2.7", marker=ARM))
    new = (make_package("torch", "2.8", marker=amd), make_package("torch", "2.8.1", marker=ARM))
    result = diff(make_lockfile(old, platforms=BOTH), make_lockfile(new, platforms=BOTH))
    assert builtins(result.changed) == [{"name": "torch", "from": "2.7", "to": "2.8.1", "platforms": ["linux/arm64"]}]


def test_a_further_platform_is_one_difference_and_not_one_a_package() -> None:
    result = diff(make_lockfile(STACK), make_lockfile(STACK, platforms=BOTH))
    assert changed_fields(result) == {"platforms", "settings"}
    assert builtins(result.platforms) == {"from": "linux/amd64", "to": "linux/amd64, linux/arm64"}
    assert builtins(result.sizes) == [
        {"platform": "linux/amd64", "from": 2000, "to": 2000},
        {"platform": "linux/arm64", "from": None, "to": 2000},
    ]


def test_lockfiles_without_a_common_platform_are_compared_by_what_they_have() -> None:
    result = diff(make_lockfile(STACK), make_lockfile(STACK[:1], platforms=("linux/arm64",)))
    assert builtins(result.removed) == [{"name": "idna", "version": "3.10"}]


def test_a_size_is_unknown_where_an_index_told_none() -> None:
    new = (make_package("numpy", "2.3.4", size=None), make_package("idna", "3.10"))
    result = diff(make_lockfile(STACK), make_lockfile(new))
    assert result.equal
    assert builtins(result.sizes) == [{"platform": "linux/amd64", "from": 2000, "to": None}]


def lock(**values: object) -> Lockfile:
    return make_lockfile(STACK, **values)  # type: ignore[arg-type]


IMAGE = make_image()


@pytest.mark.parametrize(
    ("old", "new", "field", "expected"),
    [
        (
            lock(image=IMAGE),
            lock(image=make_image(base=BASE.replace("3.11.9", "3.11.10"))),
            "base",
            {"from": BASE, "to": BASE.replace("3.11.9", "3.11.10")},
        ),
        (
            lock(image=make_image(base="python:3.11"), base_digest="sha256:" + "a" * 64),
            lock(image=make_image(base="python:3.11"), base_digest="sha256:" + "b" * 64),
            "base",
            {"from": "python:3.11@sha256:" + "a" * 64, "to": "python:3.11@sha256:" + "b" * 64},
        ),
        (
            lock(python=Python(version="3.11.9")),
            lock(python=Python(version="3.11.10")),
            "python",
            {"from": "cpython 3.11.9", "to": "cpython 3.11.10"},
        ),
        (
            lock(python=Python(version="3.11.9", source="image")),
            lock(
                python=Python(
                    version="3.11.9",
                    source="standalone",
                    builds={"linux/amd64": Standalone(url="https://builds.example/x.tar.gz", sha256="c" * 64)},
                )
            ),
            "python",
            {
                "from": "cpython 3.11.9 (image)",
                "to": f"cpython 3.11.9 (standalone, linux/amd64 sha256:{'c' * 64})",
            },
        ),
        (
            lock(installer=Installer(name="uv", version="1", sha256={})),
            lock(installer=Installer(name="uv", version="2", sha256={})),
            "installer",
            {"from": "uv 1", "to": "uv 2"},
        ),
        (
            lock(),
            lock(resolver=Resolver(name="uv", exclude_newer=CUTOFF + timedelta(days=1))),
            "cutoff",
            {"from": "2026-06-01T00:00:00Z", "to": "2026-06-02T00:00:00Z"},
        ),
        (
            lock(image=make_image(packages=("libgomp1", "git=1"))),
            lock(image=make_image(packages=("git=2", "tini"))),
            "os_packages",
            [
                {"key": "git", "from": "1", "to": "2"},
                {"key": "libgomp1", "from": "any version", "to": None},
                {"key": "tini", "from": None, "to": "any version"},
            ],
        ),
        (
            lock(os_packages=OsPackages(snapshot="a", packages=(os_package("1"),))),
            lock(os_packages=OsPackages(snapshot="b", packages=(os_package("2"),))),
            "os_packages",
            [{"key": "git:amd64", "from": "1", "to": "2"}, {"key": "snapshot", "from": "a", "to": "b"}],
        ),
        (
            lock(),
            lock(hooks=(Hook(path="evil.pth", digest="sha256:" + "1" * 64, package="numpy"),)),
            "hooks",
            [{"key": "evil.pth", "from": None, "to": "sha256:" + "1" * 64}],
        ),
        (
            lock(files=(LockedFile(source="m", target="/m", digest="sha256:" + "1" * 64),)),
            lock(files=(LockedFile(source="m", target="/m", digest="sha256:" + "2" * 64),)),
            "files",
            [{"key": "/m", "from": "sha256:" + "1" * 64, "to": "sha256:" + "2" * 64}],
        ),
        (
            lock(image=make_image(env={"A": "1", "B": "2"}, command=("a",))),
            lock(image=make_image(env={"A": "1", "B": "3"}, command=("a", "b"), user=10001)),
            "image",
            [
                {"key": "command", "from": '["a"]', "to": '["a","b"]'},
                {"key": "env.B", "from": "2", "to": "3"},
                {"key": "user", "from": None, "to": "10001"},
            ],
        ),
        (
            lock(cuda="12.8", requirements=("numpy>=2",), project=Project(name="x", path=".")),
            lock(
                cuda="13.0",
                requirements=("numpy>=2.4",),
                policy=Policy(allow_seed=True),
                commands={"train": ("a",)},
                indexes=(LockedIndex(name="i", url="https://index.example/simple"),),
            ),
            "settings",
            [
                {"key": "commands.train", "from": None, "to": '["a"]'},
                {"key": "cuda", "from": "12.8", "to": "13.0"},
                {"key": "indexes.i", "from": None, "to": "https://index.example/simple"},
                {"key": "policy.allow-seed", "from": None, "to": "true"},
                {"key": "project.name", "from": "x", "to": None},
                {"key": "project.path", "from": ".", "to": None},
                {"key": "requirements", "from": None, "to": "numpy>=2.4"},
                {"key": "requirements", "from": "numpy>=2", "to": None},
            ],
        ),
    ],
)
def test_what_surrounds_the_packages_is_compared_too(
    old: Lockfile, new: Lockfile, field: str, expected: object
) -> None:
    result = diff(old, new)
    assert changed_fields(result) == {field}
    assert builtins(getattr(result, field)) == expected


def test_comparing_the_other_way_round_mirrors_the_answer() -> None:
    new = make_lockfile((make_package("numpy", "2.4.0"), make_package("scipy", "1.16")), cuda="12.8")
    forth, back = diff(make_lockfile(STACK), new), diff(new, make_lockfile(STACK))
    assert (forth.added, forth.removed) == (back.removed, back.added)
    assert [(m.old, m.new) for m in forth.changed] == [(m.new, m.old) for m in back.changed]
    assert {(s.key, s.old, s.new) for s in forth.settings} == {(s.key, s.new, s.old) for s in back.settings}


def test_a_lockfile_that_chooses_no_wheel_cannot_be_compared() -> None:
    broken = msgspec.structs.replace(make_lockfile(STACK), packages=(msgspec.structs.replace(STACK[0], wheels=()),))
    with pytest.raises(ValueError, match="0 wheels"):
        diff(make_lockfile(STACK), broken)
