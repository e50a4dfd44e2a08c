"""When a lockfile is no longer its profile's."""

from __future__ import annotations

import msgspec
import pytest
from support.resolved import AMD64, inputs, locked, resolved

from envctl.errors import InvalidFile
from envctl.lockfile.changes import changes
from envctl.lockfile.settle import settle
from envctl.lockfile.stale import reasons
from envctl.model.lockfile import Lockfile
from envctl.model.profile import ImageTable, Index, PolicyTable, Profile, ResolverTable, StandalonePython
from envctl.model.target import Target

BASE = "python:3.11.9-slim@sha256:" + "b" * 64
PROFILE = Profile(python="3.11.9", dependencies=("numpy>=2", "pandas"), constraints=("numpy<3",))
SETS = {AMD64: [resolved("numpy", "2.1"), resolved("pandas", "2.0", requires=["numpy"])]}
TRAIN = Target("train")


def stale(profile: Profile, lockfile=None, *, digest: str | None = None) -> list[str]:
    asked = inputs(profile, lines={"python": 2, "image": 8})
    if digest is not None:
        asked = msgspec.structs.replace(asked, digest=digest)
    lockfile = lockfile or locked(inputs(PROFILE), SETS)
    return [str(reason) for reason in reasons(TRAIN, lockfile, asked, settle(asked, {}))]


def test_a_fresh_lockfile_has_no_reasons():
    assert stale(PROFILE) == []


def replaced(**values: object) -> Profile:
    return msgspec.structs.replace(PROFILE, **values)


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        (
            replaced(dependencies=("numpy>=2", "pandas", "torch")),
            'profiles/train.toml:5  dependencies[2]: "torch" is not',
        ),
        (replaced(dependencies=("numpy>=2",)), 'holds "pandas", which nothing asks for any more'),
        (replaced(python="3.12.1"), "profiles/train.toml:2  python: the lockfile says otherwise (3.11.9 there, 3.12.1"),
        (replaced(platforms=("linux/amd64", "linux/arm64")), "platforms"),
        (replaced(libc="glibc 2.36"), "platforms: the lockfile says otherwise (glibc 2.28 there, glibc 2.36 here)"),
        (replaced(constraints=("numpy<4",)), "constraints"),
        (replaced(image=ImageTable(base=BASE)), "image"),
        (replaced(policy=PolicyTable(allow_seed=True)), "policy"),
        (replaced(cuda="12.8"), "cuda"),
        (replaced(commands={"train": ("python",)}), "commands"),
        (replaced(resolver=ResolverTable(exclude=("x",))), "resolver.exclude"),
        (replaced(resolver=ResolverTable(index=(Index(name="i", url="https://index.example/simple"),))), "index"),
    ],
)
def test_each_change_of_the_profile_is_named(profile, message):
    assert any(message in reason for reason in stale(profile)), stale(profile)


def test_a_change_that_nothing_else_shows_is_seen_by_the_digest():
    assert stale(PROFILE, digest="sha256:" + "c" * 64) == [
        "profiles/train.toml  has changed since the lockfile was written"
    ]


def test_a_pin_that_breaks_a_requirement_is_named_with_both_places():
    lockfile = locked(inputs(PROFILE), {AMD64: [resolved("numpy", "1.26"), resolved("pandas", "2.0")]})
    (reason,) = stale(PROFILE, lockfile)
    assert '"numpy>=2" is not satisfied by the pin numpy 1.26' in reason
    assert reason.startswith("profiles/train.toml:3")


def test_a_pin_that_breaks_a_constraint_is_named():
    lockfile = locked(inputs(PROFILE), {AMD64: [resolved("numpy", "3.1"), resolved("pandas", "2.0")]})
    assert any('"numpy<3"' in reason for reason in stale(PROFILE, lockfile))


def test_a_requirement_without_a_pin_is_named():
    lockfile = locked(inputs(PROFILE), {AMD64: [resolved("numpy", "2.1")]})
    assert any("pandas is not pinned for linux/amd64" in reason for reason in stale(PROFILE, lockfile))


def test_a_removed_dependency_of_a_dependency_is_named():
    profile = Profile(python="3.11.9", dependencies=("pandas",))
    full = locked(inputs(profile), {AMD64: SETS[AMD64]})
    cut = locked(inputs(profile), {AMD64: [SETS[AMD64][1]]})
    lockfile = msgspec.structs.replace(cut, packages=tuple(p for p in full.packages if p.name == "pandas"))
    assert any("numpy, which pandas 2.0 needs" in reason for reason in stale(profile, lockfile))


def test_the_lockfile_of_another_target_is_not_this_one():
    asked = inputs(PROFILE, target="serve")
    found = reasons(Target("serve"), locked(inputs(PROFILE), SETS), asked, settle(asked, {}))
    assert [str(r) for r in found] == ["profiles/locked/pylock.serve.toml  is the lockfile of train, not of serve"]


