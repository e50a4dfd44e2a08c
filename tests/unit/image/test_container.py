"""The words of `docker run`: closed by default, each door opened by itself."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from support.lockfiles import make_image

from envctl.errors import UsageError
from envctl.image.container import Access, Place, arguments, hidden, published, workdir
from envctl.model.lockfile import LockedFile


def place(**values):
    known = {
        "name": "envctl-train-1", "target": "train", "image": "sha256:" + "1" * 64, "config": {"WorkingDir": "/app"},
        "project": Path("/home/ana/train"), "caller": "1000:1000", "limits": frozenset({"memory", "pids", "cpus"}),
        "memory": 10 * 2**30,
    }  # fmt: skip
    return Place(**{**known, **values})


def words(command=("python", "-m", "train"), **access):
    return arguments(place(), Access(**access), command)


def test_the_default_is_closed():
    said = words()
    assert said[:2] == ["run", "--rm"]
    for closed in (
        "--init",
        "--read-only",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--pids-limit=4096",
        "--pull=never",
        f"--memory={int(10 * 2**30 * 0.9)}",
        f"--memory-swap={int(10 * 2**30 * 0.9)}",
    ):
        assert closed in said
    assert not [word for word in said if word.startswith(("--privileged", "--mount", "--publish", "--user", "--tty"))]


def test_what_is_run_stands_last_behind_the_image():
    said = words(arguments=("--ulimit=core=0",))
    assert said[-5:] == ["--ulimit=core=0", "sha256:" + "1" * 64, "python", "-m", "train"]
    assert {"--entrypoint=", "--no-healthcheck"} <= set(said)


def test_without_a_command_the_image_runs_what_it_is_for():
    said = words(command=())
    assert said[-1] == "sha256:" + "1" * 64
    assert not {"--entrypoint=", "--no-healthcheck"} & set(said)


@pytest.mark.parametrize(
    ("opened", "gone", "there"),
    [
        ({"writable": True}, "--read-only", None),
        ({"memory": "0"}, "--memory", None),
        ({"memory": "8g"}, None, "--memory=8g"),
        ({"pids": 0}, "--pids-limit", None),
        ({"cpus": 1.5}, None, "--cpus=1.5"),
        ({"cap_add": ("NET_BIND_SERVICE",)}, None, "--cap-add=NET_BIND_SERVICE"),
        ({"network": "none"}, None, "--network=none"),
        ({"user": "0:0"}, None, "--user=0:0"),
    ],
)
def test_each_door_opens_by_itself(opened, gone, there):
    closed, said = words(), words(**opened)
    assert gone is None or not any(word.startswith(gone) for word in said)
    assert there is None or there in said
    kept = [word for word in closed if not word.startswith(("--memory", "--pids", "--read-only"))]
    assert set(kept) <= set(said)


def test_limits_that_the_engine_cannot_set_are_left_out():
    said = arguments(place(limits=frozenset()), Access(cpus=2), ())
    assert not [word for word in said if word.startswith(("--memory", "--pids", "--cpus"))]


def test_a_mounted_project_is_read_only_and_used_as_the_caller():
    said = words(mount="ro")
    assert said[said.index("--mount") + 1] == "type=bind,source=/home/ana/train,target=/app,readonly"
    assert {"--workdir=/app", "--user=1000:1000"} <= set(said)
    assert words(mount="rw")[said.index("--mount") + 1] == "type=bind,source=/home/ana/train,target=/app"


def test_a_folder_with_a_comma_stays_one_folder():
    said = arguments(place(project=Path('/home/a,b/"c"')), Access(mount="ro"), ())
    assert said[said.index("--mount") + 1] == 'type=bind,"source=/home/a,b/""c""",target=/app,readonly'


def test_a_user_who_is_named_stays_though_something_is_mounted():
    assert "--user=5" in words(mount="ro", user="5")
    assert "--user=1000:1000" in words(volumes=("/data:/data:ro",))


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"WorkingDir": "/app"}, "/app"),
        ({"WorkingDir": ""}, "/work"),
        ({}, "/work"),
        ({"WorkingDir": "/"}, "/work"),
        ({"WorkingDir": "/opt"}, "/work"),
        ({"WorkingDir": "/opt/venv"}, "/work"),
        ({"WorkingDir": "/opt/venv/lib"}, "/work"),
        ({"WorkingDir": "/opt/app"}, "/opt/app"),
    ],
)
def test_the_project_never_lies_over_the_environment(config, expected):
    assert workdir(config) == PurePosixPath(expected)


def test_files_that_a_mount_hides_are_known():
    files = (LockedFile(source="app", target="/app"), LockedFile(source="m", target="/models/m"))
    assert hidden(make_image(files=files), PurePosixPath("/app")) == ("/app",)
    assert hidden(None, PurePosixPath("/app")) == ()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("8000", "127.0.0.1:8000:8000"),
        ("8080:8000", "127.0.0.1:8080:8000"),
        (":8000", "127.0.0.1::8000"),
        ("0.0.0.0:80:8000", "0.0.0.0:80:8000"),
        ("[::1]:80:8000/udp", "[::1]:80:8000/udp"),
        ("53/udp", "127.0.0.1:53:53/udp"),
    ],
)
def test_ports_are_published_on_loopback_unless_an_address_is_named(said, expected):
    assert published(said) == expected


@pytest.mark.parametrize("said", ["", "x", "0", "65536", "1:2:3:4", "80:", "8000/sctp", "-1", "8000 ", "80\n"])
def test_what_is_no_port_is_refused(said):
    with pytest.raises(UsageError, match="this is no port"):
        published(said)


def test_a_port_without_a_network_makes_no_sense():
    with pytest.raises(UsageError, match="a port needs a network"):
        words(ports=("8000",), network="none")


def test_programs_have_a_home_that_they_can_write_to_unless_one_is_said():
    def home(config, *env):
        said = arguments(place(config=config), Access(env=env), ())
        return [said[at + 1] for at, word in enumerate(said) if word == "--env"]

    assert home({}) == ["HOME=/tmp"]
    assert home({"Env": ["HOME=/data", "A=1"]}) == []
    assert home({"Env": None}, "HOME") == ["HOME"]


@pytest.mark.parametrize("item", ["", "=1"])
def test_what_is_no_variable_is_refused(item):
    with pytest.raises(UsageError, match="this is no variable"):
        words(env=(item,))
