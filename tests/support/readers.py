"""Every way to read an image: each must see the same."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.attacked import Victim
from support.attacks import Attack, Target
from support.judging import Seen, is_named
from support.project import Ran

from envctl.oci import store

Reader = Callable[[Any, str, Path, pytest.MonkeyPatch], Ran]


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
    output = f"type=oci,dest={folder / 'oci.tar'},compression=zstd,compression-level=1,force-compression=true"
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
WITHOUT_ENGINE: tuple[Reader, ...] = (by_the_registry, by_docker_save, by_an_oci_archive, by_an_oci_folder)
_BYTECODE = ("ENV403", "ENV404")


def missing(
    rows: Iterable[Attack], targets: Mapping[str, Target], found: Sequence[Seen], reader: Reader, *, blind: bool = False
) -> list[str]:
    """The names of the rows that a reader does not name as it should.

    The one inside sees the environment alone. Without an engine, bytecode of a release that this machine does not have
    can be said to be unverified at best.
    """
    unverified = {item.package for item in found if item.code == "ENV902"}
    return [
        row.name
        for row in rows
        if (row.inside or reader is not from_inside)
        and not is_named(row, targets[row.name], found, blind=blind)
        and not (reader in WITHOUT_ENGINE and row.code in _BYTECODE and targets[row.name].package in unverified)
    ]


def excused(item: Seen, reader: Reader) -> bool:
    """Whether a reader may say so of any environment of the table: what it cannot compare, or the other sees."""
    can_not = item.code == "ENV902" and (reader is from_inside or reader in WITHOUT_ENGINE)
    return can_not or (item.code == "ENV509" and reader is by_both)
