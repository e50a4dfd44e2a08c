"""The stand-in for msgspec and msgspec itself, held against each other over the project's own structs.

One script asks both the same questions: in this process with msgspec, and by an isolated interpreter in the archive.
"""

from __future__ import annotations

import copy
import json
import random
import runpy
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support import verifier
from support.environments import lock_for, sample_wheels, with_envctl

from envctl.lockfile.write import write_lockfile
from envctl.model.lockfile import Hook, Image, LockedFile, LockedIndex, OsPackage, OsPackages, Policy, Project

QUESTIONS = Path(__file__).parents[1] / "support" / "questions_of_structs.py"
DIGEST = "sha256:" + "5f" * 32
MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "config": {"mediaType": "x", "digest": DIGEST, "size": 7, "annotations": {"a": "b"}},
    "layers": [{"mediaType": "y", "digest": DIGEST, "size": 70, "platform": {"os": "linux", "os.version": "1"}}],
}
CONFIG = {
    "architecture": "amd64",
    "os": "linux",
    "os.version": None,
    "rootfs": {"type": "layers", "diff_ids": [DIGEST]},
    "config": {"Env": ["A=b"], "WorkingDir": "/", "Labels": {"x": "y"}, "Healthcheck": {"Test": [1, None, 2.5]}},
    "history": [{"created_by": "é\u2028", "empty_layer": True}],
}
ENTRY = {"filename": "a", "sha256": "b", "size": 3, "content": "c", "whole": False, "hooks": {"x.pth": "y"}}
PROFILE = {
    "python": "3.11",
    "dependencies": ["numpy"],
    "project": {"path": ".", "editable": True},
    "resolver": {"index": [{"name": "a", "url": "https://index.example/simple", "exclude-newer": False}]},
    "image": {"base": "x", "user": 10001, "ports": [80], "env": {"A": "b"}, "files": [{"source": "a", "target": "/b"}]},
}
INSPECTED = ("envctl.model.profile:Profile", "envctl.profile.shape:FileKeys")
OTHERS: list[Any] = [
    *(None, True, False, 0, 1, -1, 70000, 2**60, 1.0, 2.5, "", "x", "é", "2026-01-02T03:04:05Z", "2026-01-02"),
    *([], [1], ["x"], {}, {"x": 1}, {"x": "y"}, [["x"]], [{}]),
]


def lockfile_document(folder: Path) -> dict[str, Any]:
    """A lockfile with all that one can hold."""
    import tomli

    full = with_envctl(
        lock_for(sample_wheels(folder), policy=Policy(startup_hooks=("beta-hook.pth",), writable=("share/x",))),
        variant="cpu",
        commands={"train": ("python", "-m", "train")},
        hooks=(Hook(path="beta-hook.pth", digest=DIGEST, package="beta"),),
        indexes=(LockedIndex(name="a", url="https://index.example/simple", default=True),),
        project=Project(name="own", path=".", editable=False),
        image=Image(base="x", user=10001, env={"A": "b"}, ports=(80,), files=(LockedFile(source="a", target="/a"),)),
        os_packages=OsPackages(
            snapshot="s", packages=(OsPackage(name="l", version="1", arch="amd64", sha256="0", url="u", size=1),)
        ),
    )
    return tomli.loads(write_lockfile(full).decode())


def plain(value: Any) -> Any:
    """As JSON can hold it."""
    return json.loads(json.dumps(value, default=lambda moment: moment.isoformat()))


def mutated(document: Any, chance: random.Random) -> Any:
    """The document with one to three values replaced, removed or added, anywhere."""
    document = copy.deepcopy(document)
    for _ in range(chance.choice((1, 1, 2, 3))):
        at = document
        while True:
            places = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not places:
                break
            place = chance.choice(places)
            if isinstance(at[place], (dict, list)) and at[place] and chance.random() < 0.8:
                at = at[place]
                continue
            deed = chance.random()
            if deed < 0.6:
                at[place] = copy.deepcopy(chance.choice(OTHERS))
            elif deed < 0.8:
                del at[place]
            elif isinstance(at, dict):
                at["unknown"] = copy.deepcopy(chance.choice(OTHERS))
            break
    return document


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> list[list[Any]]:
    """Questions: what is done, the class, a value."""
    chance = random.Random(7)
    documents = {
        "envctl.model.lockfile:Lockfile": plain(lockfile_document(tmp_path_factory.mktemp("wheels"))),
        "envctl.oci.wire:WireDocument": MANIFEST,
        "envctl.oci.wire:WireConfig": CONFIG,
        "envctl.index.cache:_Entry": ENTRY,
        "envctl.model.profile:Profile": PROFILE,
    }
    found: list[list[Any]] = [["inspect", kind, None] for kind in INSPECTED]
    for kind, document in documents.items():
        for deed in ("convert", "decode"):
            found.append([deed, kind, document])
            found += [[deed, kind, other] for other in OTHERS]
            found += [[deed, kind, mutated(document, chance)] for _ in range(80)]
    return found


def test_both_answer_alike(asked: list[list[Any]], tmp_path: Path) -> None:
    ours = plain(runpy.run_path(str(QUESTIONS))["answers"](asked))
    archive = verifier.write(tmp_path)
    (tmp_path / "asked.json").write_text(json.dumps(asked))
    for python in {verifier.pythons()[0], verifier.pythons()[-1]}:
        code = f"import sys; sys.path.insert(0, {str(archive)!r}); import runpy, json\n"
        code += f"answers = runpy.run_path({str(QUESTIONS)!r})['answers']\n"
        code += f"print(json.dumps(answers(json.load(open({str(tmp_path / 'asked.json')!r})))))"
        done = subprocess.run([python, *verifier.ISOLATED, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        theirs = json.loads(done.stdout)
        differing = [(q, a, b) for q, a, b in zip(asked, ours, theirs, strict=True) if a != b]
        assert not differing, "\n".join(map(repr, differing[0]))
    failed = sum(answer[0] == "ValidationError" for answer in ours)
    assert 300 < failed < len(ours) - 100, "the questions must reach both ends"
