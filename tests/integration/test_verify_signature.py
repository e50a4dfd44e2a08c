"""`--require-signature`: nothing is done with a lockfile that nobody trusted has signed, and why is said."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support import environments as env
from support.environments import SITE, lock_for, sample_wheels, write_lock
from support.keys import key, listed, public, signed
from support.project import Ran, envctl

LOCK = "profiles/locked/pylock.train.toml"
SIGNATURE = f"{LOCK}.sig"


class Team:
    """A project with an environment, and Alice, whose key is listed outside of it."""

    def __init__(self, folder: Path, home: Path, alice: Path) -> None:
        self.folder, self.home, self.alice = folder, home, alice
        self.lock, self.signature = folder / LOCK, folder / SIGNATURE
        self.signers = listed(home / "signers", f"alice@example.com {public(alice)}")

    def sign(self, private: Path | None = None, namespace: str = "envctl-lockfile") -> None:
        self.signature.write_bytes(signed(private or self.alice, self.lock.read_bytes(), namespace))

    def verify(self, *more: object, signers: Path | None = None) -> Ran:
        return envctl(
            *("-C", self.folder, "verify", "train", "--require-signature"),
            *("--allowed-signers", signers or self.signers, *more),
        )

    def findings(self, *more: object, signers: Path | None = None) -> list[tuple[str, str]]:
        done = self.verify(*more, "--format", "json", signers=signers)
        return [(finding["code"], finding["message"]) for finding in done.json["findings"]]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return sample_wheels(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, wheels: list[Path]) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("team")
    write_lock(folder, lock_for(wheels))
    env.uv_install(env.uv_venv(folder / ".venv"), wheels, "--link-mode", "copy")
    return folder, key(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def team(made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Team:
    folder, alice = made
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    mine = tmp_path / "team"
    shutil.copytree(folder / "profiles", mine / "profiles")
    (mine / ".venv").symlink_to(folder / ".venv")
    return Team(mine, home, alice)


def test_a_signature_by_somebody_trusted_is_said(team: Team) -> None:
    team.sign()
    done = team.verify()
    assert done.status == 0, done.out + done.err
    assert any(line.startswith("  signed by alice@example.com (ED25519 SHA256:") for line in done.out.splitlines())
    report = team.verify("--format", "json").json
    assert report["scope"][-1] == "signature"
    key_ = report["signature"].pop("key")
    assert key_.startswith("ED25519 SHA256:")
    assert report["signature"] == {"kind": "ssh", "file": SIGNATURE, "identity": "alice@example.com", "issuer": None}
    assert report["findings"] == []


def test_without_the_demand_nobody_looks_at_signatures(team: Team) -> None:
    team.signature.write_text("garbage")
    report = envctl("-C", team.folder, "verify", "train", "--format", "json").json
    assert (report["verdict"], report["signature"]) == ("ok", None)
    assert "signature" not in report["scope"]


def test_without_a_signature_nothing_is_compared(team: Team) -> None:
    done = team.verify()
    assert done.status == 1
    assert done.out.splitlines() == [
        "untrusted: the lockfile of train is not to be trusted, so .venv was not compared with it",
        "  the lockfile",
        f"    ENV701  {SIGNATURE}  there is no such signature",
    ]
    assert done.err == "hint: `envctl explain ENV701`\n"
    report = team.verify("--format", "json").json
    assert (report["verdict"], report["scope"], report["counts"]["files"]) == ("untrusted", ["signature"], 0)


def test_a_lockfile_edited_after_it_was_signed_is_changed(team: Team) -> None:
    team.sign()
    team.lock.write_bytes(team.lock.read_bytes().replace(b"https://index.example", b"https://index.example."))
    done = team.verify()
    assert done.status == 1
    assert done.out.startswith("changed: the lockfile of train is not to be trusted")
    assert team.findings() == [("ENV702", "is of another lockfile: it was edited after it was signed")]


@pytest.mark.parametrize("strict", [(), ("--strict",), ("--accept-self",), ("--strict", "--accept-self")])
def test_no_other_option_softens_it(team: Team, strict: tuple[str, ...]) -> None:
    assert team.verify(*strict).status == 1
    team.sign()
    done = team.verify(*strict)
    assert done.status == 0


def test_another_key_purpose_or_time_is_not_trusted(team: Team, tmp_path: Path) -> None:
    mallory = key(tmp_path / "keys", "mallory")
    team.sign(mallory)
    assert team.findings() == [("ENV703", "is by nobody who is trusted")]
    team.sign(namespace="git")
    assert team.findings() == [("ENV703", "was made for something else than a lockfile")]
    team.sign()
    expired = listed(tmp_path / "expired", f'alice@example.com valid-before="20200101" {public(team.alice)}')
    ((code, message),) = team.findings(signers=expired)
    assert code == "ENV703"
    assert message.startswith("is by nobody who is trusted: line 1 of the list: key has expired")
    assert team.findings("--identity", "bob@example.com")[0][0] == "ENV703"
    assert team.findings("--identity", "alice@example.com") == []


def _folder(place: Path) -> None:
    place.mkdir()


def _fifo(place: Path) -> None:
    os.mkfifo(place)


def _sparse(place: Path) -> None:
    with place.open("wb") as file:
        file.truncate(10 * 2**30)


def _dangling(place: Path) -> None:
    place.symlink_to("nowhere")


def _loop(place: Path) -> None:
    place.symlink_to(place.name)


def _device(place: Path) -> None:
    place.symlink_to("/dev/zero")


ODD: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "a folder": (_folder, "ENV703", "is no signature: is not a regular file"),
    "a pipe": (_fifo, "ENV703", "is no signature: is not a regular file"),
    "a device": (_device, "ENV703", "is no signature: is not a regular file"),
    "huge": (_sparse, "ENV703", "is no signature: is too large"),
    "a link to nowhere": (_dangling, "ENV701", "there is no such signature"),
    "a link to itself": (_loop, "ENV703", "is no signature: cannot be read (Too many levels of symbolic links)"),
    "empty": (lambda place: place.write_bytes(b"") and None, "ENV703", "is no SSH signature"),
    "a PEM file": (
        lambda place: place.write_text("-----BEGIN CERTIFICATE-----\nMIIB\n") and None,
        "ENV703",
        "is no SSH signature",
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_no_signature_is_said_and_waited_for_by_nobody(team: Team, name: str) -> None:
    make, code, message = ODD[name]
    make(team.signature)
    assert team.findings() == [(code, message)]


def test_a_bundle_does_not_stand_for_a_signature_nor_the_other_way_round(team: Team) -> None:
    team.sign()
    team.signature.rename(team.folder / f"{LOCK}.sigstore.json")
    ((code, message),) = team.findings()
    assert code == "ENV701"
    assert message.endswith("there is pylock.train.toml.sigstore.json, and --identity and --issuer ask for that")


def test_it_must_be_said_who_is_trusted(team: Team) -> None:
    team.sign()
    done = envctl("-C", team.folder, "verify", "train", "--require-signature")
    assert done.status == 2
    assert "nobody is said to be trusted" in done.err
    assert "ENVCTL_ALLOWED_SIGNERS" in done.err


def asked(team: Team, *more: object) -> Ran:
    return envctl("-C", team.folder, "verify", "train", "--require-signature", *more)


def test_who_is_trusted_comes_from_the_variable_the_configuration_or_git(
    team: Team, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    team.sign()
    nobody = listed(tmp_path / "nobody", "")
    git = team.home / ".gitconfig"
    git.write_text(f'[gpg "ssh"]\nallowedSignersFile = ~/{team.signers.name}\n')
    assert asked(team).status == 0
    config = team.home / ".config/envctl/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'[signatures]\nallowed-signers = "{nobody}"\n')
    assert asked(team).status == 1
    config.write_text('[signatures]\nallowed-signers = "~/signers"\n')
    assert asked(team).status == 0
    monkeypatch.setenv("ENVCTL_ALLOWED_SIGNERS", str(nobody))
    assert asked(team).status == 1
    assert asked(team, "--allowed-signers", team.signers).status == 0
    monkeypatch.setenv("ENVCTL_ALLOWED_SIGNERS", "")
    assert asked(team).status == 0
    for wrong in ("signers", "./signers", "~signers"):
        monkeypatch.setenv("ENVCTL_ALLOWED_SIGNERS", wrong)
        done = asked(team)
        assert (done.status, "not an absolute path" in done.err) == (2, True), wrong
    monkeypatch.setenv("ENVCTL_ALLOWED_SIGNERS", str(tmp_path / "nowhere"))
    assert asked(team).status == 3


def test_the_repositorys_own_git_configuration_says_nobody(team: Team) -> None:
    team.sign()
    subprocess.run(["git", "init", "-q", team.folder], check=True)
    set_ = ["git", "-C", team.folder, "config", "gpg.ssh.allowedSignersFile", team.signers]
    subprocess.run(set_, check=True)
    assert asked(team).status == 2


def test_the_configuration_can_require_it_and_revoke_keys(team: Team, tmp_path: Path) -> None:
    config = team.home / ".config/envctl/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[signatures]\nrequire = true\nallowed-signers = "~/signers"\n')
    plain = ("-C", team.folder, "verify", "train")
    assert envctl(*plain).status == 1
    team.sign()
    assert envctl(*plain).status == 0
    listed(team.home / "revoked", public(team.alice))
    config.write_text(config.read_text() + 'revoked-keys = "~/revoked"\n')
    assert "revoked" in envctl(*plain).out
    (team.home / "revoked").unlink()
    assert envctl(*plain).status == 3
    config.write_text('[signatures]\nrequire = true\nallowed-signers = "~/signers"\nidentity = "bob@example.com"\n')
    assert envctl(*plain).status == 1
    for wrong in ('require = "yes"', "allowed = 1", 'allowed-signers = ["a"]'):
        config.write_text(f"[signatures]\n{wrong}\n")
        done = envctl(*plain)
        assert (done.status, "is malformed" in done.err) == (3, True), wrong


@pytest.mark.parametrize("link", [False, True], ids=["a file", "a link that leads out"])
def test_a_list_that_lies_in_the_project_is_said_aloud(team: Team, monkeypatch: pytest.MonkeyPatch, link: bool) -> None:
    team.sign()
    inside = team.folder / "signers"
    if link:
        inside.symlink_to(team.signers)
    else:
        shutil.copy(team.signers, inside)
    done = team.verify(signers=Path("signers"))
    assert done.status == 0
    assert "ENV704  signers  warning: lies in the project" in done.out
    assert team.verify("--strict", signers=inside).status == 1
    monkeypatch.setenv("ENVCTL_ALLOWED_SIGNERS", str(inside))
    done = asked(team)
    assert (done.status, "lies in the project" in done.err) == (2, True)


def test_the_repository_around_the_project_counts_as_the_project(team: Team) -> None:
    team.sign()
    (team.folder.parent / ".git").mkdir()
    assert "ENV704" in team.verify().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--allowed-signers", "x"), "--allowed-signers is for --require-signature"),
        (("--identity", "x"), "--identity is for --require-signature"),
        (("--issuer", "x"), "--issuer is for --require-signature"),
        (("--require-signature", "--issuer", "x"), "none is named"),
        (("--require-signature", "--issuer", "x", "--identity", "y", "--allowed-signers", "z"), "exclude each other"),
        (("--require-signature", "--identity", ""), "--identity is empty"),
        (("--require-signature", "--allowed-signers", ""), "--allowed-signers is empty"),
    ],
)
def test_options_that_say_nothing_are_refused(team: Team, options: tuple[str, ...], message: str) -> None:
    done = envctl("-C", team.folder, "verify", "train", *options)
    assert (done.status, message in done.err) == (2, True), done.err


@pytest.mark.parametrize("name", ["a folder", "a pipe", "huge", "a link to nowhere"])
def test_a_list_that_is_none_is_an_invalid_file(team: Team, tmp_path: Path, name: str) -> None:
    team.sign()
    ODD[name][0](tmp_path / "list")
    assert team.verify(signers=tmp_path / "list").status == 3


def test_without_ssh_keygen_nothing_is_verified(team: Team, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    team.sign()
    monkeypatch.setenv("PATH", str(tmp_path))
    done = team.verify()
    assert done.status == 5
    assert "openssh-client" in done.err


def test_without_a_home_the_named_list_counts(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    team.sign()
    monkeypatch.delenv("HOME")
    assert team.verify().status == 0
    assert asked(team).status == 2


def test_a_lockfile_at_a_path_has_its_signature_beside_it(team: Team, tmp_path: Path) -> None:
    odd = tmp_path / "odd\nname.toml"
    shutil.copy(team.lock, odd)
    arguments = ("-C", team.folder, "verify", odd, "--require-signature", "--allowed-signers", team.signers)
    done = envctl(*arguments)
    assert done.status == 1
    assert "odd\\nname.toml.sig" in done.out
    Path(f"{odd}.sig").write_bytes(signed(team.alice, odd.read_bytes()))
    assert envctl(*arguments).status == 0


def test_changes_in_the_environment_are_still_found(team: Team, wheels: list[Path]) -> None:
    team.sign()
    (team.folder / ".venv").unlink()
    env.uv_install(env.uv_venv(team.folder / ".venv"), wheels, "--link-mode", "copy")
    (team.folder / ".venv" / SITE / "beta.py").write_text("evil")
    done = team.verify("--format", "json").json
    assert (done["verdict"], [finding["code"] for finding in done["findings"]]) == ("changed", ["ENV201"])
    assert done["signature"]["identity"] == "alice@example.com"


def test_sync_and_build_refuse_before_they_do_anything(team: Team) -> None:
    (team.folder / ".venv").unlink()
    for command in (("sync", "train"), ("build", "train")):
        demanded = (*command, "--require-signature", "--allowed-signers", team.signers)
        done = envctl("-C", team.folder, *demanded)
        assert done.status == 3, done.err
        assert done.err.startswith(f"error: {SIGNATURE}: the lockfile is not to be trusted: there is no such signature")
    assert not (team.folder / ".venv").exists()
    team.sign()
    done = envctl(
        "-C", team.folder, "sync", "train", "--dry-run", "--require-signature", "--allowed-signers", team.signers
    )
    assert done.status == 0, done.err


def test_a_sigstore_bundle_counts_where_an_issuer_is_named(
    team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support.sigstores import Sigstore

    from envctl.trust import sigstore

    instance = Sigstore()
    verifier, judge = instance.verifier(tmp_path), sigstore.judge
    monkeypatch.setattr(sigstore, "judge", lambda *args, **more: judge(*args, **more, verifier=verifier))
    demanded = ("--identity", "alice@example.com", "--issuer", "https://accounts.example")
    assert "ENV701" in asked(team, *demanded).out
    bundle = team.folder / f"{LOCK}.sigstore.json"
    bundle.write_bytes(instance.bundle(team.lock.read_bytes(), "alice@example.com", "https://accounts.example"))
    done = asked(team, *demanded)
    assert done.status == 0, done.out + done.err
    assert "  signed by alice@example.com (as https://accounts.example vouches)" in done.out.splitlines()
    assert "ENV703" in asked(team, "--identity", "bob@example.com", *demanded[2:]).out
    config = team.home / ".config/envctl/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(
        '[signatures]\nrequire = true\nidentity = "alice@example.com"\nissuer = "https://accounts.example"\n'
    )
    assert envctl("-C", team.folder, "verify", "train").status == 0
    bundle.write_bytes(instance.bundle(b"other", "alice@example.com", "https://accounts.example"))
    assert "ENV702" in asked(team, *demanded).out
    assert asked(team, "--allowed-signers", team.signers).status == 1


def test_names_that_are_no_text_are_in_reports_as_escapes(team: Team, tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/n\xff"))
    shutil.copytree(team.folder / "profiles", folder)
    (team.folder / ".venv").rename(team.folder / os.fsdecode(b"v\xff"))
    lock = folder / "locked/pylock.train.toml"
    done = envctl("sign", lock, "--key", team.alice, "--format", "json")
    assert (done.status, done.json["signed"][0]["file"]) == (0, str(lock)), done.err
    demanded = ("--require-signature", "--allowed-signers", team.signers, "--attestation", tmp_path / "a.json")
    done = envctl(*("-C", team.folder, "verify", lock, "--venv", os.fsdecode(b"v\xff"), *demanded, "--format", "json"))
    assert done.status == 0, done.err
    assert done.json["subject"]["name"] == "v\\udcff"
    assert done.json["signature"]["file"].endswith("n\\udcff/locked/pylock.train.toml.sig")
    assert json.loads((tmp_path / "a.json").read_text())["predicate"]["verdict"] == "ok"
