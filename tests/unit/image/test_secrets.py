"""What a build is given of the user's credentials, certificates and proxies."""

from __future__ import annotations

from pathlib import Path

import pytest

from envctl.errors import UsageError
from envctl.image import secrets
from envctl.image.interface import Secrets
from envctl.index.mirrors import credentials
from envctl.system.credentials import Credentials

FILES = "https://files.example/a/wheel.whl"


def asked(
    urls: list[str], *, mirror: str | None = None, given: dict[str, str] | None = None, **environ: str
) -> Secrets:
    known = Credentials(credentials(given or {}, environ | {"ENVCTL_INDEX_URL": mirror or ""}), environ)
    return secrets.secrets(urls, mirror=mirror, credentials=known, environ=environ | {"HOME": "/nonexistent"})


def test_netrc_holds_the_hosts_that_are_asked_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text(
        "machine files.example login a password b\nmachine other.example login c password d\n"
    )
    found = asked([FILES, "https://open.example/x.whl"], NETRC=str(tmp_path / "netrc"))
    assert found.texts == {"netrc": "machine files.example login a password b\n"}


def test_variables_of_an_index_come_before_netrc(tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine files.example login a password b\n")
    given = {"Acme.index": "https://files.example/simple"}
    said = {"UV_INDEX_ACME_INDEX_USERNAME": "u", "UV_INDEX_ACME_INDEX_PASSWORD": "p"}
    assert asked([FILES], given=given, NETRC=str(tmp_path / "netrc"), **said).texts == {
        "netrc": "machine files.example login u password p\n"
    }


def test_mirror_is_said_without_its_credentials_which_netrc_holds() -> None:
    found = asked([FILES], mirror="https://ci:t%40ken@mirror.example/simple")
    assert found.texts == {
        "index": "https://mirror.example/simple\n",
        "netrc": "machine mirror.example login ci password t@ken\n",
    }
    assert "t@ken" not in found.texts["index"]


def test_two_accounts_for_one_host_are_refused_because_netrc_knows_no_ports() -> None:
    given = {"one": "https://files.example:1/simple", "two": "https://files.example:2/simple"}
    said = {f"UV_INDEX_{name}_{key}": f"{name}{key}" for name in ("ONE", "TWO") for key in ("USERNAME", "PASSWORD")}
    with pytest.raises(UsageError, match=r"one user and password for files\.example") as failed:
        asked(list(given.values()), given=given, **said)
    assert "ONEPASSWORD" not in str(failed.value)


@pytest.mark.parametrize("word", ["two words", "line\nmachine evil.example", "#hash", '"quoted', "gr\xf6\xdfe", ""])
def test_what_netrc_cannot_say_is_refused_and_not_shown(word: str) -> None:
    given = {"one": "https://files.example/simple"}
    with pytest.raises(UsageError, match="cannot be said in a netrc file") as failed:
        asked([FILES], given=given, UV_INDEX_ONE_USERNAME="u", UV_INDEX_ONE_PASSWORD=word)
    assert not word or word not in str(failed.value)


def test_certificates_are_those_that_the_environment_names(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----\n")
    assert asked([], REQUESTS_CA_BUNDLE=str(bundle)).files == {"ca": bundle}
    assert asked([], SSL_CERT_FILE=str(bundle), PIP_CERT="/nowhere").files == {"ca": bundle}
    with pytest.raises(UsageError, match="SSL_CERT_FILE names no file"):
        asked([], SSL_CERT_FILE=str(tmp_path / "none.pem"))
    bundle.write_bytes(b"x" * 500_001)
    with pytest.raises(UsageError, match="too large for a build"):
        asked([], SSL_CERT_FILE=str(bundle))


def test_only_proxies_that_are_set_are_named() -> None:
    assert secrets.proxies({"HTTPS_PROXY": "http://proxy.example", "no_proxy": "a", "HTTP_PROXY": ""}) == (
        "HTTPS_PROXY",
        "no_proxy",
    )


@pytest.mark.parametrize(
    ("url", "near"),
    [
        ("http://127.0.0.1:8080/simple", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:3128", True),
        ("localhost:3128", True),
        ("https://index.localhost/simple", True),
        ("https://index.example/simple", False),
        ("http://10.0.0.1", False),
        ("http://[", False),
    ],
)
def test_addresses_of_this_machine_are_known(url: str, near: bool) -> None:
    assert secrets.on_loopback([url]) is near
