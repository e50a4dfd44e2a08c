"""Images that honest people build of a lockfile are what they should be: no alarm without a cause."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from support.attacked import SITE, VENV, Victim
from support.environments import uv_install, uv_venv
from support.project import Ran

from envctl.report.json import SCHEMA

OTHER_LOCK = {"ENV508"}  # the lockfile in the image is the one before a test changed it
CODES = {"ENV105", "ENV504", "ENV505"}  # a seeded pip, and what a Dockerfile of one's own sets


def warnings(done: Ran) -> set[str]:
    return {f["code"] for f in done.json["findings"] if f["severity"] == "warning"}


@contextlib.contextmanager
def team_lock(victim: Victim, base: str, python: str = "3.11.2") -> Iterator[None]:
    """The lockfile of a team that has a base and packages, and whose Dockerfile is its own."""
    path = victim.project.lock_path()
    whole = path.read_text()
    text = re.sub(r"(?m)^seal = .*\n", "", whole)
    text = re.sub(r"(?m)^image = .*$", f'image = {{ base = "{base}" }}', text)
    text = re.sub(r"(?ms)^files = \[\n.*?^\]\n", "", text)
    text = re.sub(r'base-digest = "[^"]*"', f'base-digest = "{base.partition("@")[2]}"', text)
    text = text.replace('version = "3.11.2"', f'version = "{python}"')
    text = text.replace('"==3.11.*"', f'"=={python.rpartition(".")[0]}.*"')
    path.write_text(text)
    try:
        yield
    finally:
        path.write_text(whole)


@pytest.fixture(scope="session")
def wheels(victim: Victim, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheels, requirements with hashes, the lockfile, and a pip that reads it."""
    folder = tmp_path_factory.mktemp("team")
    rows = []
    for package in victim.project.lockfile().packages:
        wheel = package.wheels[0]
        shutil.copy(victim.project.wheels / wheel.name, folder)
        rows.append(f"{package.name}=={package.version} --hash=sha256:{wheel.sha256}\n")
    (folder / "requirements.txt").write_text("".join(rows))
    text = victim.project.lock_path().read_text()
    (folder / "pylock.toml").write_text(re.sub(r'url = "[^"]*/', 'url = "file:///mnt/', text))
    pip = find_spec("pip")
    assert pip is not None
    shutil.copytree(Path(pip.origin or "").parent, folder / "new" / "pip", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


MOUNT = "--mount=type=bind,target=/mnt"
INSTALL = "install --no-index --find-links /mnt --require-hashes -r /mnt/requirements.txt"


def test_the_image_itself_and_its_report(victim):
    done = victim.verify("--image", victim.image)
    assert done.status == 0, done.out
    found = done.json
    lock = victim.project.lockfile()
    assert set(found) == {
        *("schema", "verdict", "scope", "target", "platform", "subject", "lock"),
        *("package_set", "findings", "counts", "seconds", "packages", "strict", "signature"),
    }
    assert (found["schema"], found["verdict"], found["target"]) == ("envctl.verify/1", "ok", "train")
    assert found["platform"] == "linux/amd64"
    assert found["subject"] == {
        "kind": "image",
        "name": victim.image,
        "digest": victim.engine.image_id(victim.image),
    }
    assert found["lock"]["file"] == "profiles/locked/pylock.train.toml"
    assert found["package_set"] == {"expected": lock.envctl.package_set["linux/amd64"]} | {
        "found": lock.envctl.package_set["linux/amd64"]
    }
    assert found["findings"] == []
    assert found["counts"]["packages"] == len(victim.wheels)
    assert found["counts"]["files"] > 20
    assert [(state["name"], state["expected"], state["verdict"]) for state in found["packages"]] == [
        (package.name, package.version, "ok") for package in lock.packages
    ]
    assert all(state["found"] == state["expected"] and state["files"] > 0 for state in found["packages"])
    Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(found)
    assert set(found["scope"]) >= {"packages", "files", "bytecode", "base", "interpreter", "image-settings"}


def test_an_environment_an_image_and_an_archive_have_one_digest(victim, tmp_path, monkeypatch):
    venv = uv_install(uv_venv(tmp_path / "env"), list(victim.wheels.values()), "--link-mode", "copy")
    digests = [victim.verify("--venv", venv).json["package_set"]["found"]]
    victim.engine.run("save", "--output", tmp_path / "saved.tar", victim.image)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent")
    archive = victim.verify("--archive", tmp_path / "saved.tar")
    assert archive.status == 0, archive.err
    assert archive.json["subject"]["kind"] == "archive"
    digests.append(archive.json["package_set"]["found"])
    assert set(digests) == {victim.project.lockfile().envctl.package_set["linux/amd64"]}


def test_bytecode_that_the_images_own_interpreter_compiled(victim):
    python = f"PYTHONDONTWRITEBYTECODE= {VENV}/bin/python"
    steps = f"RUN {python} -m compileall -q {VENV}/lib && {python} -O -c 'import alpha.core, beta, this'"
    done = victim.verify("--image", victim.derive("compiled", steps))
    assert (done.status, done.json["findings"]) == (0, []), done.out
    assert "bytecode" in done.json["scope"]


def test_layers_that_change_nothing_and_caches(victim):
    steps = f"RUN touch {SITE}/alpha/core.py && mkdir -p ~/.cache /var/cache/x && echo x > ~/.cache/x\n"
    steps += "RUN mv /usr/bin/env /usr/bin/env2 && mv /usr/bin/env2 /usr/bin/env && ldconfig\nLABEL team=us"
    done = victim.verify("--image", victim.derive("touched", steps))
    assert (done.status, done.json["findings"]) == (0, []), done.out


def test_an_environment_that_pip_made_with_a_dockerfile_of_ones_own(victim, wheels):
    reference = victim.engine.bases["official"]
    steps = f"RUN {MOUNT} python3 -m venv /venv && /venv/bin/pip {INSTALL}\n"
    steps += 'ENV PATH=/venv/bin:$PATH TEAM=us\nWORKDIR /job\nCMD ["python", "-m", "alpha"]'
    tag = victim.derive("pip-venv", steps, context=wheels, base=reference)
    with team_lock(victim, reference):
        done = victim.verify("--image", tag)
        assert (done.status, done.json["verdict"]) == (0, "ok"), done.out
        assert warnings(done) == CODES


def test_packages_that_pip_put_into_the_base_itself(victim, wheels):
    reference = victim.engine.bases["official"]
    tag = victim.derive("pip-base", f"RUN {MOUNT} pip {INSTALL}", context=wheels, base=reference, user="0")
    with team_lock(victim, reference):
        done = victim.verify("--image", tag)
        assert (done.status, done.json["verdict"]) == (0, "ok"), done.out
        assert warnings(done) == set()
        assert done.json["package_set"]["found"] == victim.project.lockfile().envctl.package_set["linux/amd64"]
        tampered = victim.derive(
            "pip-base-changed", "RUN echo >> /usr/local/lib/python3.11/site-packages/beta.py", base=tag
        )
        done = victim.verify("--image", tampered)
        assert ("ENV201", "beta.py") in {(f["code"], f.get("path")) for f in done.json["findings"]}


def test_a_lockfile_that_a_new_pip_installed_as_it_stands(victim, wheels):
    reference = victim.engine.bases["py311"]
    steps = f"RUN {MOUNT} python3 -m venv --without-pip {VENV} \\\n"
    steps += f" && PYTHONPATH=/mnt/new {VENV}/bin/python -m pip install --no-compile -r /mnt/pylock.toml\n"
    tag = victim.derive("pylock", f"{steps}ENV PATH={VENV}/bin:$PATH", context=wheels, base=reference, user="0")
    with team_lock(victim, reference):
        done = victim.verify("--image", tag)
        assert (done.status, warnings(done)) == (0, set()), done.out


def test_another_python_whose_bytecode_only_the_base_image_can_compile(victim, wheels):
    reference = victim.engine.bases["py313"]
    version = victim.engine.run("run", "--rm", "--network=none", reference, "python3", "-V").stdout.split()[1]
    steps = f"RUN {MOUNT} python3 -m venv --without-pip {VENV} && cp -r /mnt/new /tmp/new \\\n"
    steps += f" && PYTHONPATH=/tmp/new {VENV}/bin/python -m pip {INSTALL} && rm -r /tmp/new\nENV PATH={VENV}/bin:$PATH"
    tag = victim.derive("py313", steps, context=wheels, base=reference, user="0")
    with team_lock(victim, reference, version):
        done = victim.verify("--image", tag)
        assert (done.status, warnings(done)) == (0, set()), done.out
        assert "bytecode" in done.json["scope"]
        code = f"{VENV}/lib/python3.13/site-packages"
        foreign = f"RUN cp {code}/__pycache__/beta.cpython-313.pyc {code}/gamma/__pycache__/__init__.cpython-313.pyc"
        done = victim.verify("--image", victim.derive("py313-foreign", foreign, base=tag, user="0"))
        assert [f["code"] for f in done.json["findings"] if f["severity"] == "error"] == ["ENV403"]


def test_a_base_with_cuda(victim):
    reference = victim.engine.bases["cuda"]
    tag = victim.engine.name("on-cuda")
    text = f"FROM {reference}\nCOPY --from={victim.image} /opt /opt\nENV PATH={VENV}/bin:$PATH\n"
    victim.engine.build(victim.tools, text, tag)
    with team_lock(victim, reference):
        done = victim.verify("--image", tag)
    assert (done.status, warnings(done) - OTHER_LOCK) == (0, set()), done.out


def test_os_packages_that_the_profile_asks_for(victim):
    control = r"Package: tiny\nVersion: 1\nArchitecture: all\nMaintainer: us\nDescription: tiny\n"
    steps = "RUN mkdir -p /tmp/t/DEBIAN /tmp/t/usr/bin /tmp/t/usr/lib/tiny && echo x > /tmp/t/usr/lib/tiny/x.so"
    steps += f" && printf '{control}' > /tmp/t/DEBIAN/control && cp /bin/true /tmp/t/usr/bin/tiny"
    steps += " && dpkg-deb --build /tmp/t /tmp/tiny.deb && dpkg -i /tmp/tiny.deb && rm -r /tmp/t /tmp/tiny.deb"
    tag = victim.derive("os-package", steps)
    done = victim.verify("--image", tag)
    assert {f["code"] for f in done.json["findings"]} == {"ENV503"}
    path = victim.project.lock_path()
    whole = path.read_text()
    try:
        text = re.sub(r"(?m)^seal = .*\n", "", whole)
        path.write_text(re.sub(r'(?m)^(image = \{ base = "[^"]*")', r'\1, packages = ["tiny"]', text))
        done = victim.verify("--image", tag)
    finally:
        path.write_text(whole)
    assert (done.status, warnings(done) - OTHER_LOCK) == (0, {"ENV507"}), done.out
