"""Sigstore bundles: the real library judges them, against an instance of the tests' own, without a network."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest
from sigstore.verify import Verifier
from support.sigstores import Sigstore

from envctl.errors import IndexFailed, ToolFailed, UsageError
from envctl.trust import sigstore
from envctl.trust.judgement import Refused, Trusted

DATA, WHO, ISSUER = b"the lockfile\n", "alice@example.com", "https://accounts.example"


@pytest.fixture(scope="module")
def instance() -> Sigstore:
    return Sigstore()


@pytest.fixture(scope="module")
def verifier(instance: Sigstore, tmp_path_factory: pytest.TempPathFactory) -> Verifier:
    return instance.verifier(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="module")
def bundle(instance: Sigstore) -> bytes:
    return instance.bundle(DATA, WHO, ISSUER)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "GITHUB_ACTIONS", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)


def test_the_identity_that_signed_is_trusted(verifier: Verifier, bundle: bytes) -> None:
    found = sigstore.judge(DATA, bundle, identity=WHO, issuer=ISSUER, verifier=verifier)
    assert found == Trusted(identity=WHO, issuer=ISSUER)


def test_every_byte_counts(verifier: Verifier, bundle: bytes) -> None:
    found = sigstore.judge(DATA + b"\n", bundle, identity=WHO, issuer=ISSUER, verifier=verifier)
    assert isinstance(found, Refused)
    assert found.edited
    silent = json.loads(bundle)
    del silent["messageSignature"]["messageDigest"]
    found = sigstore.judge(DATA + b"\n", json.dumps(silent).encode(), identity=WHO, issuer=ISSUER, verifier=verifier)
    assert isinstance(found, Refused)


@pytest.mark.parametrize(("who", "issuer"), [("bob@example.com", ISSUER), (WHO, "https://other.example"), ("", "")])
def test_another_identity_or_issuer_is_not_trusted(verifier: Verifier, bundle: bytes, who: str, issuer: str) -> None:
    found = sigstore.judge(DATA, bundle, identity=who, issuer=issuer, verifier=verifier)
    assert isinstance(found, Refused)
    assert (found.why, found.edited) == ("is not to be trusted", False)


def test_another_instance_is_not_trusted(bundle: bytes, tmp_path: Path) -> None:
    other = Sigstore().verifier(tmp_path)
    assert isinstance(sigstore.judge(DATA, bundle, identity=WHO, issuer=ISSUER, verifier=other), Refused)
    assert isinstance(sigstore.judge(DATA, bundle, identity=WHO, issuer=ISSUER, offline=True), Refused)


def _without(bundle: dict[str, Any], *path: str) -> None:
    for key in path[:-1]:
        bundle = bundle[int(key)] if isinstance(bundle, list) else bundle[key]
    del bundle[path[-1]]


ENTRY = ("verificationMaterial", "tlogEntries", "0")


@pytest.mark.parametrize(
    "path",
    [
        ("messageSignature",),
        ("verificationMaterial",),
        ("verificationMaterial", "tlogEntries"),
        ("verificationMaterial", "certificate"),
        (*ENTRY, "inclusionPromise"),
        (*ENTRY, "inclusionProof"),
        (*ENTRY, "inclusionProof", "checkpoint"),
        (*ENTRY, "integratedTime"),
    ],
    ids=".".join,
)
def test_a_bundle_that_lacks_something_is_refused(verifier: Verifier, bundle: bytes, path: tuple[str, ...]) -> None:
    data = json.loads(bundle)
    _without(data, *path)
    found = sigstore.judge(DATA, json.dumps(data).encode(), identity=WHO, issuer=ISSUER, verifier=verifier)
    assert isinstance(found, Refused), found


@pytest.mark.parametrize("garbage", [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"mediaType": 5}'])
def test_garbage_is_no_bundle(verifier: Verifier, garbage: bytes) -> None:
    found = sigstore.judge(DATA, garbage, identity=WHO, issuer=ISSUER, verifier=verifier)
    assert isinstance(found, Refused)
    assert found.why == "is no sigstore bundle"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)


@pytest.mark.usefixtures("no_network")
def test_without_a_network_its_keys_cannot_be_had(bundle: bytes) -> None:
    with pytest.raises(IndexFailed, match="sigstore could not be asked"):
        sigstore.judge(DATA, bundle, identity=WHO, issuer=ISSUER)


@pytest.mark.usefixtures("no_network")
def test_nobody_signs_where_nobody_can_log_in() -> None:
    with pytest.raises(UsageError, match="no identity to sign with"):
        sigstore.sign([DATA], terminal=False)


def test_without_the_library_it_is_said_what_to_install(bundle: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == "sigstore":
            raise ImportError("No module named 'sigstore'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    for call in (
        lambda: sigstore.judge(DATA, bundle, identity=WHO, issuer=ISSUER),
        lambda: sigstore.sign([DATA], terminal=False),
    ):
        with pytest.raises(ToolFailed, match="need the library sigstore") as raised:
            call()
        assert "envctl-ml[sigstore]" in str(raised.value.hint)