def test_a_patch_release_that_the_profile_leaves_open_is_the_lockfiles():
    assert stale(replaced(python="3.11")) == []
    assert stale(replaced(python="3.12")) != []


TAGGED = replaced(image=ImageTable(base="python:3.11.9"))


def based(profile: Profile, digest: str | None) -> Lockfile:
    """The profile's lockfile, with the base pinned to the digest."""
    lockfile = locked(inputs(profile), SETS)
    pins = {
        name: msgspec.structs.replace(pin, base_digest=digest, diff_ids=("sha256:" + "d" * 64,))
        for name, pin in lockfile.envctl.platforms.items()
    }
    envctl = msgspec.structs.replace(lockfile.envctl, platforms=pins)
    return msgspec.structs.replace(lockfile, tool=msgspec.structs.replace(lockfile.tool, envctl=envctl))


def test_a_base_by_tag_is_left_for_a_registry_to_say():
    settled = settle(inputs(TAGGED), {})
    assert (settled.tagged, settled.based) == ("python:3.11.9", ("linux/amd64",))
    assert settled.platforms["linux/amd64"].base_digest is None
    assert settle(inputs(replaced(image=ImageTable(base=BASE))), {}).tagged is None
    assert not settle(inputs(replaced(python="3.11", image=ImageTable(base="python:3.11"))), {}).complete()


def test_a_base_that_is_pinned_is_fresh_whatever_its_digest():
    assert stale(TAGGED, based(TAGGED, "sha256:" + "c" * 64)) == []


def test_a_base_by_tag_that_is_not_pinned_is_named():
    assert "profiles/train.toml:8  image.base: python:3.11.9 is not pinned for linux/amd64" in stale(
        TAGGED, based(TAGGED, None)
    )


def test_another_tag_is_another_base():
    other = replaced(image=ImageTable(base="python:3.11.10"))
    (reason, *_) = stale(other, based(TAGGED, "sha256:" + "c" * 64))
    assert "image: the lockfile says otherwise (python:3.11.9 there, python:3.11.10 here)" in reason


@pytest.mark.parametrize("digest", ["sha256:12", "latest", "sha256:" + "C" * 64])
def test_a_base_is_pinned_by_a_digest_alone(digest):
    (reason, *_) = stale(TAGGED, based(TAGGED, digest))
    assert f"tool.envctl.platforms holds {digest!r}, not sha256:<64 hex digits>" in reason


def test_an_image_needs_the_patch_release():
    with pytest.raises(InvalidFile, match="patch release"):
        settle(inputs(replaced(python="3.11", image=ImageTable(base=BASE))), {})


STANDALONE = "https://index.example/cpython-3.11.9%2B20240814-x86_64-unknown-linux-gnu-install_only.tar.gz"


def test_a_standalone_python_says_the_patch_release_itself():
    python = StandalonePython(url=STANDALONE, sha256="d" * 64)
    settled = settle(inputs(replaced(python="3.11", image=ImageTable(base=BASE, python=python))), {})
    assert settled.python.version == "3.11.9"
    assert settled.python.source == "standalone"
    assert settled.python.builds["linux/amd64"].sha256 == "d" * 64


def test_a_standalone_python_of_another_release_is_refused():
    python = StandalonePython(url=STANDALONE, sha256="d" * 64)
    with pytest.raises(InvalidFile, match="another release"):
        settle(inputs(replaced(python="3.12.1", image=ImageTable(base=BASE, python=python))), {})


def test_two_platforms_need_two_standalone_pythons():
    python = StandalonePython(url=STANDALONE, sha256="d" * 64)
    image = ImageTable(base=BASE, python=python)
    with pytest.raises(InvalidFile, match="no standalone Python is given for linux/amd64"):
        settle(inputs(replaced(platforms=("linux/amd64", "linux/arm64"), image=image)), {})


def test_a_python_of_the_os_is_told_by_its_package():
    image = ImageTable(base=BASE, packages=("python3", "libgomp1"))
    settled = settle(inputs(replaced(image=image)), {})
    assert settled.python.source == "os"
    assert settled.image is not None
    assert settled.image.packages == ("libgomp1", "python3")


def test_changes_say_why():
    old = locked(inputs(PROFILE), SETS)
    new_sets = {
        AMD64: [resolved("numpy", "2.2"), resolved("pandas", "2.0", requires=["numpy", "tzdata"]), resolved("tzdata")]
    }
    found = {c.name: c for c in changes(old, locked(inputs(PROFILE), new_sets), inputs(PROFILE))}
    assert found["numpy"].old == "2.1"
    assert found["numpy"].reason == "asked for by numpy>=2 (profiles/train.toml:3)"
    assert found["tzdata"].old is None
    assert found["tzdata"].reason == "needed by pandas 2.0"
    back = {c.name: c for c in changes(locked(inputs(PROFILE), new_sets), old, inputs(PROFILE))}
    assert back["tzdata"].reason == "pandas 2.0 needed it"
