"""The HTTP client against real servers that are honest, slow, broken or hostile."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.server import IndexServer
from support.wheels import build_wheel

from envctl.errors import IndexFailed, UsageError
from envctl.system.http import Client


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """Impatient, and without any netrc."""
    with Client(environ={"HOME": str(tmp_path)}, backoff=0.01, patience=0.4) as client:
        yield client


@pytest.fixture
def wheel(tmp_path: Path, index: IndexServer) -> str:
    """The URL of a wheel of some 100 KB."""
    return index.add(build_wheel(tmp_path, "demo", files={"demo.bin": os.urandom(100_000)}))


def failed(ask: Callable[[], object]) -> IndexFailed:
    with pytest.raises(IndexFailed) as caught:
        ask()
    return caught.value


def test_a_page_is_got_with_its_headers(client: Client, index: IndexServer) -> None:
    index.page("/page", b"hello", "text/plain")
    answer = client.get(f"{index.root}/page", headers={"X-Test": "1"}, accept="text/plain")
    assert (answer.status, answer.body, answer.content_type) == (200, b"hello", "text/plain")
    ((_, _, headers),) = index.requests
    assert (headers["x-test"], headers["accept"]) == ("1", "text/plain")
    assert headers["user-agent"].startswith("envctl/")


def test_one_connection_serves_many_requests(client: Client, index: IndexServer) -> None:
    index.page("/page", b"hello")
    for _ in range(5):
        client.get(f"{index.root}/page")
    assert index.connections == 1


def test_many_threads_share_a_few_connections(index: IndexServer) -> None:
    index.page("/page", b"hello")
    index.fault("/page", delay=0.02)
    with Client(connections=3) as client:
        threads = [threading.Thread(target=client.get, args=(f"{index.root}/page",)) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(index.requests) == 12
    assert index.connections <= 3


def test_an_unexpected_status_is_a_failure_and_an_expected_one_is_not(client: Client, index: IndexServer) -> None:
    error = failed(lambda: client.get(f"{index.root}/none"))
    assert (error.found, error.exit_code) == ("HTTP status 404", 6)
    assert client.get(f"{index.root}/none", expect=(200, 404)).status == 404
    assert len(index.requests) == 2


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_server_that_recovers_is_asked_again(client: Client, index: IndexServer, status: int) -> None:
    index.page("/page", b"hello")
    index.fault("/page", status=status, times=3)
    assert client.get(f"{index.root}/page").body == b"hello"
    assert len(index.requests) == 4


def test_a_server_that_does_not_recover_is_given_up(client: Client, index: IndexServer) -> None:
    index.fault("/page", status=500, body=b"secret stack trace")
    error = failed(lambda: client.get(f"{index.root}/page"))
    assert error.found == "HTTP status 500"
    assert len(index.requests) == 4


def test_the_server_says_how_long_to_wait(client: Client, index: IndexServer) -> None:
    index.page("/page", b"hello")
    index.fault("/page", status=429, headers={"Retry-After": "1"}, times=1)
    started = time.monotonic()
    assert client.get(f"{index.root}/page").body == b"hello"
    assert time.monotonic() - started >= 1


def test_a_server_that_wants_a_long_wait_is_given_up_at_once(client: Client, index: IndexServer) -> None:
    index.fault("/page", status=503, headers={"Retry-After": "3600"})
    assert failed(lambda: client.get(f"{index.root}/page")).found == "HTTP status 503"
    assert len(index.requests) == 1


@pytest.mark.parametrize("fault", [{"cut": 3}, {"drop": True}, {"claim": 100}])
def test_an_answer_that_breaks_off_is_asked_for_again(
    client: Client, index: IndexServer, fault: dict[str, int]
) -> None:
    index.page("/page", b"hello")
    index.fault("/page", times=2, **fault)
    assert client.get(f"{index.root}/page").body == b"hello"
    assert len(index.requests) == 3


def test_an_answer_that_always_breaks_off_fails(client: Client, index: IndexServer) -> None:
    index.page("/page", b"hello")
    index.fault("/page", cut=3)
    assert "broke" in failed(lambda: client.get(f"{index.root}/page")).what


def test_more_than_announced_is_not_read(client: Client, index: IndexServer) -> None:
    index.page("/page", b"hello")
    index.fault("/page", claim=3)
    assert client.get(f"{index.root}/page").body == b"hel"


def test_a_server_that_does_not_answer_is_given_up(client: Client, index: IndexServer) -> None:
    index.fault("/page", delay=5)
    started = time.monotonic()
    error = failed(lambda: client.get(f"{index.root}/page"))
    assert "stopped answering" in error.what
    assert time.monotonic() - started < 3


def test_a_body_that_drips_is_given_up(client: Client, index: IndexServer) -> None:
    index.page("/page", b"x" * 1000)
    index.fault("/page", drip=0.05)
    started = time.monotonic()
    error = failed(lambda: client.get(f"{index.root}/page"))
    assert "too slowly" in error.what
    assert time.monotonic() - started < 4


def test_a_head_that_drips_is_given_up(client: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(2):
                connection = server.accept()[0]
                with connection, contextlib.suppress(OSError):
                    for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1000:
                        connection.sendall(bytes([byte]))
                        time.sleep(0.05)

        thread = threading.Thread(target=serve)
        thread.start()
        started = time.monotonic()
        error = failed(lambda: client.get(f"http://127.0.0.1:{server.getsockname()[1]}/"))
        assert "stopped answering" in error.what
        assert time.monotonic() - started < 4
        thread.join()


@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 999999 ?\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"a" * 200_000]
)
def test_what_is_no_http_is_told(client: Client, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(4):
                with server.accept()[0] as connection:
                    connection.recv(1000)
                    with contextlib.suppress(OSError):
                        connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        error = failed(lambda: client.get(f"http://127.0.0.1:{server.getsockname()[1]}/"))
        assert "broke" in error.what
        thread.join()


def test_a_body_larger_than_the_limit_is_refused(client: Client, index: IndexServer) -> None:
    index.page("/page", b"x" * 1001)
    error = failed(lambda: client.get(f"{index.root}/page", limit=1000))
    assert "too large" in error.what
    assert len(index.requests) == 1


def test_compressed_answers_are_unpacked_and_bounded(client: Client, index: IndexServer) -> None:
    index.page("/page", b"hello")
    index.page("/bomb", b"\0" * 10**7)
    index.fault("/", gzip=True)
    assert client.get(f"{index.root}/page").body == b"hello"
    assert len(gzip.compress(b"\0" * 10**7)) < 10**5
    assert "too large" in failed(lambda: client.get(f"{index.root}/bomb", limit=10**6)).what


def test_an_unknown_encoding_is_refused(client: Client, index: IndexServer) -> None:
    index.page("/page", b"hello")
    index.fault("/page", headers={"Content-Encoding": "br"})
    assert failed(lambda: client.get(f"{index.root}/page")).found == "br"


def test_compressed_garbage_is_refused(client: Client, index: IndexServer) -> None:
    index.page("/page", b"hello")
    index.fault("/page", headers={"Content-Encoding": "gzip"})
    assert "cannot be decompressed" in failed(lambda: client.get(f"{index.root}/page")).what


def test_a_host_that_is_not_there_is_told(client: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    error = failed(lambda: client.get(f"http://user:secret@127.0.0.1:{port}/a?token=secret"))
    assert error.found == "Connection refused"
    assert "secret" not in str(error)
    assert "HTTPS_PROXY" in str(error)


def test_a_name_that_is_not_known_is_told() -> None:
    with Client(attempts=1) as client:
        error = failed(lambda: client.get("https://index.invalid/simple/"))
    assert "could not be looked up" in error.what


@pytest.mark.parametrize(
    "url", ["ftp://index.example", "file:///etc/passwd", "index.example", "http://", "http://a b/", "http://[::1/"]
)
def test_what_is_no_web_address_is_refused(client: Client, url: str) -> None:
    assert "no web address" in failed(lambda: client.get(url)).what


def test_offline_no_socket_is_opened(index: IndexServer) -> None:
    with Client(offline=True) as client:
        error = failed(lambda: client.get(f"{index.root}/page"))
    assert "offline" in error.what
    assert index.requests == []
    assert index.connections == 0


def test_giving_up_wakes_requests_of_other_threads(index: IndexServer) -> None:
    index.fault("/slow", delay=30)
    index.page("/page", b"hello")
    errors: list[IndexFailed] = []
    with Client() as client:
        threads = [
            threading.Thread(target=lambda: errors.append(failed(lambda: client.get(f"{index.root}/slow"))))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        while len(index.requests) < 3:
            time.sleep(0.01)
        started = time.monotonic()
        client.cancel()
        for thread in threads:
            thread.join()
        assert time.monotonic() - started < 5
        assert {error.what for error in errors} == {"was given up, because something else failed"}
        assert client.get(f"{index.root}/page").body == b"hello"


class TestRedirects:
    def test_are_followed_to_where_they_lead(self, client: Client, index: IndexServer) -> None:
        index.page("/new/page", b"hello")
        index.fault("/old", redirect="new/page")
        answer = client.get(f"{index.root}/old")
        assert (answer.body, answer.url) == (b"hello", f"{index.root}/new/page")
        assert index.connections == 1

    def test_are_not_followed_for_ever(self, client: Client, index: IndexServer) -> None:
        index.fault("/loop", redirect="/loop")
        assert "without end" in failed(lambda: client.get(f"{index.root}/loop")).what
        assert len(index.requests) == 11

    @pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://index.example/x", "javascript:x", "http://a b"])
    def test_lead_to_web_addresses_only(self, client: Client, index: IndexServer, target: str) -> None:
        index.fault("/old", redirect=target)
        assert "no web address" in failed(lambda: client.get(f"{index.root}/old")).what

    def test_carry_credentials_to_the_same_origin_only(self, tmp_path: Path) -> None:
        with IndexServer("user", "secret") as home, IndexServer() as away:
            home.page("/new", b"home")
            away.page("/new", b"away")
            home.fault("/same", redirect=None, status=None)
            with Client(environ={"HOME": str(tmp_path)}) as client:
                home.page("/start", b"")
                url = home.with_credentials().removesuffix("/simple")
                assert client.get(f"{url}/new").body == b"home"
                home.fault("/start", redirect=f"{away.root}/new")
                home.user = None
                assert client.get(f"{url}/start", headers={"Cookie": "x", "Authorization": "Bearer x"}).body == b"away"
        ((_, _, headers),) = away.requests
        assert not {"authorization", "cookie"} & headers.keys()

    def test_do_not_come_back_with_credentials_of_their_own(self, tmp_path: Path) -> None:
        with IndexServer() as home, IndexServer("user", "secret") as away:
            home.fault("/start", redirect=away.with_credentials().replace("/simple", "/new"))
            with Client(environ={"HOME": str(tmp_path)}) as client:
                error = failed(lambda: client.get(f"{home.root}/start"))
        assert error.found == "HTTP status 401"
        assert "secret" not in str(error)


class TestCredentials:
    def test_of_the_url_are_sent_and_not_shown(self, client: Client) -> None:
        with IndexServer("user", "p@ss word") as index:
            index.page("/page", b"hello")
            url = index.root.replace("://", "://user:p%40ss%20word@") + "/page"
            answer = client.get(url)
            assert (answer.body, answer.url) == (b"hello", f"{index.root}/page")

    def test_of_netrc_are_sent(self, tmp_path: Path) -> None:
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user password secret\n")
        with IndexServer("user", "secret") as index, Client(environ={"HOME": str(tmp_path)}) as client:
            index.page("/page", b"hello")
            assert client.get(f"{index.root}/page").body == b"hello"

    def test_that_are_wrong_are_told_with_what_to_do(self, client: Client) -> None:
        with IndexServer("user", "secret") as index:
            error = failed(lambda: client.get(index.with_credentials(password="wrong")))
        assert error.found == "HTTP status 401"
        assert "netrc" in str(error)
        assert "UV_INDEX_<NAME>_PASSWORD" in str(error)
        assert "wrong" not in str(error)
        assert len(index.requests) == 1

    def test_of_a_malformed_netrc_are_told(self, tmp_path: Path) -> None:
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user passwort secret\n")
        with IndexServer("user", "secret") as index, Client(environ={"HOME": str(tmp_path)}) as client:
            error = failed(lambda: client.get(index.url))
        assert "malformed" in str(error)
        assert "secret" not in str(error)


class TestRanges:
    def test_the_end_and_any_part_are_read(
        self, client: Client, index: IndexServer, wheel: str, tmp_path: Path
    ) -> None:
        data = next(tmp_path.glob("*.whl")).read_bytes()
        assert client.get_range(wheel, suffix=100) == (data[-100:], len(data))
        assert client.get_range(wheel, 10, 30) == (data[10:30], len(data))
        assert client.get_range(wheel, suffix=2 * len(data)) == (data, len(data))
        assert client.get_range(wheel, len(data) - 5, len(data) + 5) == (data[-5:], len(data))
        assert index.connections == 1

    def test_a_server_without_ranges_is_not_read(self, client: Client, index: IndexServer, wheel: str) -> None:
        index.fault("/files/", no_ranges=True)
        assert client.get_range(wheel, suffix=100) is None
        assert client.get_range(wheel, 0, 10) is None

    def test_a_small_file_is_read_without_ranges_too(
        self, client: Client, index: IndexServer, wheel: str, tmp_path: Path
    ) -> None:
        index.fault("/files/", no_ranges=True)
        data = next(tmp_path.glob("*.whl")).read_bytes()
        assert client.get_range(wheel, suffix=10**6) == (data, len(data))

    @pytest.mark.parametrize(
        "fault",
        [
            {"wrong_range": 7},
            {"headers": {"Content-Range": "bytes 0-9/*"}},
            {"headers": {"Content-Range": "garbage"}},
            {"gzip": True},
        ],
    )
    def test_another_part_than_asked_for_is_not_taken(
        self, client: Client, index: IndexServer, wheel: str, fault: dict[str, object]
    ) -> None:
        index.fault("/files/", **fault)
        assert client.get_range(wheel, 50, 60) is None

    def test_a_part_behind_the_end_is_none(self, client: Client, wheel: str) -> None:
        assert client.get_range(wheel, 10**9, 10**9 + 5) is None


def test_a_file_is_streamed_hashed_and_started_anew_when_it_breaks(
    client: Client, index: IndexServer, wheel: str, tmp_path: Path
) -> None:
    data = next(tmp_path.glob("*.whl")).read_bytes()
    index.fault("/files/", cut=50_000, times=2)
    file = io.BytesIO()
    got = client.stream_to(wheel, file, limit=10**6)
    assert file.getvalue() == data
    assert (got.sha256, got.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert "too large" in failed(lambda: client.stream_to(wheel, io.BytesIO(), limit=1000)).what


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "ca.pem"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (folder / "both.pem").write_bytes((folder / "key.pem").read_bytes() + (folder / "ca.pem").read_bytes())
    return folder


class TestTls:
    @pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
    def test_the_named_authorities_are_trusted(self, certificate: Path, variable: str) -> None:
        with (
            IndexServer(tls=certificate / "both.pem") as index,
            Client(environ={variable: str(certificate / "ca.pem")}) as client,
        ):
            index.page("/page", b"hello")
            assert client.get(f"{index.root}/page").body == b"hello"

    def test_others_are_not_and_are_not_asked_again(self, certificate: Path) -> None:
        with IndexServer(tls=certificate / "both.pem") as index, Client(environ={}) as client:
            error = failed(lambda: client.get(f"{index.root}/page"))
        assert "self" in (error.found or "")
        assert "SSL_CERT_FILE" in str(error)
        assert index.connections <= 1

    def test_no_redirect_leads_from_https_to_http(self, certificate: Path, index: IndexServer) -> None:
        with (
            IndexServer(tls=certificate / "both.pem") as secure,
            Client(environ={"SSL_CERT_FILE": str(certificate / "ca.pem")}) as client,
        ):
            secure.fault("/page", redirect=f"{index.root}/page")
            assert "from https to http" in failed(lambda: client.get(f"{secure.root}/page")).what
        assert index.requests == []

    @pytest.mark.parametrize("content", [None, b"no certificate"])
    def test_a_file_without_certificates_is_told(self, tmp_path: Path, content: bytes | None) -> None:
        place = tmp_path / "ca.pem"
        if content is not None:
            place.write_bytes(content)
        with Client(environ={"SSL_CERT_FILE": str(place)}) as client, pytest.raises(UsageError) as caught:
            client.get("https://127.0.0.1:9/")
        assert "SSL_CERT_FILE" in str(caught.value)


class TestProxies:
    def test_the_environments_proxy_is_used(self, index: IndexServer) -> None:
        index.page("http://index.example/simple/", b"by proxy")
        environ = {"HTTP_PROXY": index.root.replace("://", "://user:secret@"), "NO_PROXY": "other.example"}
        with Client(environ=environ) as client:
            assert client.get("http://index.example/simple/").body == b"by proxy"
        ((_, path, headers),) = index.requests
        assert (path, headers["host"]) == ("http://index.example/simple/", "index.example")
        assert headers["proxy-authorization"].startswith("Basic ")

    def test_hosts_that_need_none_are_asked_directly(self, index: IndexServer) -> None:
        index.page("/page", b"direct")
        with Client(environ={"ALL_PROXY": "http://127.0.0.1:9", "no_proxy": "127.0.0.1"}) as client:
            assert client.get(f"{index.root}/page").body == b"direct"

    def test_a_proxy_that_cannot_be_used_is_told_without_its_password(self) -> None:
        with (
            Client(environ={"HTTPS_PROXY": "socks5://me:secret@127.0.0.1:9"}) as client,
            pytest.raises(UsageError) as e,
        ):
            client.get("https://index.example/")
        assert "socks5" in str(e.value)
        assert "secret" not in str(e.value)

    def test_a_proxy_that_refuses_is_told(self, index: IndexServer) -> None:
        with Client(environ={"HTTPS_PROXY": index.root}) as client:
            error = failed(lambda: client.get("https://index.example/"))
        assert error.exit_code == 6
