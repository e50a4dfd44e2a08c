from __future__ import annotations

from pathlib import Path

import pytest

from envctl.system.credentials import Credentials, index_credentials, origin, redact, split_credentials


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@index.example/simple/", "https://index.example/simple/"),
        ("https://secret@index.example:8080/a", "https://index.example:8080/a"),
        ("https://files.example/a?X-Signature=secret", "https://files.example/a?…"),
        ("https://files.example/a#secret", "https://files.example/a"),
        ("https://user:secret@[::1/a", "https://…"),
        ("https://a@b:secret@index.example/", "https://index.example/"),
    ],
)
def test_what_is_shown_holds_no_secret(url: str, shown: str) -> None:
    assert redact(url) == shown


def test_user_and_password_are_taken_out_of_a_url() -> None:
    plain, secret = split_credentials("https://us%40er:pass%3Aword@index.example/simple")
    assert (plain, secret) == ("https://index.example/simple", ("us@er", "pass:word"))
    assert split_credentials("https://index.example") == ("https://index.example", None)


def test_an_origin_knows_its_default_port() -> None:
    assert origin("HTTPS://Index.Example/x") == origin("https://index.example:443/y") == ("https", "index.example", 443)
    assert origin("http://index.example") != origin("https://index.example")


def test_named_indexes_have_their_credentials_from_the_environment() -> None:
    indexes = {"my-index": "https://a.example/simple", "in.url": "https://u:p@b.example", "none": "https://c.example"}
    environ = {"UV_INDEX_MY_INDEX_USERNAME": "user", "UV_INDEX_MY_INDEX_PASSWORD": "secret"}
    found = index_credentials(indexes, environ)
    assert found == {"https://a.example/simple": ("user", "secret"), "https://b.example": ("u", "p")}


def test_the_longest_common_path_decides_between_indexes_of_one_host() -> None:
    credentials = Credentials(
        {"https://h.example/pypi/a/simple": ("a", "1"), "https://h.example/pypi/b/simple": ("b", "2")}, environ={}
    )
    assert credentials.find("https://h.example/pypi/b/files/x.whl") == ("b", "2")
    assert credentials.find("https://h.example/pypi/a/simple/demo/") == ("a", "1")
    assert credentials.find("http://h.example/pypi/a/simple/") is None
    assert credentials.find("https://h.example:8443/pypi/a/simple/") is None
    assert credentials.find("https://other.example/pypi/a/simple/") is None


def test_netrc_gives_what_was_not_given(tmp_path: Path) -> None:
    netrc = tmp_path / "credentials"
    netrc.write_text("machine Index.Example login user password secret\nmachine other.example login o password p\n")
    credentials = Credentials({"https://other.example": ("given", "x")}, {"NETRC": str(netrc)})
    assert credentials.find("https://index.example/simple") == ("user", "secret")
    assert credentials.find("https://other.example/simple") == ("given", "x")
    assert credentials.find("https://third.example/simple") is None


def test_netrc_is_looked_for_at_home(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("default login user password secret\n")
    assert Credentials(environ={"HOME": str(tmp_path)}).find("https://index.example") == ("user", "secret")


@pytest.mark.parametrize("text", ["machine a login b password c secret d\n", "machine a log secret\n"])
def test_a_malformed_netrc_is_told_without_its_content(tmp_path: Path, text: str) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(text)
    credentials = Credentials(environ={"NETRC": str(netrc)})
    assert credentials.find("https://index.example") is None
    assert credentials.problem is not None
    assert "secret" not in credentials.problem


def test_a_netrc_file_that_is_missing_gives_nothing(tmp_path: Path) -> None:
    credentials = Credentials(environ={"NETRC": str(tmp_path / "none")})
    assert credentials.find("https://index.example") is None
    assert credentials.problem is None
