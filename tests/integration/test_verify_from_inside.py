"""envctl that runs in a container of the image: what it calls right is its own word."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from support.attacked import SITE, Victim

import envctl

PYTHON = "/usr/bin/python3.11"
# msgspec is compiled: only the same X.Y as the image's can lend what is installed here
SAME = sys.version_info[:2] == (3, 11)


def verify(victim: Victim, *args: str, image: str | None = None) -> subprocess.CompletedProcess[str]:
    """`envctl verify` in a container, with what is installed here."""
    installed, own = Path(msgspec.__file__).parents[1], Path(envctl.__file__).parents[1]
    code = "import sys; sys.path[:0] = ['/envctl', '/own']; from envctl.cli.main import run; run(sys.argv[1:])"
    return victim.engine.run(
        *("run", "--rm", "--network=none", "--volume", f"{installed}:/envctl:ro", "--volume", f"{own}:/own:ro"),
        *("--tmpfs", "/tmp", "--env", "HOME=/tmp", "--entrypoint", PYTHON, image or victim.image),
        *("-I", "-B", "-c", code, "verify", "--format", "json", *args),
        check=False,
    )


if SAME:

    @pytest.mark.parametrize("args", [(), ("/opt/envctl/pylock.toml", "--venv", "/opt/venv")])
    def test_a_right_image_is_only_right_by_its_own_word(victim, args):
        done = verify(victim, *args)
        assert done.returncode == 7, done.stderr + done.stdout
        found = json.loads(done.stdout)
        assert (found["verdict"], found["scope"], found["findings"]) == ("unverifiable", ["self"], [])
        assert found["subject"] == {"kind": "venv", "name": "/opt/venv", "digest": None}
        assert found["lock"]["file"] == "/opt/envctl/pylock.toml"

    def test_its_own_word_can_be_accepted(victim):
        done = verify(victim, "--accept-self")
        assert done.returncode == 0, done.stderr + done.stdout
        found = json.loads(done.stdout)
        assert (found["verdict"], found["scope"][-1], found["findings"]) == ("ok", "self", [])
        assert found["package_set"]["found"] == found["package_set"]["expected"]

    def test_what_was_changed_is_found_from_inside_too(victim):
        changed = victim.derive("inside-changed", f"RUN echo >> {SITE}/alpha/core.py")
        for args in ((), ("--accept-self",)):
            done = verify(victim, *args, image=changed)
            assert done.returncode == 1, done.stderr
            assert [(f["code"], f["path"]) for f in json.loads(done.stdout)["findings"]] == [
                ("ENV201", "alpha/core.py")
            ]


def test_an_isolated_interpreter_inside_gives_no_more_than_its_word(victim):
    done = victim.verify("--image", victim.image, "--reader", "inside")
    assert (done.status, done.json["verdict"], done.json["findings"]) == (7, "unverifiable", [])
    assert done.json["scope"] == ["self"]
    done = victim.verify("--image", victim.image, "--reader", "inside", "--accept-self")
    assert (done.status, done.json["verdict"], done.json["findings"]) == (0, "ok", [])
    assert done.json["scope"][-1] == "self"
    done = victim.verify("--image", victim.image, "--accept-self")
    assert done.status == 2
