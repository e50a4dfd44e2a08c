"""`envctl build` on a real engine: what the image is, and that it is the same every time."""

from __future__ import annotations

import json
import os

import pytest
from support.images import DEMO, PYTHON, built, demo, demo_copy, image_index, image_project, inside, locked, write_demo

__all__ = ["demo", "demo_copy", "image_index", "image_project"]


def config(engine, image):
    return json.loads(engine.run("image", "inspect", image).stdout)[0]


def layers(engine, image):
    return config(engine, image)["RootFS"]["Layers"]


def test_image_runs_the_command_on_the_locked_environment(demo, engine):
    done = engine.run("run", "--rm", demo.tag)
    assert done.stdout == "served\n"
    code = "import acme_core, acme_large, idna, six, sys, os; print(sys.prefix, sys.version.split()[0], os.getuid())"
    done = engine.run("run", "--rm", demo.tag, "python", "-c", code)
    assert done.stdout.split() == ["/opt/venv", PYTHON, "10001"]


def test_result_names_what_the_engine_has(demo, engine):
    found = config(engine, demo.tag)
    assert demo.result["schema"] == "envctl.build/1"
    assert demo.result["image"]["id"] == found["Id"]
    assert demo.result["image"]["tags"] == [demo.tag]
    assert demo.result["image"]["size"] == found["Size"] > 0
    assert demo.result["image"]["digest"].startswith("sha256:")
    assert demo.result["package_set"] == demo.project.lockfile().envctl.package_set["linux/amd64"]
    assert (demo.result["platform"], demo.result["verdict"]) == ("linux/amd64", None)
    assert demo.result["seconds"] > 0


def test_image_says_what_the_lockfile_says(demo, engine):
    said = config(engine, demo.tag)["Config"]
    assert said["User"] == "10001"
    assert said["WorkingDir"] == "/srv/app"
    assert said["Cmd"] == ["acme", "serve"]
    assert not said["Entrypoint"]
    assert list(said["ExposedPorts"]) == ["8000/tcp"]
    assert "GREETING=good $day" in said["Env"]
    assert said["Labels"]["envctl.target"] == "train"
    assert said["Labels"]["envctl.lockfile.digest"] == demo.result["lock"]["digest"]
    inner = inside(engine, demo.tag, "cat", "/opt/envctl/pylock.toml")
    assert inner == demo.project.lock_path().read_text("utf-8")


def test_image_holds_nothing_of_what_built_it(demo, engine):
    assert inside(engine, demo.tag, "find", "/opt", "-maxdepth", "1").split() == ["/opt", "/opt/envctl", "/opt/venv"]
    places = (
        "for place in /wheels /layers /root/.cache /root/.netrc /run/secrets; do [ ! -e $place ] || echo $place; done"
    )
    assert inside(engine, demo.tag, "sh", "-c", places) == ""
    assert inside(engine, demo.tag, "find", "/opt", "/srv/app", "-name", "*.pyc") == ""


def test_folders_of_the_base_keep_mode_and_owner(demo, engine):
    stat = ("stat", "-c", "%n %a %u:%g", "/", "/opt", "/tmp", "/srv", "/usr", "/var", "/etc", "/root")
    assert inside(engine, demo.tag, *stat) == inside(engine, engine.bases["py311"], *stat)


def test_files_of_the_application_have_modes_that_no_checkout_decides(demo, engine):
    found = inside(engine, demo.tag, "find", "/srv", "-printf", "%p %m %U:%G %T@\n").splitlines()
    epoch = demo.project.lockfile().envctl.source_date_epoch
    rows = {line.rsplit(" ", 3)[0]: line.rsplit(" ", 3)[1:] for line in found}
    assert rows["/srv/app/serve.py"] == ["644", "0:0", f"{epoch}.0000000000"]
    assert rows["/srv/weights/deep"] == ["755", "0:0", f"{epoch}.0000000000"]
    assert "/srv/weights/deep/__pycache__/kept.pyc" in rows
    assert rows["/srv/weights/deep/a b.bin"][0] == "644"


