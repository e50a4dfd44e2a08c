"""The command line of `envctl build`: names, pushing, other outputs, what the engine is told, failures, signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.images import PYTHON, built, demo, demo_copy, image_index, image_project, inside, locked

__all__ = ["demo", "demo_copy", "image_index", "image_project"]

ENVCTL = [sys.executable, "-m", "envctl"]
TAMPERED = "RUN echo 'VALUE = 2' > /opt/venv/lib/python3.11/site-packages/idna/__init__.py"


def test_verified_image_is_pushed_and_its_digest_told(demo_copy, engine):
    tag = engine.name("pushed", pushed=True)
    done = built(demo_copy, "--tag", tag, "--push")
    assert done.json["verdict"] == "ok"
    assert done.json["pushed"] == [f"{tag}@{engine.digest(tag)}"]
    text = demo_copy.run("build", "train", "--tag", tag, "--push")
    assert text.status == 0
    assert text.out.startswith(f"built: {tag} is train for linux/amd64, verified\n")
    for shown in (done.json["image"]["id"], done.json["package_set"], done.json["pushed"][0]):
        assert shown in text.out


def test_image_that_is_not_the_locked_one_is_not_pushed(demo_copy, engine, tmp_path, monkeypatch):
    """An engine that builds something else: its `docker` changes a file of what it was asked to build."""
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    tag = engine.name("tampered", pushed=True)
    change = f"printf 'FROM {tag}\\nUSER 0\\n{TAMPERED}\\nUSER 10001\\n'".replace("'VALUE", '"VALUE').replace(
        "2' >", '2" >'
    )
    docker.write_text(
        f"""#!/bin/sh
{engine.docker} "$@" || exit
case "$*" in "buildx build "*) {change} | {engine.docker} build -q --network=none -t {tag} - > /dev/null ;; esac
"""
    )
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{docker.parent}:{os.environ['PATH']}")
    done = demo_copy.run("build", "train", "--tag", tag, "--push")
    assert done.status == 1, done.err
    assert "idna/__init__.py" in done.err
    assert f"changed: {tag} was built, and is not train" in done.out
    assert "pushed" not in done.out
    listed = engine.run("manifest", "inspect", "--insecure", tag, check=False)
    assert listed.returncode != 0


def test_image_gets_the_targets_name_where_it_gets_none(image_project, engine):
    name = engine.prefix.replace("-", "") + "_odd__name"
    text = f'python = "{PYTHON}"\ndependencies = ["idna"]\n[image]\nbase = "{engine.bases["py311"]}"\n'
    image_project.profile(text, name)
    locked(image_project)
    done = built(image_project, "--no-verify", target=name)
    try:
        assert done.json["image"]["tags"] == [name.replace("__", "-").replace("_", "-")]
        assert engine.image_id(done.json["image"]["tags"][0]) == done.json["image"]["id"]
    finally:
        engine.remove(*done.json["image"]["tags"])


def test_output_goes_to_a_layout_that_is_verified_there_and_the_same_every_time(demo_copy):
    done = built(demo_copy, "--output", "type=oci,dest=image.tar")
    assert (demo_copy.folder / "image.tar").stat().st_size > 10**6
    assert done.json["verdict"] == "ok"
    assert done.json["image"] == {"id": None, "digest": done.json["image"]["digest"], "size": None, "tags": []}
    again = built(demo_copy, "--output", "type=oci,dest=again.tar", "--no-verify")
    assert again.json["image"]["digest"] == done.json["image"]["digest"]


def test_arguments_behind_two_dashes_reach_the_engine(demo_copy, engine):
    tag = engine.name("arguments")
    built(demo_copy, "--no-verify", "--tag", tag, "--", "--label", "team=forecast")
    assert json.loads(engine.run("image", "inspect", tag).stdout)[0]["Config"]["Labels"]["team"] == "forecast"
    done = demo_copy.run("build", "train", "--no-verify", "--", "--no-such-option")
    assert done.status == 5
    assert "no-such-option" in done.err


def test_progress_is_quiet_unless_asked_for(demo_copy, engine):
    done = demo_copy.run("build", "train", "--no-verify", "--tag", engine.name("quiet"))
    assert done.status == 0
    assert done.err == f"hint: `docker run --rm {engine.name('quiet')}`\n"
    assert demo_copy.run("-q", "build", "train", "--no-verify", "--tag", engine.name("quiet")).err == ""
    assert (
        "[internal] load build" in demo_copy.run("-v", "build", "train", "--no-verify", "-t", engine.name("quiet")).err
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--builder", "oci"], "no builder of its own"),
        (["--push"], "--push needs a name"),
        (["-t", "x", "--push", "--output", "type=oci,dest=x"], "exclude each other"),
    ],
)
def test_options_that_make_no_sense_are_refused(arguments, said, demo_copy):
    done = demo_copy.run("build", "train", *arguments)
    assert (done.status, said in done.err, "hint: " in done.err) == (2, True, True)


def test_target_without_an_image_is_refused(image_project):
    image_project.profile(f'python = "{PYTHON}"\ndependencies = ["idna"]\n')
    locked(image_project)
    done = image_project.run("build", "train")
    assert done.status == 3
    assert "train has no image" in done.err


def test_without_docker_or_its_plugin_the_message_says_so(demo_copy, engine, tmp_path, monkeypatch):
    bare = tmp_path / "bin"
    bare.mkdir()
    monkeypatch.setenv("PATH", str(bare))
    done = demo_copy.run("build", "train")
    assert (done.status, "there is no docker command" in done.err) == (5, True)
    (bare / "docker").symlink_to(engine.docker)
    (tmp_path / "config").mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "config"))
    plugin = any(Path(place, "docker-buildx").exists() for place in PLUGINS)
    done = demo_copy.run("build", "train", "--tag", engine.name("no-plugin"))
    assert (done.status == 0) if plugin else (done.status == 5 and "without its buildx plugin" in done.err)


PLUGINS = [f"{root}/{kind}/docker/cli-plugins" for root in ("/usr", "/usr/local") for kind in ("lib", "libexec")]


def test_engine_that_does_not_answer_is_named(demo_copy, tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    done = demo_copy.run("build", "train")
    assert done.status == 5
    assert "nobody.sock" in done.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_build_ends_all_that_it_began(number, image_project, engine, image_index):
    image_index.index.add(image_index.wheels / "idna-3.7-py3-none-any.whl")
    text = f'python = "{PYTHON}"\ndependencies = ["idna"]\n[image]\nbase = "{engine.bases["py311"]}"\n'
    image_project.profile(text)
    locked(image_project)
    fault = image_index.index.fault("/files/idna", delay=30.0)
    try:
        command = [*ENVCTL, "-v", "build", "train", "--no-verify", "--no-cache", "--tag", engine.name("interrupted")]
        running = subprocess.Popen(
            command, cwd=image_project.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | {"UV_INDEX_X_PASSWORD": "p"},
        )  # fmt: skip
        assert running.stderr is not None
        line = next((line for line in running.stderr if "[installer 1/1]" in line), "")
        assert line
        time.sleep(0.2)
        running.send_signal(number)
        _, said = running.communicate(timeout=20)
    finally:
        image_index.index.faults.remove(fault)
    assert running.returncode == 128 + number
    assert said.splitlines()[-1].endswith("nothing was left half-written")
    assert engine.run("image", "inspect", engine.name("interrupted"), check=False).returncode != 0
    assert _children_of(running.pid) == []


def _children_of(pid: int) -> list[str]:
    """Programs that still name the interrupted build's process as their parent, or its tag in their arguments."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes().split(b"\0")
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid or any(b"-interrupted" in word for word in words[:1]):
            found.append(place.name)
    return found


def test_credentials_are_on_no_command_line(demo_copy, engine, tmp_path, monkeypatch):
    """What `ps` shows to everybody: a `docker` that writes its arguments down."""
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/arguments\nexec {engine.docker} "$@"\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{docker.parent}:{os.environ['PATH']}")
    url = demo_copy.index.url.replace("://", "://somebody:hush-hush@")
    monkeypatch.setenv("ENVCTL_INDEX_URL", url)
    monkeypatch.setenv("HTTP_PROXY", "http://somebody:hush-hush@proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    built(demo_copy, "--no-verify", "--tag", engine.name("listened"))
    said = (tmp_path / "arguments").read_text()
    assert "--secret id=netrc,env=" in said
    assert "--build-arg HTTP_PROXY" in said
    assert "hush-hush" not in said
    said = engine.run("image", "inspect", engine.name("listened")).stdout
    assert "proxy.example" not in said + engine.run("history", "--no-trunc", engine.name("listened")).stdout
    assert inside(engine, engine.name("listened"), "true") == ""
