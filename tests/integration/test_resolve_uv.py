"""uv behind the resolver's interface, against real indexes on the loopback."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.questions import machine, pins, question
from support.server import IndexServer
from support.wheels import build_wheel, sha256_of

pytest.register_assert_rewrite("integration.resolver_contract")
from integration.resolver_contract import ResolverContract  # noqa: E402  # after the registration

from envctl.errors import IndexFailed, InvalidFile, NoResolution, ToolFailed  # noqa: E402
from envctl.model.platform import Libc, Platform  # noqa: E402
from envctl.model.profile import Index  # noqa: E402
from envctl.resolve.installer import resolve_installer  # noqa: E402
from envctl.resolve.interface import Resolver  # noqa: E402
from envctl.resolve.uv import UvResolver  # noqa: E402


class TestUvKeepsTheContract(ResolverContract):
    def make(self, default_index: str | None, environ: Mapping[str, str]) -> Resolver:
        return UvResolver(default_index=default_index, environ=environ)


@pytest.fixture
def environ(tmp_path: Path) -> Mapping[str, str]:
    return machine(tmp_path)


@pytest.fixture
def uv(index: IndexServer, environ: Mapping[str, str]) -> UvResolver:
    return UvResolver(default_index=index.url, environ=environ)


def test_uvs_own_default_index_is_found_without_a_request(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://index.example/elsewhere")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    found = UvResolver(environ=machine(tmp_path)).default_index()
    assert found.startswith("https://")
    assert "index.example" not in found


def test_nothing_that_the_machine_configures_reaches_the_resolution(
    index: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    links = tmp_path / "links"
    build_wheel(links, "lib", "9.0")
    index.add(build_wheel(tmp_path, "lib", "1.0"))
    poison = f'find-links = ["{links}"]\nindex-url = "{links.as_uri()}"\nprerelease = "allow"\nresolution = "lowest"\n'
    for place in ("home/.config/uv", "xdg/uv", "dirs/uv", "scratch"):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "uv.toml").write_text(poison)
    (tmp_path / "home/.config/pip").mkdir(parents=True)
    (tmp_path / "home/.config/pip/pip.conf").write_text(f"[global]\nfind-links = {links}\n")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    polluted = {
        **machine(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "xdg"),
        "XDG_CONFIG_DIRS": str(tmp_path / "dirs"),
        "UV_CONFIG_FILE": str(tmp_path / "xdg/uv/uv.toml"),
        "PIP_CONFIG_FILE": str(tmp_path / "home/.config/pip/pip.conf"),
        "PIP_FIND_LINKS": str(links),
        "UV_FIND_LINKS": str(links),
        "PIP_EXTRA_INDEX_URL": links.as_uri(),
        "UV_EXTRA_INDEX_URL": links.as_uri(),
        "UV_INDEX": links.as_uri(),
        "UV_DEFAULT_INDEX": links.as_uri(),
        "UV_OVERRIDE": str(tmp_path / "nowhere.txt"),
        "UV_CONSTRAINT": str(tmp_path / "nowhere.txt"),
        "UV_EXCLUDE": str(tmp_path / "nowhere.txt"),
        "UV_EXCLUDE_NEWER": "2001-01-01",
        "UV_RESOLUTION": "lowest",
        "UV_PRERELEASE": "allow",
        "UV_OFFLINE": "1",
        "UV_PYTHON": "3.9",
        "UV_NO_CONFIG": "1",
        "UV_TORCH_BACKEND": "cpu",
        "VIRTUAL_ENV": str(tmp_path),
        "PYTHONPATH": str(tmp_path),
    }
    resolution = UvResolver(default_index=index.url, environ=polluted).resolve(question("lib"))
    assert pins(resolution) == {"lib": "1.0"}
    assert resolution.pins[0].wheels[0].url.startswith(index.root)


def test_what_is_written_and_run_holds_no_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: IndexServer
) -> None:
    from envctl.resolve import uv as module

    seen: list[str] = []
    real = module.run

    def spy(command: list[str], *, cwd: Path, **more: object) -> object:
        seen.extend(command)
        seen.extend(path.read_text() for path in cwd.iterdir() if path.is_file())
        done = real(command, cwd=cwd, **more)  # type: ignore[arg-type]
        seen.extend(path.read_text() for path in cwd.iterdir() if path.is_file())
        return done

    monkeypatch.setattr(module, "run", spy)
    with IndexServer("user", "s3cret-word") as private:
        private.add(build_wheel(tmp_path / "mine", "acme"))
        index.add(build_wheel(tmp_path, "lib"))
        bound = Index(name="acme", url=private.with_credentials(), packages=("acme",))
        resolver = UvResolver(default_index=index.url.replace("://", "://u:0ther-word@"), environ=machine(tmp_path))
        resolution = resolver.resolve(question("lib", "acme", indexes=(bound,)))
    assert pins(resolution) == {"acme": "1.0", "lib": "1.0"}
    text = "\n".join([*seen, repr(resolution)])
    assert "lib" in text
    assert "s3cret-word" not in text
    assert "0ther-word" not in text


@pytest.mark.parametrize("way", ["address", "netrc", "environment"])
def test_an_index_behind_a_password_opens_with_credentials_from(way: str, tmp_path: Path) -> None:
    environ = dict(machine(tmp_path))
    with IndexServer("user", "s3cret") as private:
        private.add(build_wheel(tmp_path, "lib", requires=["dep"]))
        private.add(build_wheel(tmp_path, "dep"))
        if way == "address":
            resolver = UvResolver(default_index=private.with_credentials(), environ=environ)
            asked = question("lib")
        elif way == "netrc":
            (tmp_path / "netrc").write_text("machine 127.0.0.1 login user password s3cret\n")
            resolver = UvResolver(default_index=private.url, environ={**environ, "NETRC": str(tmp_path / "netrc")})
            asked = question("lib")
        else:
            environ |= {"UV_INDEX_TEAM_1_USERNAME": "user", "UV_INDEX_TEAM_1_PASSWORD": "s3cret"}
            resolver = UvResolver(environ=environ)
            asked = question("lib", indexes=(Index(name="team-1", url=private.url),))
        resolution = resolver.resolve(asked)
    assert pins(resolution) == {"dep": "1.0", "lib": "1.0"}
    assert resolution.pins[0].wheels[0].url.startswith(private.root)


def test_a_password_that_is_missing_or_wrong_is_a_refusal_not_an_unknown_package(tmp_path: Path) -> None:
    with IndexServer("user", "s3cret") as private:
        private.add(build_wheel(tmp_path, "lib"))
        for url in (private.url, private.with_credentials(password="wrong")):
            with pytest.raises(IndexFailed) as caught:
                UvResolver(default_index=url, environ=machine(tmp_path)).resolve(question("lib"))
            assert caught.value.file == private.url
            assert "401" in (caught.value.found or "")
            assert "netrc" in (caught.value.hint or "")
            assert "wrong" not in str(caught.value)


def test_a_requirement_may_name_its_wheel_by_address(uv: UvResolver, index: IndexServer, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, "model", "3.1", requires=["lib"])
    url = index.add(wheel)
    index.add(build_wheel(tmp_path, "lib"))
    resolution = uv.resolve(question(f"model @ {url}"))
    assert pins(resolution) == {"lib": "1.0", "model": "3.1"}
    (candidate,) = resolution.pins[1].wheels
    assert (candidate.url, candidate.filename, candidate.sha256) == (url, wheel.name, sha256_of(wheel))


@pytest.mark.parametrize(
    "address",
    [
        "file:///somewhere/lib-1.0-py3-none-any.whl",
        "git+https://index.example/lib.git",
        "https://index.example/lib-1.0.tar.gz",
        "https://user:s3cret@index.example/lib-1.0-py3-none-any.whl",
        "./lib-1.0-py3-none-any.whl",
    ],
)
def test_an_address_that_cannot_stand_in_a_lockfile_is_refused(address: str, uv: UvResolver) -> None:
    with pytest.raises(InvalidFile) as caught:
        uv.resolve(question("other", f"lib[extra] @ {address} ; python_version >= '3'"))
    assert caught.value.place() == "profiles/base.toml:11"
    assert "s3cret" not in str(caught.value)


def test_a_requirement_named_like_the_asking_project_is_not_swallowed(uv: UvResolver) -> None:
    from envctl.resolve.asking import PROJECT

    with pytest.raises(InvalidFile, match=PROJECT):
        uv.resolve(question(PROJECT))


def test_an_index_with_a_cutoff_of_its_own_or_none_is_not_ruled_by_the_profiles(uv: UvResolver, tmp_path: Path) -> None:
    from integration.resolver_contract import day

    with IndexServer() as mine:
        mine.add(build_wheel(tmp_path, "lib", "1.0"), upload_time="2026-01-01T00:00:00Z")
        mine.add(build_wheel(tmp_path, "lib", "2.0"), upload_time="2026-01-05T00:00:00Z")
        mine.add(build_wheel(tmp_path, "lib", "3.0"), upload_time=None)
        found = {}
        for own in (True, False, "2026-01-05T00:00:00Z", "2026-01-05T01:00:00+01:00", "2026-01-06"):
            for packages in ((), ("lib",)):
                indexes = (Index(name="mine", url=mine.url, packages=packages, exclude_newer=own),)
                found[own, packages] = pins(uv.resolve(question("lib", indexes=indexes, cutoff=day(2))))["lib"]
        assert found == {
            (own, packages): {True: "1.0", False: "3.0"}.get(own, "2.0")  # type: ignore[call-overload]
            for own, packages in found
        }
        span = (Index(name="mine", url=mine.url, exclude_newer="7 days"),)
        with pytest.raises(InvalidFile, match="cutoff"):
            uv.resolve(question("lib", indexes=span))


def test_resolutions_run_side_by_side_without_mixing(tmp_path: Path, index: IndexServer) -> None:
    with IndexServer() as mine:
        for name, tag in (("lib", "py3-none-manylinux_2_28_x86_64"), ("lib", "py3-none-manylinux_2_28_aarch64")):
            mine.add(build_wheel(tmp_path, name, tag=tag))
        index.add(build_wheel(tmp_path, "app", requires=["lib"]))
        uv = UvResolver(default_index=index.url, environ=machine(tmp_path))
        bound = (Index(name="mine", url=mine.url, packages=("lib",)),)
        platforms = ["linux/amd64", "linux/arm64"] * 3
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda p: uv.resolve(question("app", platform=p, indexes=bound)), platforms))
    machines = [answer.pins[1].wheels[0].filename.rpartition("_2_28_")[2] for answer in answers]
    assert machines == ["x86_64.whl", "aarch64.whl"] * 3


def test_the_resolution_is_ended_when_it_takes_too_long(index: IndexServer, tmp_path: Path) -> None:
    index.add(build_wheel(tmp_path, "lib"))
    index.fault("/simple/", delay=20)
    with pytest.raises(IndexFailed, match="could not be resolved within 1 s"):
        UvResolver(default_index=index.url, environ=machine(tmp_path), timeout=1).resolve(question("lib"))


def test_uv_that_ends_well_without_an_answer_is_a_failure(
    uv: UvResolver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from envctl.resolve import uv as module

    fake = tmp_path / "uv"
    monkeypatch.setattr(module, "binary", lambda: fake)
    for body in ("exit 0", "echo 'packages = 3' > pylock.toml", "echo 'lock-version = \"9.0\"' > pylock.toml"):
        fake.write_text(f"#!/bin/sh\n{body}\n")
        fake.chmod(0o755)
        with pytest.raises(ToolFailed, match="answer"):
            uv.resolve(question("lib"))


def test_an_answer_that_breaks_the_rules_of_the_question_is_refused(
    uv: UvResolver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from integration.resolver_contract import day

    from envctl.resolve import uv as module

    fake = tmp_path / "uv"
    wheel = '{ url = "https://index.example/lib-1.0-py3-none-any.whl", upload-time = 2026-01-03T00:00:00Z }'
    answer = f'lock-version = "1.0"\n[[packages]]\nname = "lib"\nversion = "1.0"\nwheels = [{wheel}]'
    fake.write_text(f"#!/bin/sh\ncat > pylock.toml <<'END'\n{answer}\nEND\n")
    fake.chmod(0o755)
    monkeypatch.setattr(module, "binary", lambda: fake)
    assert pins(uv.resolve(question("lib", cutoff=day(3)))) == {"lib": "1.0"}
    with pytest.raises(ToolFailed, match="after the cutoff"):
        uv.resolve(question("lib", cutoff=day(2)))
    bound = (Index(name="mine", url="https://index.example/simple", packages=("lib",)),)
    with pytest.raises(ToolFailed, match="elsewhere than the index 'mine'"):
        uv.resolve(question("lib", indexes=bound))


def test_without_bound_indexes_nothing_heavy_is_imported() -> None:
    import subprocess

    code = "import sys, envctl.resolve.uv; print([m for m in ('httpx', 'httpcore', 'http.server') if m in sys.modules])"
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_installer_has_one_version_for_all_platforms(index: IndexServer, tmp_path: Path) -> None:
    both = [Platform.parse("linux/amd64"), Platform.parse("linux/arm64")]
    wheels = {
        (version, machine_): build_wheel(tmp_path, "uv", version, tag=f"py3-none-manylinux_2_17_{machine_}")
        for version, machine_ in (("1.0", "x86_64"), ("1.0", "aarch64"), ("2.0", "x86_64"), ("2.0", "aarch64"))
    }
    for (version, _), wheel in wheels.items():
        index.add(wheel, upload_time=f"2026-01-0{version[0]}T00:00:00Z")
    uv = UvResolver(default_index=index.url, environ=machine(tmp_path))

    def installer(version: str | None = None, cutoff: object = None) -> object:
        return resolve_installer(
            uv,
            cutoff=cutoff,
            platforms=both,
            libc=Libc.parse("glibc 2.28"),
            python="3.11.9",
            version=version,  # type: ignore[arg-type]
        )

    from integration.resolver_contract import day

    newest, asked, past = installer(), installer("1.0"), installer(cutoff=day(1))
    assert newest.version == "2.0"  # type: ignore[attr-defined]
    assert newest.sha256 == {  # type: ignore[attr-defined]
        "linux/amd64": sha256_of(wheels["2.0", "x86_64"]),
        "linux/arm64": sha256_of(wheels["2.0", "aarch64"]),
    }
    assert asked == past
    assert asked.version == "1.0"  # type: ignore[attr-defined]
    with pytest.raises(NoResolution, match="installer uv"):
        installer("7.0")


def test_an_installer_needs_a_platform_and_a_digest(tmp_path: Path) -> None:
    with IndexServer() as mine:
        mine.add(build_wheel(tmp_path, "uv"), hashed=False)
        uv = UvResolver(environ=machine(tmp_path))
        indexes = (Index(name="mine", url=mine.url, packages=("uv",)),)
        for platforms, kind in (([], ValueError), ([Platform.parse("linux/amd64")], IndexFailed)):
            with pytest.raises(kind):
                resolve_installer(
                    uv,
                    cutoff=None,
                    platforms=platforms,
                    libc=Libc.parse("glibc 2.28"),
                    python="3.11.9",
                    indexes=indexes,
                )