def test_builds_without_cache_from_other_folders_and_umasks_give_one_image(demo, demo_copy, engine, monkeypatch):
    for path in demo_copy.folder.rglob("*"):
        os.utime(path, (10**9, 10**9))
        path.chmod(0o700 if path.is_dir() else 0o600)
    (demo_copy.folder / "unrelated.txt").write_text("not in the context")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    again = built(demo_copy, "--no-cache", "--no-verify", "--tag", engine.name("again"))
    assert again.json["image"]["id"] == demo.result["image"]["id"]
    assert again.json["image"]["digest"] == demo.result["image"]["digest"]
    pushed = [engine.name(name, pushed=True) for name in ("first", "second")]
    engine.run("tag", demo.tag, pushed[0])
    engine.run("tag", engine.name("again"), pushed[1])
    assert len({engine.push(name).partition("@")[2] for name in pushed}) == 1


def test_unchanged_build_runs_no_step(demo, demo_copy, engine):
    done = demo_copy.run("-v", "build", "train", "--no-verify", "--tag", demo.tag, "--format", "json")
    assert done.status == 0, done.err
    assert done.json["image"]["id"] == demo.result["image"]["id"]
    assert done.err.count("CACHED") >= 8
    assert done.json["seconds"] < 10


def test_one_small_change_leaves_the_heavy_layers(demo, engine, image_project, image_index):
    write_demo(image_project, engine.bases["py311"])
    image_project.wheel("acme-small", "0.1")
    text = DEMO.replace('"idna"', '"idna", "acme-small"').format(base=engine.bases["py311"])
    image_project.profile(text)
    locked(image_project)
    changed = engine.name("changed")
    built(image_project, "--no-verify", "--tag", changed)
    before, after = layers(engine, demo.tag), layers(engine, changed)
    base = len(layers(engine, engine.bases["py311"]))
    assert len(before) == len(after)
    assert before[: base + 1] == after[: base + 1]  # the base's, and that of the large wheel
    assert before[base + 1] != after[base + 1]


def test_image_is_not_larger_than_one_that_pip_makes(demo, engine, image_index, tmp_path):
    port = image_index.index.root.rpartition(":")[2]
    install = f"pip install --no-cache-dir --index-url http://127.0.0.1:{port}/simple acme-core acme-large idna"
    text = f"FROM {engine.bases['official']}\nRUN python3 -m venv /opt/venv && /opt/venv/bin/{install}\n"
    engine.build(tmp_path, text, engine.name("pip"), "--network=host", packed=True)
    assert config(engine, demo.tag)["Size"] <= config(engine, engine.name("pip"))["Size"]


def test_dockerfile_alone_builds_the_same_files(demo, engine):
    folder, tag = demo.project.folder, engine.name("plain")
    epoch = f"SOURCE_DATE_EPOCH={demo.project.lockfile().envctl.source_date_epoch}"
    engine.run(
        "build", "--network=host", "--build-arg", epoch,
        "--provenance=false", "-f", folder / "profiles/locked/Dockerfile.train", "-t", tag, folder,
    )  # fmt: skip
    assert engine.image_id(tag) == demo.result["image"]["id"]


@pytest.mark.parametrize("how", ["stale", "edited"])
def test_only_what_was_reviewed_is_built(how, demo_copy, engine):
    if how == "stale":
        (demo_copy.folder / "model.bin").write_bytes(b"another model")
    else:
        with (demo_copy.folder / "profiles/locked/Dockerfile.train").open("a") as file:
            file.write("RUN true\n")
    done = demo_copy.run("build", "train", "--tag", engine.name("never"))
    assert done.status == 3
    assert "hint: `envctl lock train`" in done.err
    assert ("model.bin" if how == "stale" else "Dockerfile.train") in done.err
    assert engine.run("image", "inspect", engine.name("never"), check=False).returncode != 0
