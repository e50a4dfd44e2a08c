"""Packages bound to indexes: where they come from, and what happens when that place fails."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path

import pytest
from support.questions import machine, pins, question, sources
from support.server import JSON, IndexServer
from support.wheels import build_wheel, sha256_of

from envctl.errors import IndexFailed, InvalidFile, NoResolution
from envctl.model.profile import Index
from envctl.resolve.addresses import Addresses
from envctl.resolve.binding import Bindings
from envctl.resolve.interface import Resolution
from envctl.resolve.router import Router
from envctl.resolve.uv import UvResolver

pytestmark = pytest.mark.campaign

CUTOFF = datetime(2026, 6, 1, tzinfo=timezone.utc)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return dict(machine(tmp_path))


@pytest.fixture
def uv(index: IndexServer, environ: Mapping[str, str]) -> UvResolver:
    return UvResolver(default_index=index.url, environ=environ)


@pytest.fixture
def mine() -> Iterator[IndexServer]:
    with IndexServer() as server:
        yield server


def bound(server: IndexServer, *packages: str, name: str = "mine", **more: object) -> Index:
    return Index(name=name, url=server.url, packages=packages, **more)  # type: ignore[arg-type]


def test_a_cpu_and_a_cuda_index_without_hashes_and_times_give_each_variant_its_own_build(
    uv: UvResolver, index: IndexServer, tmp_path: Path
) -> None:
    index.add(build_wheel(tmp_path / "public", "torch", "2.9.0"))
    index.add(build_wheel(tmp_path / "public", "trainer", requires=["torch>=2.8", "torchvision"]))
    index.add(build_wheel(tmp_path / "public", "nvidia-nccl-cu12", "2.27"))
    with IndexServer(json_form=False, relative=True) as cpu, IndexServer(json_form=False, relative=True) as cuda:
        for server, label, requires in ((cpu, "cpu", []), (cuda, "cu128", ["nvidia-nccl-cu12"])):
            for version in ("2.8.0", "2.9.0"):
                wheel = build_wheel(tmp_path / label, "torch", f"{version}+{label}", requires=requires)
                server.add(wheel, upload_time=None, hashed=version == "2.8.0")
            server.add(build_wheel(tmp_path / label, "torchvision", f"0.2+{label}", requires=["torch==2.9.0"]))
        found = {}
        for server, label in ((cpu, "cpu"), (cuda, "cu128")):
            indexes = (bound(server, "torch*", name=f"torch-{label}", exclude_newer=False),)
            found[label] = uv.resolve(question("trainer", indexes=indexes, cutoff=CUTOFF))
        downloads = [path for _, path, headers in cpu.requests if path.startswith("/files") and "range" not in headers]
    assert pins(found["cpu"]) == {"torch": "2.9.0+cpu", "torchvision": "0.2+cpu", "trainer": "1.0"}
    assert pins(found["cu128"]) == {
        "nvidia-nccl-cu12": "2.27",
        "torch": "2.9.0+cu128",
        "torchvision": "0.2+cu128",
        "trainer": "1.0",
    }
    assert sources(found["cu128"])["nvidia-nccl-cu12"] is None
    (torch,) = found["cpu"].pins[0].wheels
    assert torch.url == cpu.file_url("torch-2.9.0+cpu-py3-none-any.whl")
    assert torch.filename == "torch-2.9.0+cpu-py3-none-any.whl"
    assert (torch.sha256, torch.upload_time) == (None, None)
    assert found["cpu"].pins[1].wheels[0].sha256 == sha256_of(tmp_path / "cpu/torchvision-0.2+cpu-py3-none-any.whl")
    assert not index.asked("/simple/torch/")
    assert downloads == [], "metadata is read by range, and nothing is downloaded to learn its hash"


def test_kept_pins_of_a_bound_package_stay(uv: UvResolver, mine: IndexServer, tmp_path: Path) -> None:
    for version in ("1.0+cpu", "2.0+cpu"):
        mine.add(build_wheel(tmp_path, "torch", version))
    asked = question("torch", indexes=(bound(mine, "torch"),), preferences={"torch": "1.0+cpu"})
    assert pins(uv.resolve(asked)) == {"torch": "1.0+cpu"}


def test_exact_names_go_before_globs_and_the_first_index_wins(
    uv: UvResolver, mine: IndexServer, tmp_path: Path
) -> None:
    with IndexServer() as second, IndexServer() as third:
        for number, server in enumerate((mine, second, third), 1):
            for name in ("acme-core", "acme-special", "acme-other"):
                server.add(build_wheel(tmp_path / str(number), name, f"{number}.0"))
        indexes = (
            bound(mine, "acme-o*", name="first"),
            bound(second, "acme-*", name="second"),
            bound(third, "ACME_Special", "acme-core*", name="third"),
        )
        resolution = uv.resolve(question("acme-core", "acme-special", "acme-other", indexes=indexes))
    assert sources(resolution) == {"acme-core": "second", "acme-other": "first", "acme-special": "third"}
    assert pins(resolution) == {"acme-core": "2.0", "acme-other": "1.0", "acme-special": "3.0"}
    asked = {path for server in (mine, second, third) for _, path, _ in server.requests if "/simple/" in path}
    assert asked == {"/simple/acme-core/", "/simple/acme-special/", "/simple/acme-other/"}
    assert len(mine.asked("/simple/")) == len(second.asked("/simple/")) == len(third.asked("/simple/")) == 1


def test_two_indexes_at_one_host_are_told_apart_by_their_credentials(uv: UvResolver, tmp_path: Path) -> None:
    environ = {**machine(tmp_path), "UV_INDEX_TWO_USERNAME": "b", "UV_INDEX_TWO_PASSWORD": "two"}
    with IndexServer("a", "one") as one, IndexServer("b", "two") as two:
        one.add(build_wheel(tmp_path, "left"))
        two.add(build_wheel(tmp_path, "right"))
        indexes = (
            Index(name="one", url=one.with_credentials(), packages=("left",)),
            bound(two, "right", name="two"),
        )
        resolution = UvResolver(environ=environ).resolve(question("left", "right", indexes=indexes))
        assert sources(resolution) == {"left": "one", "right": "two"}
        assert "one@" not in repr(resolution)
        (tmp_path / "home/.netrc").write_text("machine 127.0.0.1 login a password one\n")
        only = question("left", indexes=(bound(one, "left", name="one"),))
        assert pins(UvResolver(environ=machine(tmp_path)).resolve(only)) == {"left": "1.0"}


def test_a_proxy_does_not_stand_between_uv_and_the_router(mine: IndexServer, tmp_path: Path) -> None:
    mine.add(build_wheel(tmp_path, "lib"))
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    for exceptions in ({}, {"NO_PROXY": "index.example"}, {"no_proxy": "index.example"}):
        resolver = UvResolver(environ={**machine(tmp_path), **proxies, **exceptions})
        with pytest.raises(IndexFailed) as caught:
            resolver.resolve(question("lib", indexes=(bound(mine, "lib"),)))
        assert "'mine'" in caught.value.what, "the router was reached; what it asks goes through the proxy"


def test_metadata_beside_the_wheel_is_used_where_the_index_has_it(
    uv: UvResolver, mine: IndexServer, tmp_path: Path
) -> None:
    wheel = build_wheel(tmp_path, "lib")
    url = mine.add(wheel)
    row = {"filename": wheel.name, "url": f"{url}?signature=1", "hashes": {}, "core-metadata": True}
    body = json.dumps({"meta": {"api-version": "1.0"}, "name": "lib", "files": [row]}).encode()
    mine.page("/simple/lib/", body, JSON)
    mine.page(f"/files/{wheel.name}.metadata", b"Metadata-Version: 2.1\nName: lib\nVersion: 1.0\n", "text/plain")
    resolution = uv.resolve(question("lib", indexes=(bound(mine, "lib"),)))
    assert resolution.pins[0].wheels[0].url == f"{url}?signature=1"
    assert [path for _, path, _ in mine.asked("/files/")] == [f"/files/{wheel.name}.metadata"]


def test_metadata_that_is_promised_but_missing_is_read_out_of_the_wheel(
    uv: UvResolver, mine: IndexServer, tmp_path: Path
) -> None:
    wheel = build_wheel(tmp_path, "lib", files={f"lib/{number}.py": bytes(99) for number in range(3000)})
    row = {"filename": wheel.name, "url": mine.add(wheel), "hashes": {}, "core-metadata": True}
    body = json.dumps({"meta": {"api-version": "1.0"}, "name": "lib", "files": [row]}).encode()
    mine.page("/simple/lib/", body, JSON)
    assert pins(uv.resolve(question("lib", indexes=(bound(mine, "lib"),)))) == {"lib": "1.0"}


def test_without_upload_times_a_cutoff_hides_everything_and_the_hint_says_what_to_write(
    uv: UvResolver, mine: IndexServer, tmp_path: Path
) -> None:
    mine.add(build_wheel(tmp_path, "torch", "2.0+cpu"), upload_time=None)
    for asked in ("torch", "torch==2.0"):
        with pytest.raises(NoResolution) as caught:
            uv.resolve(question(asked, indexes=(bound(mine, "torch", name="torch-cpu"),), cutoff=CUTOFF))
        assert "the index 'torch-cpu' does not say when torch was uploaded" in (caught.value.hint or "")
        assert "exclude-newer = false" in (caught.value.hint or "")


def test_a_version_that_the_bound_index_lacks_is_not_offered_from_elsewhere(
    uv: UvResolver, index: IndexServer, mine: IndexServer, tmp_path: Path
) -> None:
    mine.add(build_wheel(tmp_path / "mine", "acme", "1.0"))
    index.add(build_wheel(tmp_path / "public", "acme", "2.0"))
    with pytest.raises(NoResolution) as caught:
        uv.resolve(question("acme>=2", indexes=(bound(mine, "acme"),)))
    assert "the index 'mine' has acme, but no version that fits" in (caught.value.hint or "")
    assert "127.0.0.1" not in str(caught.value)
    assert index.requests == []


def test_a_bound_package_cannot_be_asked_for_by_address(
    uv: UvResolver, index: IndexServer, mine: IndexServer, tmp_path: Path
) -> None:
    url = index.add(build_wheel(tmp_path, "acme", "2.0"))
    with pytest.raises(NoResolution, match="is bound to the index 'mine'") as caught:
        uv.resolve(question(f"acme @ {url}", indexes=(bound(mine, "acme"),)))
    assert caught.value.place() == "profiles/base.toml:10"


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ({"status": 500}, "500"),
        ({"status": 401}, "401"),
        ({"status": 403}, "403"),
        ({"body": b"<html"}, "page"),
        ({"body": b"\xff\xfe garbage"}, "page"),
        ({"cut": 30}, "broke"),
        ({"drop": True}, "broke"),
        ({"redirect": "http://127.0.0.1:1/elsewhere"}, "refused"),
    ],
)
def test_a_bound_index_that_fails_is_named_and_nothing_else_is_asked(
    fault: dict[str, object], word: str, uv: UvResolver, index: IndexServer, mine: IndexServer, tmp_path: Path
) -> None:
    index.add(build_wheel(tmp_path, "app", requires=["acme"]))
    index.add(build_wheel(tmp_path, "acme", "9.0"))
    mine.add(build_wheel(tmp_path / "mine", "acme"))
    mine.fault("/simple/", **fault)
    with pytest.raises(IndexFailed) as caught:
        uv.resolve(question("app", indexes=(bound(mine, "acme", name="team"),)))
    assert "the index 'team' failed" in caught.value.what
    assert word in str(caught.value)
    assert not index.asked("/simple/acme")


@pytest.mark.parametrize("fault", [{"status": 404}, {"status": 500}, {"body": b"no archive"}, {"cut": 10}])
def test_a_wheel_of_a_bound_index_that_cannot_be_read_fails_the_index(
    fault: dict[str, object], uv: UvResolver, mine: IndexServer, tmp_path: Path
) -> None:
    mine.add(build_wheel(tmp_path, "acme"))
    mine.fault("/files/", **fault)
    with pytest.raises(IndexFailed) as caught:
        uv.resolve(question("acme", indexes=(bound(mine, "acme", name="team"),)))
    assert "the index 'team' failed" in caught.value.what
    assert caught.value.file == mine.file_url("acme-1.0-py3-none-any.whl")


def test_a_bound_index_that_is_not_there_fails(uv: UvResolver) -> None:
    gone = Index(name="gone", url="http://127.0.0.1:1/simple", packages=("acme",))
    with pytest.raises(IndexFailed, match="the index 'gone' failed"):
        uv.resolve(question("acme", indexes=(gone,)))


def test_two_indexes_cannot_both_replace_the_default(uv: UvResolver, mine: IndexServer) -> None:
    with pytest.raises(InvalidFile, match="'a' and 'b'"):
        uv.resolve(question("lib", indexes=(Index(name="a", url=mine.url), Index(name="b", url=mine.url))))


def test_offline_a_bound_package_comes_from_what_was_read_before_or_not_at_all(
    uv: UvResolver, index: IndexServer, mine: IndexServer, tmp_path: Path
) -> None:
    index.add(build_wheel(tmp_path / "public", "acme", "9.0"))
    mine.add(build_wheel(tmp_path / "mine", "acme", "1.0"), hashed=False, upload_time=None)
    assert pins(uv.resolve(question("acme"))) == {"acme": "9.0"}
    indexes = (bound(mine, "acme", exclude_newer=False),)
    with pytest.raises(IndexFailed, match="offline"):
        uv.resolve(question("acme", indexes=indexes, cutoff=CUTOFF, offline=True))
    online = uv.resolve(question("acme", indexes=indexes, cutoff=CUTOFF))
    asked = len(mine.requests), len(index.requests)
    again: Resolution = uv.resolve(question("acme", indexes=indexes, cutoff=CUTOFF, offline=True))
    assert again == online
    assert sources(again) == {"acme": "mine"}
    assert (len(mine.requests), len(index.requests)) == asked


def test_a_second_resolution_reads_the_metadata_of_bound_wheels_from_uvs_cache(
    uv: UvResolver, mine: IndexServer, tmp_path: Path
) -> None:
    mine.add(build_wheel(tmp_path, "acme"))
    asked = question("acme", indexes=(bound(mine, "acme"),))
    first = uv.resolve(asked)
    mine.requests.clear()
    assert uv.resolve(asked) == first
    assert [path for _, path, _ in mine.requests] == ["/simple/acme/"]


def test_the_router_takes_another_port_when_its_own_is_taken(uv: UvResolver, mine: IndexServer, tmp_path: Path) -> None:
    mine.add(build_wheel(tmp_path, "acme"))
    indexes = (bound(mine, "acme"),)
    ports = Addresses(Bindings.of(indexes)).ports()
    taken = [socket.create_server(("127.0.0.1", port)) for port in ports if port]
    try:
        assert pins(uv.resolve(question("acme", indexes=indexes))) == {"acme": "1.0"}
    finally:
        for listener in taken:
            listener.close()


def test_the_router_answers_nobody_without_the_sessions_password(
    environ: Mapping[str, str], mine: IndexServer, tmp_path: Path
) -> None:
    import base64
    import urllib.error
    import urllib.request

    mine.add(build_wheel(tmp_path, "acme"))
    with Router.session(Bindings.of((bound(mine, "acme"),)), environ) as (session, addresses):

        def status(path: str, user: str, password: str) -> int:
            secret = base64.b64encode(f"{user}:{password}".encode()).decode()
            request = urllib.request.Request(
                f"{addresses.root}/{path}", headers={"Authorization": f"Basic {secret}"} if user else {}
            )
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            try:
                with opener.open(request, timeout=10) as answer:
                    return int(answer.status)
            except urllib.error.HTTPError as error:
                error.close()
                return error.code

        assert status("0/simple/acme/", session.user, session.password) == 200
        assert status("0/simple/other/", session.user, session.password) == 404
        assert status("1/simple/acme/", session.user, session.password) == 404
        assert status("0/file/-/bm90IGEgdXJs/x.whl.metadata", session.user, session.password) == 404
        for user, password in (("", ""), (session.user, ""), (session.user, "guess"), ("someone", session.password)):
            assert status("0/simple/acme/", user, password) == 401
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", addresses.port or 0), timeout=5)
