"""Each change to an image is found and named, whoever reads it and from wherever; and only because it is looked for."""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from support.attacked import VENV, Victim, changed_lock, victim
from support.attacks import CLOSED, GROUPS, Attack
from support.attacks import derive as attacked
from support.project import Ran

from envctl.oci import store
from envctl.verify.packages import Split

__all__ = ["victim"]

Reader = Callable[[Victim, str, Path, pytest.MonkeyPatch], Ran]


def by_the_engines_files(victim: Victim, tag: str, _: Path, __: pytest.MonkeyPatch) -> Ran:
    return victim.verify("--image", tag)


def by_the_engine(victim: Victim, tag: str, _: Path, patch: pytest.MonkeyPatch) -> Ran:
    patch.setattr(store, "_STORES", ())  # as of an engine whose files are not at hand
    return victim.verify("--image", tag)


def by_the_registry(victim: Victim, tag: str, _: Path, patch: pytest.MonkeyPatch) -> Ran:
    name = victim.engine.name(f"{tag.partition('-')[2]}:1", pushed=True)
    victim.engine.run("tag", tag, name)
    victim.engine.push(name)
    patch.setenv("DOCKER_HOST", "unix:///nonexistent")
    return victim.verify("--image", name)


def by_docker_save(victim: Victim, tag: str, folder: Path, patch: pytest.MonkeyPatch) -> Ran:
    victim.engine.run("save", "--output", folder / "saved.tar", tag)
    patch.setenv("DOCKER_HOST", "unix:///nonexistent")
    return victim.verify("--archive", folder / "saved.tar")


def by_an_oci_archive(victim: Victim, tag: str, folder: Path, patch: pytest.MonkeyPatch) -> Ran:
    output = f"type=oci,dest={folder / 'oci.tar'},name={tag}"
    victim.engine.run("buildx", "build", "--provenance=false", "--output", output, "-", stdin=f"FROM {tag}\n")
    patch.setenv("DOCKER_HOST", "unix:///nonexistent")
    return victim.verify("--archive", folder / "oci.tar")


def by_an_oci_folder(victim: Victim, tag: str, folder: Path, patch: pytest.MonkeyPatch) -> Ran:
    output = f"type=oci,dest={folder / 'oci.tar'},compression=zstd,force-compression=true"
    victim.engine.run("buildx", "build", "--provenance=false", "--output", output, "-", stdin=f"FROM {tag}\n")
    with tarfile.open(folder / "oci.tar") as archive:
        archive.extractall(folder / "oci", filter="data")
    patch.setenv("DOCKER_HOST", "unix:///nonexistent")
    return victim.verify("--archive", folder / "oci")


def from_inside(victim: Victim, tag: str, _: Path, __: pytest.MonkeyPatch) -> Ran:
    return victim.verify("--image", tag, "--reader", "inside")


def by_both(victim: Victim, tag: str, _: Path, __: pytest.MonkeyPatch) -> Ran:
    return victim.verify("--image", tag, "--reader", "both")


READERS: tuple[Reader, ...] = (
    by_the_engines_files,
    by_the_engine,
    by_the_registry,
    by_docker_save,
    by_an_oci_archive,
    by_an_oci_folder,
    from_inside,
    by_both,
)
MATRIX = [
    *(("promised", reader) for reader in READERS),
    *((group, by_the_engines_files) for group in GROUPS if group != "promised"),
    *[("around", by_docker_save), ("around", by_both), ("within", by_the_engine), ("within", from_inside)],
    *[("said", by_the_registry), ("said", from_inside), ("link", from_inside), ("interpreter", from_inside)],
]


def expected(group: str, *, inside: bool) -> Counter[tuple[str, str | None]]:
    rows = [row for row in GROUPS[group] if row.inside or not inside]
    return Counter([(row.code, row.path) for row in rows] + [also for row in rows for also in row.also])


def named(done: Ran, *, inside: bool) -> Counter[tuple[str, str | None]]:
    found = Counter((f["code"], f.get("path")) for f in done.json["findings"])
    # bytecode is compared from outside alone
    return Counter({key: n for key, n in found.items() if not (inside and key[0] == "ENV902")})


