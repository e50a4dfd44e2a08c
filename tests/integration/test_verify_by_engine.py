"""An image that only the engine can read: merged by it, and held against the base's own layers, wherever these are."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from support.attacked import SITE, Victim

from envctl.oci import contents, engine, store
from envctl.oci.engine import Engine


@pytest.fixture(autouse=True)
def through_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_STORES", ())  # as of an engine whose files are not at hand


@pytest.fixture
def evil(victim: Victim) -> str:
    """An image with one deed in the environment, and one in the base's folders."""
    return victim.derive("by-engine", f"RUN echo 1 > {SITE}/gamma/extra.py; echo >> /usr/lib/python3.11/this.py")


FOUND = {("ENV203", "lib/python3.11/site-packages/gamma/extra.py"), ("ENV502", "/usr/lib/python3.11/this.py")}


def found(victim: Victim, tag: str, *args: object) -> set[tuple[str, str]]:
    done = victim.verify("--image", tag, *args)
    assert done.status in (0, 1), done.err
    return {(finding["code"], finding["path"]) for finding in done.json["findings"]}


def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the engine is asked to send from now on."""
    targets: list[str] = []
    real = engine.download

    def noted(path: str, target: str, *, seconds: float) -> Iterator[bytes]:
        targets.append(target.rpartition("/")[2])
        return real(path, target, seconds=seconds)

    monkeypatch.setattr(engine, "download", noted)
    return targets


def containers(victim: Victim) -> list[str]:
    return victim.engine.run("ps", "--all", "--quiet").stdout.split()


def test_the_image_is_exported_and_its_base_saved_and_no_container_is_left(victim, evil, monkeypatch):
    before, targets = containers(victim), asked(monkeypatch)
    assert found(victim, victim.image) == set()
    assert found(victim, evil) == FOUND
    assert sorted(targets) == ["export"] * 2 + ["get"] * 2
    assert containers(victim) == before


def test_an_image_with_a_volume_leaves_none(victim):
    volumes = victim.engine.run("volume", "ls", "--quiet").stdout
    tag = victim.derive("volume", "VOLUME /data")
    assert found(victim, tag) == set()
    assert victim.engine.run("volume", "ls", "--quiet").stdout == volumes


def test_where_the_base_is_not_at_hand_all_layers_are_saved(victim, evil, monkeypatch):
    real = Engine.image
    base = victim.project.lockfile().envctl.image.base.partition("@")[2]
    monkeypatch.setattr(Engine, "image", lambda self, name: None if base in name else real(self, name))
    targets = asked(monkeypatch)
    assert found(victim, evil) == FOUND
    assert targets == ["get"]


def test_where_no_container_may_be_made_all_layers_are_saved(victim, evil, monkeypatch):
    def refused(*_: object, **__: object) -> None:
        raise OSError("authorization denied by plugin")

    import docker

    monkeypatch.setattr(docker.APIClient, "create_container", refused)
    targets = asked(monkeypatch)
    assert found(victim, evil) == FOUND
    assert targets == ["get"]


def test_layers_that_are_not_the_bases_do_not_stand_for_it(victim, evil, monkeypatch):
    real = contents.read_layer

    def other(*args: object, **kwargs: object) -> contents.Layer:
        layer = real(*args, **kwargs)  # type: ignore[arg-type]
        if kwargs["keep"] is contents.NOTHING.keep:
            layer.diff_id = f"sha256:{'0' * 64}"
        return layer

    monkeypatch.setattr(contents, "read_layer", other)
    done = victim.verify("--image", evil)
    assert (done.status, done.out) == (3, "")
    assert "holds no layer of a digest that the configuration names" in done.err


def test_the_sdk_reads_what_has_no_local_socket(victim, evil, monkeypatch):
    monkeypatch.setattr(Engine, "_local", lambda _: None)
    targets = asked(monkeypatch)
    assert found(victim, evil) == FOUND
    assert targets == []


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b'HTTP/1.1 500 No\r\nContent-Length: 18\r\n\r\n{"message": "full"}', "full"),
        (b"HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\ngone", "gone"),
        (b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", "HTTP 403"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "6 bytes are missing"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n", "cut off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "cut off"),
        (b"SSH-2.0-OpenSSH\r\n", "cut off"),
        (b"", "cut off|Remote end closed"),
    ],
)
def test_an_answer_that_is_none_is_an_error(answer, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(2**16)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(OSError, match=says):
            list(engine.download("s", "/x", seconds=5))
        thread.join()


def test_an_export_without_the_mark_of_its_end_is_cut_off(victim, evil, monkeypatch):
    real = engine.download

    def short(path: str, target: str, *, seconds: float) -> Iterator[bytes]:
        pieces = real(path, target, seconds=seconds)
        if not target.endswith("export"):
            yield from pieces
            return
        whole = b"".join(pieces)
        yield whole.rstrip(b"\0") + bytes(-len(whole.rstrip(b"\0")) % 512)

    monkeypatch.setattr(engine, "download", short)
    done = victim.verify("--image", evil)
    assert (done.status, done.out) == (3, "")
    assert "cut off" in done.err
