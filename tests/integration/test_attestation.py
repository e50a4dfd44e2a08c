"""`envctl verify --attestation`: an in-toto statement, by the framework's own bindings and rules."""

from __future__ import annotations

import json
import os
import re
import uuid
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from google.protobuf.json_format import ParseDict
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as Message
from jsonschema import validate
from support import environments as env
from support.attacked import Victim
from support.environments import SITE, lock_for, sample_wheels, write_lock
from support.keys import key, listed, public
from support.project import Ran, envctl

from envctl import __version__
from envctl.commands.attest import attest
from envctl.model.finding import Counts, LockReference, PackageSet, Report, Subject, Verdict

DIGEST = {"type": "object", "additionalProperties": False, "properties": {"sha256": {"pattern": "^[0-9a-f]{64}$"}}}
MAYBE = {"oneOf": [DIGEST, {"type": "null"}]}
TEXT = {"type": "string"}
COUNT = {"type": "integer", "minimum": 0}


def closed(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
    }


PREDICATE = closed(
    schema={"const": "envctl.attestation/1"},
    verdict={"enum": ["ok", "changed", "untrusted", "unverifiable"]},
    scope={"type": "array", "items": TEXT},
    target=TEXT,
    platform=TEXT,
    verified=closed(kind={"enum": ["venv", "image", "container", "archive"]}, name=TEXT, digest=MAYBE),
    lockfile=closed(name=TEXT, digest=DIGEST),
    environment=closed(expected=DIGEST, found=MAYBE),
    base=MAYBE,
    signature={
        "oneOf": [
            closed(kind={"enum": ["ssh", "sigstore"]}, file=TEXT, identity=TEXT, issuer={}, key={}),
            {"type": "null"},
        ]
    },
    findings=closed(
        error=COUNT, warning=COUNT, note=COUNT, codes={"type": "array", "items": {"pattern": "^ENV[0-9]{3}$"}}
    ),
    strict={"type": "boolean"},
    reader={"enum": ["outside", "inside", "both"]},
    verifier=closed(name={"const": "envctl"}, version=TEXT),
    timeVerified={"pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
)


def valid(place: Path) -> Any:
    """A statement's parsed JSON, once it is one by in-toto's bindings and by our own description of the predicate."""
    data = json.loads(place.read_text("utf-8"))
    message = ParseDict(data, Message())  # an unknown key of a statement is an error
    Statement.copy_from_pb(message).validate()
    for subject in message.subject:
        ResourceDescriptor.copy_from_pb(subject).validate()
        assert subject.digest, "each subject of a statement has a digest"
    assert data["_type"] == "https://in-toto.io/Statement/v1"
    scheme, kind, name = data["predicateType"].split(":")
    assert (scheme, kind, str(uuid.UUID(name))) == ("urn", "uuid", name)
    validate(data["predicate"], PREDICATE)
    return data


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return sample_wheels(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory, wheels: list[Path]) -> Path:
    folder = tmp_path_factory.mktemp("team")
    write_lock(folder, lock_for(wheels))
    env.uv_install(env.uv_venv(folder / ".venv"), wheels, "--link-mode", "copy")
    return folder


def verify(team: Path, *more: object) -> Ran:
    return envctl("-C", team, "verify", "train", *more)


def test_an_exact_environment(team: Path, tmp_path: Path) -> None:
    place = tmp_path / "statement.json"
    before = datetime.now(timezone.utc).replace(microsecond=0)
    assert verify(team, "--attestation", place).status == 0
    data = valid(place)
    report = verify(team, "--format", "json").json
    hex_ = report["package_set"]["found"].removeprefix("sha256:")
    assert data["subject"] == [{"name": "environment of .venv", "digest": {"sha256": hex_}}]
    predicate = data["predicate"]
    assert (predicate["verdict"], predicate["reader"], predicate["strict"]) == ("ok", "outside", False)
    assert predicate["environment"] == {"expected": {"sha256": hex_}, "found": {"sha256": hex_}}
    assert predicate["lockfile"] == {
        "name": "profiles/locked/pylock.train.toml",
        "digest": {"sha256": report["lock"]["digest"].removeprefix("sha256:")},
    }
    assert predicate["findings"] == {"error": 0, "warning": 0, "note": 0, "codes": []}
    assert predicate["verifier"]["version"] == __version__
    assert (predicate["signature"], predicate["base"]) == (None, None)
    assert before <= datetime.fromisoformat(predicate["timeVerified"].replace("Z", "+00:00"))


def test_a_changed_one_is_attested_too_and_still_ends_with_1(team: Path, tmp_path: Path) -> None:
    module = team / ".venv" / SITE / "beta.py"
    honest = module.read_bytes()
    module.write_bytes(b"evil")
    try:
        done = verify(team, "--strict", "--attestation", tmp_path / "statement.json", "-o", tmp_path / "report")
    finally:
        module.write_bytes(honest)
    assert done.status == 1
    predicate = valid(tmp_path / "statement.json")["predicate"]
    assert (predicate["verdict"], predicate["strict"]) == ("changed", True)
    assert predicate["findings"] == {"error": 1, "warning": 0, "note": 0, "codes": ["ENV201"]}
    assert predicate["environment"]["expected"] != predicate["environment"]["found"]


def test_the_signature_is_in_it_and_without_one_it_is_about_the_lockfile(team: Path, tmp_path: Path) -> None:
    alice = key(tmp_path)
    signers = listed(tmp_path / "signers", f"alice@example.com {public(alice)}")
    demanded = ("--require-signature", "--allowed-signers", signers, "--attestation", tmp_path / "statement.json")
    assert verify(team, *demanded).status == 1
    data = valid(tmp_path / "statement.json")
    predicate = data["predicate"]
    assert (predicate["verdict"], predicate["scope"]) == ("untrusted", ["signature"])
    assert (predicate["signature"], predicate["environment"]["found"]) == (None, None)
    assert data["subject"] == [predicate["lockfile"]]
    assert envctl("-C", team, "sign", "train", "--key", alice).status == 0
    assert verify(team, *demanded).status == 0
    assert valid(tmp_path / "statement.json")["predicate"]["signature"]["identity"] == "alice@example.com"
    (team / "profiles/locked/pylock.train.toml.sig").unlink()


@pytest.mark.parametrize(
    ("said", "shown"),
    [("0", "1970-01-01T00:00:00Z"), ("1763596800", "2025-11-20T00:00:00Z"), ("253402300799", "9999-12-31T23:59:59Z")],
)
def test_the_moment_can_be_said(
    team: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, shown: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", said)
    texts = []
    for name in ("one", "two"):
        attest(REPORT, tmp_path / name)
        texts.append((tmp_path / name).read_bytes())
    assert valid(tmp_path / "one")["predicate"]["timeVerified"] == shown
    assert texts[0] == texts[1]


@pytest.mark.parametrize("said", ["-1", "1.5", "now", "253402300800", "9" * 5000, "٣"])
def test_a_moment_that_is_none(team: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", said)
    done = verify(team, "--attestation", tmp_path / "statement.json")
    assert (done.status, "SOURCE_DATE_EPOCH" in done.err) == (2, True)
    assert not (tmp_path / "statement.json").exists()


REPORT = Report(
    verdict=Verdict.OK,
    scope=("packages", "files"),
    target="train",
    platform="linux/amd64",
    subject=Subject(kind="venv", name=".venv"),
    lock=LockReference(file="lock.toml", digest="sha256:" + "1" * 64, base="sha256:" + "2" * 64),
    package_set=PackageSet(expected="sha256:" + "3" * 64, found="sha256:" + "4" * 64),
    findings=(),
    counts=Counts(packages=1, files=1, bytes=1),
    seconds=0.1,
)


@pytest.mark.parametrize(
    ("kind", "digest", "subject"),
    [
        ("image", "5", {"name": "x", "digest": {"sha256": "5" * 64}}),
        ("archive", "5", {"name": "x", "digest": {"sha256": "5" * 64}}),
        ("container", "5", {"name": "environment of x", "digest": {"sha256": "4" * 64}}),
        ("image", None, {"name": "environment of x", "digest": {"sha256": "4" * 64}}),
    ],
)
def test_what_a_statement_is_about(tmp_path: Path, kind: str, digest: str | None, subject: dict[str, Any]) -> None:
    seen = Subject(kind=kind, name="x", digest=digest and f"sha256:{digest * 64}")
    attest(msgspec.structs.replace(REPORT, subject=seen), tmp_path / "statement", reader="both")
    data = valid(tmp_path / "statement")
    assert data["subject"] == [subject]
    assert data["predicate"]["base"] == {"sha256": "2" * 64}
    assert data["predicate"]["verified"]["kind"] == kind


def test_names_that_are_odd(tmp_path: Path) -> None:
    seen = Subject(kind="venv", name='a "b"\n\x1b[31m\u202e é')
    attest(msgspec.structs.replace(REPORT, subject=seen), tmp_path / "new\nline.json")
    assert valid(tmp_path / "new\nline.json")["predicate"]["verified"]["name"] == seen.name


def test_places_that_cannot_be_written(team: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for place in (tmp_path, tmp_path / "file/statement.json"):
        done = verify(team, "--attestation", place)
        assert done.status == 5
        assert done.out.startswith("ok: ")
    assert verify(team, "--attestation", tmp_path / "missing/folder/statement.json").status == 0
    same = verify(team, "--attestation", "x.json", "-o", "x.json")
    assert (same.status, "name one file" in same.err) == (2, True)


def test_a_statement_can_be_signed(team: Path, tmp_path: Path) -> None:
    alice = key(tmp_path)
    place = tmp_path / "statement.json"
    attest(REPORT, place)
    done = envctl("sign", "--attestation", place, "--key", alice)
    assert done.status == 0, done.err
    signers = listed(tmp_path / "signers", f'alice@example.com namespaces="envctl-statement" {public(alice)}')
    checked = f"ssh-keygen -Y verify -f {signers} -I alice@example.com -n envctl-statement -s {place}.sig < {place}"
    assert os.system(checked) == 0
    for text in ("", "garbage", "[]", "{}", '{"_type": "https://in-toto.io/Statement/v0.1"}', "[" * 100_000):
        place.write_text(text)
        assert envctl("sign", "--attestation", place, "--key", alice).status == 3
    assert envctl("sign", "--attestation", tmp_path / "nowhere", "--key", alice).status == 3


def test_an_image_is_named_by_its_digest(victim: Victim, tmp_path: Path) -> None:
    done = victim.verify("--image", victim.image, "--attestation", tmp_path / "statement.json")
    assert done.status == 0, done.out + done.err
    data = valid(tmp_path / "statement.json")
    digest = done.json["subject"]["digest"]
    assert data["subject"] == [{"name": victim.image, "digest": {"sha256": digest.removeprefix("sha256:")}}]
    assert re.fullmatch("[0-9a-f]{64}", data["predicate"]["base"]["sha256"])
    assert data["predicate"]["environment"]["found"] == data["predicate"]["environment"]["expected"]
    alice = key(tmp_path)
    signers = listed(tmp_path / "signers", f"alice@example.com {public(alice)}")
    demanded = ("--require-signature", "--allowed-signers", signers, "--attestation", tmp_path / "statement.json")
    refused = victim.verify("--image", victim.image, *demanded)
    assert (refused.status, [one["code"] for one in refused.json["findings"]]) == (1, ["ENV701"])
    assert valid(tmp_path / "statement.json")["subject"] == data["subject"]
    assert refused.json["subject"]["digest"] == digest
