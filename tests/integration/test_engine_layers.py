"""Layers of base images hold what changed, in the same bytes every time."""

from __future__ import annotations

import os
import tarfile
import time
from pathlib import Path

import pytest
from support.engine.layers import EPOCH, Layer, blob, layer_of_files, layer_of_tree, read_layer

OLD = 1_600_000_000


@pytest.fixture
def images(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    return tmp_path / "images"


def tree_at(tree: Path) -> Path:
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/packaged").write_text("from a package")
    os.utime(tree / "etc/packaged", (OLD, OLD))
    (tree / "etc/generated").write_text("made just now")
    os.link(tree / "etc/packaged", tree / "etc/same")
    (tree / "link").symlink_to("etc/packaged")
    (tree / "var/log").mkdir(parents=True)
    (tree / "var/log/dpkg.log").write_text(str(time.time()))
    return tree


def members(images: Path, layer: Layer) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(blob(images, layer.digest)) as tar:
        return {info.name: info for info in tar.getmembers()}


def test_equal_trees_give_equal_bytes(images: Path, tmp_path: Path) -> None:
    begun = time.time() - 5
    first = layer_of_tree(images, "first", tree_at(tmp_path / "one"), since=begun)
    second = layer_of_tree(images, "second", tree_at(tmp_path / "two"), since=begun)

    assert first == second == read_layer(images, "first")


def test_times_are_those_of_packages_or_fixed(images: Path, tmp_path: Path) -> None:
    layer = layer_of_tree(images, "a", tree_at(tmp_path / "tree"), since=time.time() - 5)

    found = members(images, layer)
    assert found["etc/packaged"].mtime == OLD
    assert found["etc/generated"].mtime == found["etc"].mtime == EPOCH
    assert found["etc/same"].linkname == "etc/packaged"
    assert found["link"].issym()
    assert "var/log" in found
    assert "var/log/dpkg.log" not in found


def test_a_layer_above_has_what_is_new_changed_or_gone_and_the_folders_above_it(images: Path, tmp_path: Path) -> None:
    tree, begun = tree_at(tmp_path / "tree"), time.time() - 5
    layer_of_tree(images, "below", tree, since=begun)
    (tree / "etc/generated").write_text("made again")
    (tree / "opt").mkdir()
    (tree / "opt/new").write_text("")
    (tree / "link").unlink()

    found = members(images, layer_of_tree(images, "above", tree, since=begun, below="below"))

    assert sorted(found) == [".wh.link", "etc", "etc/generated", "opt", "opt/new"]


def test_a_folder_that_went_is_one_whiteout(images: Path, tmp_path: Path) -> None:
    tree, begun = tree_at(tmp_path / "tree"), time.time() - 5
    layer_of_tree(images, "below", tree, since=begun)
    for name in ("packaged", "generated", "same"):
        (tree / "etc" / name).unlink()
    (tree / "etc").rmdir()

    assert list(members(images, layer_of_tree(images, "above", tree, since=begun, below="below"))) == [".wh.etc"]


def test_a_layer_whose_file_went_is_made_again(images: Path) -> None:
    layer = layer_of_files(images, "files", {"a/b": b"content"})
    assert sorted(members(images, layer)) == ["a", "a/b"]

    blob(images, layer.digest).unlink()

    assert read_layer(images, "files") is None