@pytest.mark.parametrize(("group", "reader"), MATRIX, ids=[f"{group}-{reader.__name__}" for group, reader in MATRIX])
def test_every_deed_is_named_and_nothing_else(victim, group, reader, tmp_path, monkeypatch):
    tag = attacked(victim, group)
    done = reader(victim, tag, tmp_path, monkeypatch)
    assert done.status == 1, done.err
    assert done.json["verdict"] in ("changed", "untrusted")
    inside = reader is from_inside
    if (group, reader) == ("around", by_both):  # its `re` is gone: the interpreter inside cannot answer
        assert ("ENV509", "bin/python") in named(done, inside=False)
        return
    found = named(done, inside=inside)
    if reader is by_both:
        found = Counter({key: n for key, n in found.items() if key[0] != "ENV509"})
    assert found == expected(group, inside=inside)
    said = [(f["code"], f.get("path"), f["message"]) for f in done.json["findings"]]
    for row in GROUPS[group]:
        if row.inside or not inside:
            assert any((c, p) == (row.code, row.path) and row.says in m for c, p, m in said), row.name


REMOVED: dict[str, object] = {"envctl.verify.packages.split": lambda _, __: Split((), (), (), None)}
CHECKS = sorted(
    {(group, row.check) for group in ("promised", "around", "within", "said", "loader") for row in GROUPS[group]}
)


@pytest.mark.parametrize(
    ("group", "check"), CHECKS, ids=[f"{group}-{check.partition('.verify.')[2]}" for group, check in CHECKS]
)
def test_without_its_check_a_deed_is_not_found(victim, group, check, monkeypatch):
    tag = attacked(victim, group)
    rows = [row for row in GROUPS[group] if row.check == check]
    monkeypatch.setattr(check, REMOVED.get(check, lambda *_, **__: ""))
    done = victim.verify("--image", tag)
    assert done.status in (0, 1), done.err
    said = [(f["code"], f.get("path"), f["message"]) for f in done.json["findings"]]
    for row in rows:
        assert not any((c, p) == (row.code, row.path) and row.says in m for c, p, m in said), row.name


def other_base(victim: Victim) -> str:
    """The victim's files on another base."""
    tag = victim.engine.name("other-base")
    text = f"""\
FROM {victim.project.lockfile().envctl.image.base} AS other
RUN --network=none echo other > /etc/motd
COPY --from={victim.image} /opt /opt
COPY --from={victim.image} /srv /srv
FROM scratch
COPY --from=other / /
ENV PATH={VENV}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin GREETING='good day'
WORKDIR /srv/app
USER 10001
CMD ["alpha", "serve"]
"""
    victim.engine.build(victim.tools, text, tag)
    return tag


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_another_base_is_found(victim, reader, tmp_path, monkeypatch):
    done = reader(victim, other_base(victim), tmp_path, monkeypatch)
    assert done.status == 1, done.err
    findings = [f for f in done.json["findings"] if f["severity"] == "error"]
    assert (findings[0]["code"], findings[0]["path"]) == ("ENV501", "layer 1")
    assert all(f["path"].startswith("bin/activate") for f in findings[1:])  # whose templates the base vouches for
    assert "base" not in done.json["scope"]


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_another_patch_release_of_python_is_an_error(victim, reader, tmp_path, monkeypatch):
    with changed_lock(victim, ('version = "3.11.2"', 'version = "3.11.9"')):
        done = reader(victim, victim.image, tmp_path, monkeypatch)
    assert done.status == 1, done.err
    (finding,) = [f for f in done.json["findings"] if f["severity"] == "error"]
    assert (finding["code"], finding["expected"], finding["found"]) == ("ENV302", "3.11.9", "3.11.2")


def test_another_minor_release_of_python_is_found(victim):
    tag, site = victim.engine.name("other-python"), f"{VENV}/lib/python3.13/site-packages"
    text = f"FROM {victim.engine.bases['py313']}\nRUN --network=none python3 -m venv --without-pip {VENV}\n"
    text += f"COPY --from={victim.image} {VENV}/lib/python3.11/site-packages {site}\nENV PATH={VENV}/bin:$PATH\n"
    victim.engine.build(victim.tools, text, tag)
    done = victim.verify("--image", tag)
    assert done.status == 1
    assert {f["code"] for f in done.json["findings"]} >= {"ENV301", "ENV501", "ENV602"}


def test_a_check_that_is_named_in_the_table_exists():
    rows = [row for group in GROUPS.values() for row in group]
    assert len(rows) > 50
    assert all(isinstance(row, Attack) and row.check.startswith("envctl.verify.") for row in rows)
    assert any(row.check == CLOSED for row in rows)
