"""Every way to read an image: each must see the same."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support.attacked import Victim
from support.project import Ran

from envctl.oci import store

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
