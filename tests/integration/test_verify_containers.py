"""A container is read as it is now: what it wrote, what is mounted into it, what its processes were started with."""

from __future__ import annotations

import pytest
from support.attacked import SITE, VENV, Victim
from support.judging import each_taken_out, seen
from support.project import Ran

LINE = "lib/python3.11/site-packages"


def findings(done: Ran) -> set[tuple[str, str, str | None]]:
    return {(f["code"], f["severity"], f.get("path")) for f in done.json["findings"]}


@pytest.fixture
def started(victim: Victim, request: pytest.FixtureRequest):
    """Start a container that is removed at the end."""
    names = []

    def start(*args: object, command: tuple[str, ...] = ()) -> str:
        names.append(victim.start(f"c{len(names)}-{abs(hash(request.node.name))}", *args, command=command))
        return names[-1]

    yield start
    victim.engine.remove(*names)


def shell(victim: Victim, container: str, text: str) -> None:
    victim.engine.run("exec", "--user", "0", container, "sh", "-c", text)


def test_a_container_that_works_is_what_its_image_is(victim, started):
    container = started("--volume", "/data", command=("sleep", "600"))
    shell(victim, container, "echo x > /tmp/here; mkdir -p ~/.cache/y /var/log/z; echo x > ~/.cache/y/x")
    done = victim.verify("--container", container)
    assert (done.status, findings(done)) == (0, set()), done.out
    assert done.json["verdict"] == "ok"
    assert done.json["subject"]["kind"] == "container"
    assert done.json["subject"]["name"] == container
    victim.engine.run("stop", "--time", "0", container)
    assert victim.verify("--container", container).status == 0


def test_what_a_container_changed_is_found_while_it_runs_and_when_it_is_stopped(victim, started):
    container = started()
    deeds = f"echo >> {SITE}/alpha/core.py; rm {SITE}/gamma/deep/one.py; echo import os > {SITE}/z.pth"
    shell(victim, container, f"{deeds}; echo x > /usr/lib/python3.11/evil.py; echo x >> /srv/model.bin")
    expected = {
        ("ENV201", "error", "alpha/core.py"),
        ("ENV202", "error", "gamma/deep/one.py"),
        ("ENV401", "error", f"{LINE}/z.pth"),
        ("ENV503", "error", "/usr/lib/python3.11/evil.py"),
        ("ENV601", "error", "/srv/model.bin"),
    }
    done = victim.verify("--container", container)
    assert (done.status, findings(done)) == (1, expected)
    inside = victim.verify("--container", container, "--reader", "inside")
    assert (inside.status, findings(inside)) == (1, {item for item in expected if not (item[2] or "").startswith("/")})
    victim.engine.run("stop", "--time", "0", container)
    done = victim.verify("--container", container)
    assert (done.status, findings(done)) == (1, expected)


@pytest.mark.parametrize("reader", ["outside", "inside", "both"])
def test_a_mount_over_site_packages_is_named(victim, started, reader):
    container = started("--volume", f"{victim.tools}:{SITE}/gamma:ro")
    done = victim.verify("--container", container, "--reader", reader)
    assert done.status == 1
    assert ("ENV214", "error", f"{LINE}/gamma") in findings(done)
    assert reader == "outside" or any((path or "").startswith(f"{LINE}/gamma/") for _, _, path in findings(done))


def test_mounts_are_judged_by_what_they_cover(victim, started):
    tools = victim.tools
    container = started(
        *("--volume", "/usr/lib/python3.11/json", "--volume", f"{tools}/attacks/row.py:/srv/model.bin"),
        *("--volume", f"{tools}:/srv/app", "--volume", f"{tools}:/data", "--tmpfs", "/tmp", "--read-only"),
        *("--volume", f"{tools}/attacks/row.py:/usr/lib/x86_64-linux-gnu/libcuda.so.535.1"),
        *("--tmpfs", f"{VENV}/share"),
    )
    done = victim.verify("--container", container)
    assert done.status == 1
    assert findings(done) == {
        ("ENV214", "error", "/usr/lib/python3.11/json"),
        ("ENV214", "error", "/srv/model.bin"),
        ("ENV214", "error", "share"),
        ("ENV214", "warning", "/srv/app"),
        ("ENV214", "warning", "/usr/lib/x86_64-linux-gnu/libcuda.so.535.1"),
    }


@pytest.mark.parametrize("place", [VENV, "/opt", "/usr", "/etc"])
def test_a_mount_over_all_of_it_is_named(victim, started, place):
    over = ("--volume", place) if place in ("/usr", "/etc") else ("--tmpfs", place)
    done = victim.verify("--container", started(*over, command=("sleep", "600")))
    assert (done.status, findings(done)) == (1, {("ENV214", "error", place)})


def test_variables_of_the_container_and_of_each_process_count(victim, started):
    container = started("--env", "PYTHONPATH=/x", "--env", "LD_LIBRARY_PATH=/y")
    victim.engine.run("exec", "--detach", "--env", "LD_PRELOAD=/nonexistent.so", container, "sleep", "600")
    done = victim.verify("--container", container)
    assert done.status == 1
    said = sorted(f["message"].rstrip("0123456789") for f in done.json["findings"])
    assert said == [
        "LD_LIBRARY_PATH is set to /y",
        "LD_PRELOAD is set to /nonexistent.so in process ",
        "PYTHONPATH is set to /x",
    ]


def test_without_its_check_what_was_done_to_a_container_is_not_found(victim, started):
    mounts = ("--volume", f"{victim.tools}:{SITE}/gamma:ro", "--volume", "/usr/lib/python3.11/json")
    container = started(*mounts, "--env", "PYTHONPATH=/x", "--user", "0", command=("sleep", "600"))
    victim.engine.run("exec", "--detach", "--env", "LD_PRELOAD=/nonexistent.so", container, "sleep", "600")
    named = {
        "closed._check_mount": [("ENV214", f"{LINE}/gamma")],
        "mounts.check": [("ENV214", "/usr/lib/python3.11/json")],
        "interpreter._variable": [("ENV308", "PYTHONPATH is set to /x")],
        "settings.check": [("ENV308", "LD_PRELOAD is set to /nonexistent.so in process"), ("ENV505", "user")],
    }
    with each_taken_out(named) as without:
        done = victim.verify("--container", container)
    for check, names in named.items():
        for code, what in names:
            for found, there in ((seen(done.json["findings"]), True), (without[check], False)):
                assert there == any(f.code == code and (f.path == what or what in f.message) for f in found), what


def test_whom_a_container_runs_as_counts_and_what_it_runs_does_not(victim, started):
    container = started("--user", "0", "--workdir", "/", "--entrypoint", "", command=("sleep", "600"))
    for reader in ("outside", "inside"):
        done = victim.verify("--container", container, "--reader", reader)
        assert (done.status, findings(done)) == (1, {("ENV505", "error", "user"), ("ENV505", "error", "workdir")})


def test_both_readers_agree_on_a_container(victim, started):
    done = victim.verify("--container", started(), "--reader", "both")
    assert (done.status, findings(done)) == (0, set())


def test_no_such_container(victim):
    done = victim.verify("--container", "nobody-s-container")
    assert done.status == 2
    assert "the engine has no such container" in done.err
