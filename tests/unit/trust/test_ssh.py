"""SSH signatures are judged by the real ssh-keygen: every kind of key, list and mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.keys import key, keygen, public, signed

from envctl.errors import ToolFailed
from envctl.trust import ssh
from envctl.trust.judgement import Refused, Trusted

DATA = b"the lockfile\n\xff\r\n"


@pytest.fixture(scope="module")
def alice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return key(tmp_path_factory.mktemp("alice"))


@pytest.fixture(scope="module")
def signature(alice: Path) -> bytes:
    return signed(alice, DATA)


@pytest.mark.parametrize(
    ("line", "principal"),
    [
        ("alice@example.com {key}", "alice@example.com"),
        ("alice@example.com,al@example.com {key} comment of mine", "alice@example.com"),
        ("*@example.com {key}", "*@example.com"),
        ('alice@example.com namespaces="envctl-lockfile" {key}', "alice@example.com"),
        ('alice@example.com namespaces="git,envctl-*" {key}', "alice@example.com"),
        ('alice@example.com valid-after="20200101",valid-before="21000101" {key}', "alice@example.com"),
        ('"alice of the team" {key}', "alice of the team"),
        ("-alice {key}", "-alice"),
        ("# a comment\n\n  \nalice@example.com {key}", "alice@example.com"),
        ("broken line\nalice@example.com {key}", "alice@example.com"),
        ("alice@example.com {key}\r", "alice@example.com"),
    ],
)
@pytest.mark.parametrize("end", ["\n", ""])
def test_who_is_in_the_list_is_trusted(alice: Path, signature: bytes, line: str, principal: str, end: str) -> None:
    found = ssh.judge(DATA, signature, signers=(line.format(key=public(alice)) + end).encode())
    assert isinstance(found, Trusted), found
    assert found.identity == principal
    assert found.key is not None
    assert found.key.startswith("ED25519 SHA256:")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "is by nobody who is trusted"),
        ("# {key}", "is by nobody who is trusted"),
        ("alice@example.com", "is by nobody who is trusted"),
        ('alice@example.com namespaces="git" {key}', "not permitted for use in signature namespace"),
        ('alice@example.com valid-before="20200101" {key}', "key has expired"),
        ('alice@example.com valid-after="21000101" {key}', "not yet valid"),
        ("alice@example.com cert-authority {key}", "is by nobody who is trusted"),
        ("!alice@example.com {key}", "is by nobody who is trusted"),
    ],
)
def test_who_is_not_or_not_for_this_is_not_trusted(alice: Path, signature: bytes, line: str, why: str) -> None:
    found = ssh.judge(DATA, signature, signers=line.format(key=public(alice)).encode())
    assert isinstance(found, Refused), found
    assert why in found.why
    assert not found.edited
    assert "/tmp" not in found.why


def test_another_key_is_nobodys(alice: Path, signature: bytes, tmp_path: Path) -> None:
    other = key(tmp_path, "mallory")
    found = ssh.judge(DATA, signature, signers=f"alice@example.com {public(other)}".encode())
    assert isinstance(found, Refused)
    assert found.why == "is by nobody who is trusted"
    assert found.found is not None
    assert found.found.startswith("ED25519 SHA256:")


def test_the_identity_that_is_asked_for_must_have_signed(alice: Path, signature: bytes) -> None:
    signers = f"alice@example.com,*@team.example {public(alice)}".encode()
    for identity in ("alice@example.com", "anyone@team.example"):
        assert isinstance(ssh.judge(DATA, signature, signers=signers, identity=identity), Trusted)
    for identity in ("bob@example.com", "", "-Overify-time=20200101", "alice@example.com\n", "*"):
        found = ssh.judge(DATA, signature, signers=signers, identity=identity)
        assert isinstance(found, Refused), identity
        assert found.why.startswith("is not by the one who is asked for")


@pytest.mark.parametrize("edit", [b"", DATA + b"\n", DATA.replace(b"\r\n", b"\n"), DATA.replace(b"\xff", b"?")])
def test_every_byte_counts(alice: Path, signature: bytes, edit: bytes) -> None:
    found = ssh.judge(edit, signature, signers=f"a {public(alice)}".encode())
    assert isinstance(found, Refused)
    assert found.edited
    assert found.why == "is of another lockfile: it was edited after it was signed"
    assert not ssh.fits(edit, signature)
    assert ssh.fits(DATA, signature)


def test_a_signature_for_another_purpose_does_not_count(alice: Path) -> None:
    for namespace in ("git", "envctl-statement", "envctl-lockfile2"):
        made = signed(alice, DATA, namespace)
        found = ssh.judge(DATA, made, signers=f"a {public(alice)}".encode())
        assert isinstance(found, Refused)
        assert (found.found, found.expected) == (namespace, "envctl-lockfile")
        assert not ssh.fits(DATA, made)


@pytest.mark.parametrize("garbage", [b"", b"x", b"\0" * 1000])
def test_garbage_is_no_signature(alice: Path, garbage: bytes) -> None:
    found = ssh.judge(DATA, garbage, signers=f"a {public(alice)}".encode())
    assert isinstance(found, Refused)
    assert found.why == "is no SSH signature"


def test_two_signatures_in_one_file_are_none(alice: Path, signature: bytes) -> None:
    found = ssh.judge(DATA, signature * 2, signers=f"a {public(alice)}".encode())
    assert isinstance(found, Refused)
    assert found.found == "it holds several"


@pytest.mark.parametrize(("kind", "options", "shown"), [("rsa", ("-b", "2048"), "RSA"), ("ecdsa", (), "ECDSA")])
def test_every_kind_of_key_signs(tmp_path: Path, kind: str, options: tuple[str, ...], shown: str) -> None:
    private = key(tmp_path, "k", kind, *options)
    made = ssh.sign(DATA, str(private), namespace="envctl-lockfile", terminal=False)
    found = ssh.judge(DATA, made, signers=f"k {public(private)}".encode())
    assert isinstance(found, Trusted)
    assert found.key is not None
    assert found.key.startswith(f"{shown} SHA256:")


def test_revoked_keys_are_not_trusted(alice: Path, signature: bytes, tmp_path: Path) -> None:
    signers = f"alice@example.com {public(alice)}".encode()
    krl = tmp_path / "krl"
    keygen("-k", "-f", krl, f"{alice}.pub")
    for revoked in (krl.read_bytes(), f"{public(alice)}\n".encode()):
        found = ssh.judge(DATA, signature, signers=signers, revoked=revoked)
        assert isinstance(found, Refused)
        assert "revoked" in found.why
    other = f"{public(key(tmp_path, 'other'))}\n".encode()
    assert isinstance(ssh.judge(DATA, signature, signers=signers, revoked=other), Trusted)
    assert isinstance(ssh.judge(DATA, signature, signers=signers, revoked=b"garbage of mine\n"), Refused)


def test_certificates_count_by_their_authority(tmp_path: Path) -> None:
    authority, alice = key(tmp_path, "ca"), key(tmp_path, "alice")
    keygen("-s", authority, "-I", "alice", "-n", "alice@example.com", f"{alice}.pub")
    certified = ssh.sign(DATA, f"{alice}-cert.pub", namespace="envctl-lockfile", terminal=False)
    signers = f"*@example.com cert-authority {public(authority)}".encode()
    found = ssh.judge(DATA, certified, signers=signers)
    assert isinstance(found, Trusted), found
    assert found.identity == "alice@example.com"
    elsewhere = f"*@other.example cert-authority {public(authority)}".encode()
    assert isinstance(ssh.judge(DATA, certified, signers=elsewhere), Refused)
    plain = f"*@example.com {public(authority)}".encode()
    assert isinstance(ssh.judge(DATA, certified, signers=plain), Refused)


def test_without_ssh_keygen_nothing_is_trusted(alice: Path, signature: bytes, tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match="not on PATH") as raised:
        ssh.judge(DATA, signature, signers=f"a {public(alice)}".encode(), environ={"PATH": str(tmp_path)})
    assert raised.value.exit_code == 5
    assert "openssh-client" in str(raised.value.hint)


def test_an_old_ssh_keygen_is_no_answer(signature: bytes, tmp_path: Path) -> None:
    (tmp_path / "ssh-keygen").write_text("#!/bin/sh\necho 'unknown option -- Y' >&2\nexit 1\n")
    (tmp_path / "ssh-keygen").chmod(0o755)
    with pytest.raises(ToolFailed, match="too old"):
        ssh.judge(DATA, signature, signers=b"", environ={"PATH": str(tmp_path)})
