"""What every resolver must do, whatever tool it drives. An adapter's test subclasses `ResolverContract`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path

import pytest
from support.questions import machine, pins, question, required, sources
from support.server import IndexServer
from support.wheels import build_wheel, sha256_of

from envctl.errors import IndexFailed, NoResolution
from envctl.model.profile import Index
from envctl.resolve.interface import Resolver


def day(number: int) -> datetime:
    """That day of January 2026."""
    return datetime(2026, 1, number, tzinfo=timezone.utc)


class ResolverContract:
    """Subclasses say how to make the resolver."""

    def make(self, default_index: str | None, environ: Mapping[str, str]) -> Resolver:
        """The resolver under test."""
        raise NotImplementedError

    @pytest.fixture
    def environ(self, tmp_path: Path) -> dict[str, str]:
        return dict(machine(tmp_path))

    @pytest.fixture
    def resolver(self, index: IndexServer, environ: dict[str, str]) -> Resolver:
        return self.make(index.url, environ)

    @pytest.fixture
    def other(self) -> Iterator[IndexServer]:
        with IndexServer() as server:
            yield server

    def test_pins_hold_the_newest_versions_with_all_that_the_index_says_of_their_wheels(
        self, resolver: Resolver, index: IndexServer, tmp_path: Path
    ) -> None:
        index.add(build_wheel(tmp_path, "app", "1.0", requires=["Lib_Two>=1"]))
        old, new = (build_wheel(tmp_path, "lib-two", version) for version in ("1.0", "1.1"))
        index.add(old)
        url = index.add(new, upload_time="2026-01-02T03:04:05Z")
        resolution = resolver.resolve(question("app"))
        assert pins(resolution) == {"app": "1.0", "lib-two": "1.1"}
        (wheel,) = resolution.pins[1].wheels
        assert wheel.filename == new.name
        assert wheel.url == url
        assert wheel.sha256 == sha256_of(new)
        assert wheel.upload_time == datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
        assert resolution.pins[1].index is None

    def test_nothing_asked_for_is_an_empty_resolution(self, resolver: Resolver) -> None:
        assert resolver.resolve(question()).pins == ()

    def test_preferences_are_kept_until_something_forces_a_change(
        self, resolver: Resolver, index: IndexServer, tmp_path: Path
    ) -> None:
        for version in ("1.0", "1.1", "2.0"):
            index.add(build_wheel(tmp_path, "lib", version))
        preferences = {"lib": "1.1", "gone": "3.0"}
        assert pins(resolver.resolve(question("lib", preferences=preferences))) == {"lib": "1.1"}
        assert pins(resolver.resolve(question("lib!=1.1", preferences=preferences))) == {"lib": "2.0"}
        assert pins(resolver.resolve(question("lib", preferences={"lib": "7.0"}))) == {"lib": "2.0"}

    def test_constraints_narrow_overrides_replace_and_what_is_excluded_stays_out(
        self, resolver: Resolver, index: IndexServer, tmp_path: Path
    ) -> None:
        for version in ("1.0", "2.0", "3.0"):
            index.add(build_wheel(tmp_path, "lib", version))
        index.add(build_wheel(tmp_path, "app", requires=["lib>=3", "heavy"]))
        constrained = question("lib", constraints=required("constraints", "lib<3", "nobody-asks-for-it==1"))
        assert pins(resolver.resolve(constrained)) == {"lib": "2.0"}
        replaced = question("app", overrides=["lib==1.0"], exclude=["Heavy"])
        assert pins(resolver.resolve(replaced)) == {"app": "1.0", "lib": "1.0"}

    def test_the_cutoff_admits_what_was_uploaded_at_that_moment_and_nothing_later(
        self, resolver: Resolver, index: IndexServer, tmp_path: Path
    ) -> None:
        for number in (1, 2, 3):
            index.add(build_wheel(tmp_path, "lib", f"{number}.0"), upload_time=f"2026-01-0{number}T00:00:00.250Z")
        assert pins(resolver.resolve(question("lib", cutoff=day(2)))) == {"lib": "2.0"}
        assert pins(resolver.resolve(question("lib", cutoff=day(9)))) == {"lib": "3.0"}

    def test_markers_are_decided_for_the_asked_platform_and_patch_release(
        self, resolver: Resolver, index: IndexServer, tmp_path: Path
    ) -> None:
        for name in ("arm", "intel", "old", "new", "win"):
            index.add(build_wheel(tmp_path, name))
        asked = [
            "arm; platform_machine == 'aarch64'",
            "intel; platform_machine == 'x86_64'",
            "old; python_full_version < '3.11.9'",
            "new; python_full_version == '3.11.9'",
            "win; sys_platform == 'win32'",
        ]
        assert pins(resolver.resolve(question(*asked))).keys() == {"intel", "new"}
        arm = question(*asked, platform="linux/arm64", python="3.11.8")
        assert pins(resolver.resolve(arm)).keys() == {"arm", "old"}

    def test_a_version_whose_wheels_do_not_fit_the_platform_is_passed_over(
        self, resolver: Resolver, index: IndexServer, tmp_path: Path
    ) -> None:
        index.add(build_wheel(tmp_path, "lib", "1.0", tag="cp311-cp311-manylinux_2_17_x86_64"))
        index.add(build_wheel(tmp_path, "lib", "2.0", tag="cp311-cp311-manylinux_2_34_x86_64"))
        index.add(build_wheel(tmp_path, "lib", "3.0", tag="cp311-cp311-musllinux_1_2_aarch64"))
        assert pins(resolver.resolve(question("lib"))) == {"lib": "1.0"}
        assert pins(resolver.resolve(question("lib", libc="glibc 2.36"))) == {"lib": "2.0"}
        musl = question("lib", libc="musl 1.2", platform="linux/arm64")
        assert pins(resolver.resolve(musl)) == {"lib": "3.0"}

    def test_a_source_distribution_is_no_candidate(
        self, resolver: Resolver, index: IndexServer, tmp_path: Path
    ) -> None:
        index.add(build_wheel(tmp_path, "lib", "1.0"))
        (tmp_path / "lib-2.0.tar.gz").write_bytes(b"source")
        index.add(tmp_path / "lib-2.0.tar.gz")
        assert pins(resolver.resolve(question("lib"))) == {"lib": "1.0"}
        with pytest.raises(NoResolution):
            resolver.resolve(question("lib>=2"))

    def test_what_is_impossible_names_who_asks_for_it_and_where(
        self, resolver: Resolver, index: IndexServer, tmp_path: Path
    ) -> None:
        for version in ("1.0", "2.0"):
            index.add(build_wheel(tmp_path, "lib", version))
        index.add(build_wheel(tmp_path, "needs-new", requires=["lib>=2"]))
        with pytest.raises(NoResolution) as caught:
            resolver.resolve(question("lib<2", "needs-new"))
        assert "train:cpu for linux/amd64" in caught.value.what
        told = "\n".join(caught.value.details)
        assert "lib<2 (profiles/base.toml:10)" in told
        assert "needs-new (profiles/base.toml:11)" in told

    def test_an_index_that_fails_is_no_missing_solution(
        self, resolver: Resolver, index: IndexServer, tmp_path: Path
    ) -> None:
        index.add(build_wheel(tmp_path, "lib"))
        index.fault("/simple/lib", status=500)
        with pytest.raises(IndexFailed) as caught:
            resolver.resolve(question("lib"))
        assert index.root in caught.value.place()

    def test_offline_nothing_is_asked_and_what_was_read_before_is_enough(
        self, resolver: Resolver, index: IndexServer, tmp_path: Path
    ) -> None:
        index.add(build_wheel(tmp_path, "lib"))
        online = resolver.resolve(question("lib"))
        index.requests.clear()
        assert resolver.resolve(question("lib", offline=True)) == online
        with pytest.raises(IndexFailed, match="offline"):
            resolver.resolve(question("never-read", offline=True))
        assert index.requests == []

    def test_a_bound_package_comes_from_its_index_alone_also_when_only_reached_transitively(
        self, resolver: Resolver, index: IndexServer, other: IndexServer, tmp_path: Path
    ) -> None:
        index.add(build_wheel(tmp_path, "app", requires=["Acme.Core", "plain"]))
        index.add(build_wheel(tmp_path, "plain"))
        index.add(build_wheel(tmp_path / "public", "acme-core", "9.0"))
        mine = build_wheel(tmp_path / "mine", "acme-core", "1.0", requires=["acme_helpers"])
        url = other.add(mine)
        other.add(build_wheel(tmp_path / "mine", "acme-helpers", "1.0"))
        other.add(build_wheel(tmp_path / "mine", "plain", "9.0"))
        bound = Index(name="acme", url=other.url, packages=("acme-*",))
        resolution = resolver.resolve(question("app", indexes=(bound,)))
        assert pins(resolution) == {"acme-core": "1.0", "acme-helpers": "1.0", "app": "1.0", "plain": "1.0"}
        assert sources(resolution) == {"acme-core": "acme", "acme-helpers": "acme", "app": None, "plain": None}
        assert resolution.pins[0].wheels[0].url == url
        assert resolution.pins[0].wheels[0].sha256 == sha256_of(mine)
        assert not index.asked("/simple/acme")
        assert not index.asked("/files/acme")
        assert not other.asked("/simple/app")
        assert not other.asked("/simple/plain")

    def test_a_bound_package_that_its_index_lacks_is_not_looked_for_elsewhere(
        self, resolver: Resolver, index: IndexServer, other: IndexServer, tmp_path: Path
    ) -> None:
        index.add(build_wheel(tmp_path, "acme-core", "9.0"))
        bound = Index(name="acme", url=other.url, packages=("acme-*",))
        with pytest.raises(NoResolution) as caught:
            resolver.resolve(question("acme-core", indexes=(bound,)))
        assert "acme-core is not in the index 'acme', to which it is bound" in "\n".join(caught.value.details)
        assert index.requests == []

    def test_an_index_without_packages_replaces_the_default_index(
        self, resolver: Resolver, index: IndexServer, other: IndexServer, tmp_path: Path
    ) -> None:
        index.add(build_wheel(tmp_path / "public", "lib", "9.0"))
        other.add(build_wheel(tmp_path / "mine", "lib", "1.0"))
        resolution = resolver.resolve(question("lib", indexes=(Index(name="mine", url=other.url),)))
        assert pins(resolution) == {"lib": "1.0"}
        assert index.requests == []

    def test_the_default_index_is_the_machines_mirror_without_its_credentials(
        self, index: IndexServer, environ: dict[str, str]
    ) -> None:
        resolver = self.make(index.url.replace("://", "://user:secret@"), environ)
        assert resolver.default_index() == index.url
