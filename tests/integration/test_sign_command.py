"""`envctl sign`, what becomes of signatures when the lockfile moves on, and what they are for."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.environments import repair_record
from support.keys import key, listed, public, signed
from support.locked import lock
from support.project import Project, Ran

from envctl.index.wheel import read_file
from envctl.lockfile.seal import sealed
from envctl.lockfile.write import write_lockfile
from envctl.model.manifest import Manifest, environment_digest


@pytest.fixture(scope="module")
def alice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return key(tmp_path_factory.mktemp("alice"))


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


@pytest.fixture
def locked(project: Project) -> Project:
    lock(project, project.wheel("alpha"))
    return project


def signature(project: Project) -> Path:
    return project.lock_path().with_name("pylock.train.toml.sig")


def verified(project: Project, signers: Path) -> Ran:
    return project.run("verify", "train", "--require-signature", "--allowed-signers", signers)


def test_what_is_signed_is_what_verify_accepts(locked: Project, alice: Path, tmp_path: Path) -> None:
    assert locked.run("sync", "train").status == 0
    done = locked.run("sign", "train", "--key", alice)
    assert done.status == 0, done.err
    assert done.out.startswith("signed: profiles/locked/pylock.train.toml.sig, by ED25519 SHA256:")
    assert done.err.startswith("hint: commit it; `envctl verify train --require-signature`")
    signers = listed(tmp_path / "signers", f"alice@example.com {public(alice)}")
    assert verified(locked, signers).status == 0
    report = locked.run("sign", "train", "--key", alice, "--format", "json").json
    (one,) = report["signed"]
    assert (report["schema"], one["target"], one["kind"]) == ("envctl.sign/1", "train", "ssh")
    assert one["signature"] == "profiles/locked/pylock.train.toml.sig"


def test_the_key_is_gits_where_git_signs_with_ssh(locked: Project, alice: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    assert "there is no key to sign with" in locked.run("sign", "train").err
    (home / ".gitconfig").write_text(f"[user]\nsigningkey = {alice}\n")
    assert locked.run("sign", "train").status == 2  # git's format is still OpenPGP
    (home / ".gitconfig").write_text(f"[gpg]\nformat = ssh\n[user]\nsigningkey = {alice}.pub\n")
    assert locked.run("sign", "train").status == 0
    shutil.copy(alice, home / "mine")
    (home / "mine").chmod(0o600)
    (home / ".gitconfig").write_text("[gpg]\nformat = ssh\n[user]\nsigningkey = ~/mine\n")
    assert locked.run("sign", "train").status == 0


def test_the_agents_only_key_signs_and_of_several_none(
    locked: Project, alice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL) as agent:
        try:
            monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
            while not socket.exists():
                assert agent.poll() is None
            assert locked.run("sign", "train").status == 2
            subprocess.run(["ssh-add", "-q", alice], check=True, stderr=subprocess.DEVNULL)
            done = locked.run("sign", "train")
            assert done.status == 0, done.err
            public_key = tmp_path / "public"
            public_key.write_text(public(alice))
            assert locked.run("sign", "train", "--key", public_key).status == 0
            (tmp_path / "home").mkdir()
            (tmp_path / "home/.gitconfig").write_text(
                f'[gpg]\nformat = ssh\n[user]\nsigningkey = "key::{public(alice)}"\n'
            )
            assert locked.run("sign", "train").status == 0
            (tmp_path / "home/.gitconfig").unlink()
            subprocess.run(["ssh-add", "-q", key(tmp_path, "second")], check=True, stderr=subprocess.DEVNULL)
            several = locked.run("sign", "train")
            assert (several.status, "2 keys in the agent" in several.err) == (2, True)
        finally:
            agent.terminate()


def test_a_passphrase_that_nobody_can_be_asked_for_is_no_reason_to_wait(locked: Project, tmp_path: Path) -> None:
    private = key(tmp_path, "secret", passphrase="long and secret")
    environ = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "SSH_ASKPASS")}
    done = subprocess.run(
        [sys.executable, "-m", "envctl", "-C", locked.folder, "sign", "train", "--key", private],
        start_new_session=True,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 5
    assert "incorrect passphrase" in done.stderr
    assert "ssh-add" in done.stderr
    assert not signature(locked).exists()


def test_keys_that_are_none(locked: Project, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "garbage").write_text("garbage")
    (tmp_path / "garbage").chmod(0o600)
    for name, status in (("nowhere", 2), (".", 2), ("pipe", 2), ("garbage", 5)):
        done = locked.run("sign", "train", "--key", tmp_path / name)
        assert (done.status, signature(locked).exists()) == (status, False), done.err


def test_what_cannot_be_signed_is_said(locked: Project, alice: Path) -> None:
    assert locked.run("sign").status == 2
    assert locked.run("sign", "train", "--key", alice, "--sigstore").status == 2
    assert locked.run("sign", "nothing", "--key", alice).status == 2
    other = lock(locked, locked.wheel("beta"), target="serve")
    path = locked.lock_path("serve")
    path.write_bytes(write_lockfile(other).replace(b"source-date-epoch = 0", b"source-date-epoch = 1"))
    done = locked.run("sign", "train", "serve", "--key", alice)
    assert done.status == 3, done.err
    assert "was edited since an envctl wrote it" in done.err
    assert not signature(locked).exists()
    signature(locked).mkdir()
    assert locked.run("sign", "train", "--key", alice).status == 5


def test_without_ssh_keygen(locked: Project, alice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = locked.run("sign", "train", "--key", alice)
    assert (done.status, "openssh-client" in done.err) == (5, True)


def test_a_new_lockfile_leaves_its_old_signature_and_says_so(project: Project, alice: Path) -> None:
    project.wheel("alpha", "1.0")
    project.profile('python = "3.11.9"\ndependencies = ["alpha"]\n')
    assert project.run("lock").status == 0
    assert project.run("sign", "train", "--key", alice).status == 0
    before = signature(project).read_bytes()
    assert project.run("lock", "--check").out == "fresh: 1 target\n"
    assert "signature" not in project.run("lock").err
    project.profile('python = "3.11.9"\ndependencies = ["alpha", "beta"]\n')
    project.wheel("beta", "1.0")
    done = project.run("lock")
    assert done.status == 0
    assert "warning: train: pylock.train.toml.sig is of the lockfile before this one; `envctl sign train`" in done.err
    assert signature(project).read_bytes() == before
    stale = project.run("lock", "--check")
    assert stale.status == 1
    assert stale.out.splitlines() == [
        "stale: train",
        "  profiles/locked/pylock.train.toml.sig  is no signature of the lockfile as it is now;"
        " `envctl sign train` signs it",
    ]
    assert "envctl lock" not in stale.err
    assert project.run("sign", "train", "--key", alice).status == 0
    assert project.run("lock", "--check").status == 0


@pytest.mark.parametrize("kind", ["a bundle of another lockfile", "garbage", "a folder", "a link to nowhere"])
def test_what_lies_in_a_signatures_place_is_looked_at(project: Project, kind: str) -> None:
    project.wheel("alpha", "1.0")
    project.profile('python = "3.11.9"\ndependencies = ["alpha"]\n')
    assert project.run("lock").status == 0
    place = project.lock_path().with_name("pylock.train.toml.sigstore.json")
    if kind == "a folder":
        place.mkdir()
    elif kind == "a link to nowhere":
        place.symlink_to("nowhere")
    else:
        digest = "AAAA" if kind.startswith("a bundle") else None
        place.write_text(f'{{"messageSignature": {{"messageDigest": {{"digest": "{digest}"}}}}}}')
    done = project.run("lock", "--check")
    assert (done.status, "is no signature of the lockfile" in done.out) == (1, True)


def test_without_ssh_keygen_a_check_notes_what_it_could_not_look_at(
    project: Project, alice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.wheel("alpha", "1.0")
    project.profile('python = "3.11.9"\ndependencies = ["alpha"]\n')
    assert project.run("lock").status == 0
    signature(project).write_bytes(signed(alice, b"other"))
    monkeypatch.setenv("PATH", str(tmp_path))
    done = project.run("lock", "--check")
    assert done.status == 0
    assert (
        "note: profiles/locked/pylock.train.toml.sig could not be looked at: SSH signatures need ssh-keygen" in done.out
    )


def test_a_fetched_folder_carries_the_signature(locked: Project, alice: Path, tmp_path: Path) -> None:
    folder = tmp_path / "wheelhouse"
    assert locked.run("sign", "train", "--key", alice).status == 0
    assert locked.run("fetch", "train", folder).status == 0
    copy = folder / "pylock.train.toml.sig"
    assert copy.read_bytes() == signature(locked).read_bytes()
    (folder / "pylock.train.toml.sig.mine").write_text("mine")
    signers = listed(tmp_path / "signers", f"alice@example.com {public(alice)}")
    demanded = ("--require-signature", "--allowed-signers", signers)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    alone = Project.__new__(Project)
    alone.folder = elsewhere
    done = alone.run("sync", "train", "--from", folder, *demanded)
    assert done.status == 0, done.err
    copy.write_bytes(signed(alice, b"other"))
    done = alone.run("sync", "train", "--from", folder, *demanded)
    assert (done.status, "edited after it was signed" in done.err) == (3, True)
    signature(locked).unlink()
    assert locked.run("fetch", "train", folder).status == 0
    assert sorted(path.name for path in folder.glob("*.sig*")) == ["pylock.train.toml.sig.mine"]
    signature(locked).mkdir()
    assert locked.run("fetch", "train", folder).status == 3


def test_a_lockfile_that_was_made_to_match_a_tampered_environment(
    project: Project, alice: Path, tmp_path: Path
) -> None:
    """Whoever may write both is not caught by comparing them: the seal, the index and the signature are for that."""
    project.wheel("alpha", "1.0")
    project.profile(f'python = "{".".join(map(str, sys.version_info[:3]))}"\ndependencies = ["alpha"]\n')
    assert project.run("lock").status == 0
    assert project.run("sign", "train", "--key", alice).status == 0
    signers = listed(tmp_path / "signers", f"alice@example.com {public(alice)}")
    assert project.run("sync", "train").status == 0
    honest = project.lock_path().read_bytes()

    (site,) = (project.folder / ".venv").glob("lib/python3.*/site-packages")
    module = site / "alpha/__init__.py"
    module.write_text("version = '1.0'  # and more\n")
    repair_record(site / "alpha-1.0.dist-info", "alpha/__init__.py")
    assert verified(project, signers).status == 1

    text = _matched(project, module)
    project.lock_path().write_bytes(text)
    assert project.run("verify", "train").out.startswith("ok: ")
    check = project.run("lock", "--check")
    assert (check.status, "edited by hand" in check.out) == (1, True)

    body, _, _ = text.rpartition(b"seal = ")
    project.lock_path().write_bytes(sealed(body))
    assert project.run("verify", "train").out.startswith("ok: ")
    signature(project).rename(tmp_path / "aside")
    assert project.run("lock", "--check").status == 0
    resolved = project.run("lock", "--check", "--resolve")
    assert (resolved.status, "content digest" in resolved.out) == (1, True), resolved.out + resolved.err
    (tmp_path / "aside").rename(signature(project))
    demanded = verified(project, signers)
    assert (demanded.status, "ENV702" in demanded.out) == (1, True)
    project.lock_path().write_bytes(honest)
    assert "ENV201" in verified(project, signers).out


def _matched(project: Project, module: Path) -> bytes:
    """The lockfile with the digests of the environment as it is."""
    (package,) = project.lockfile().packages
    (wheel,) = package.wheels
    files = read_file(project.wheels / wheel.name).manifest.files
    good, bad = package.content[wheel.name], hashlib.sha256(module.read_bytes()).hexdigest()
    content = Manifest.of({**files, "site/alpha/__init__.py": bad}).digest()
    old = environment_digest([("alpha", "1.0", good)])
    new = environment_digest([("alpha", "1.0", content)])
    text = project.lock_path().read_bytes()
    return text.replace(good.encode(), content.encode()).replace(old.encode(), new.encode())
