"""Images in files: layouts and archives written and read, honest and hostile ones; those of a real engine too."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.oci_images import Content, digest, image, index
from support.registry import RegistryServer

from envctl.errors import EnvctlError, IndexFailed, InvalidFile, ToolFailed, UsageError
from envctl.oci.interface import ImageSource
from envctl.oci.layout import Layout
from envctl.oci.layout_writer import write_layout
from envctl.oci.reference import Reference
from envctl.oci.registry import Registry

PLATFORM = "linux/amd64"
NAME = Reference.parse("registry.example/team/base:1")
FILES = ({"etc/os-release": b"ID=debian\n"}, {"usr/bin/python3": b"\x7fELF" * 5000})


def layout_files(content: Content, annotations: dict[str, str] | None = None) -> dict[str, bytes]:
    """The files of an OCI layout with one entry."""
    files = {f"blobs/{name.replace(':', '/')}": blob for name, blob in content.blobs.items()}
    for name, (_, data) in {**content.manifests, content.digest: (content.media_type, content.data)}.items():
        files[f"blobs/{name.replace(':', '/')}"] = data
    entry = {**content.descriptor, "annotations": annotations or {}}
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
    files["oci-layout"] = b'{"imageLayoutVersion": "1.0.0"}'
    return files


def saved_files(content: Content, tags: Iterable[str] = ("base:1",), *, packed: bool = False) -> dict[str, bytes]:
    """What `docker save` wrote before Docker 25; `packed` as other tools do it, with compressed layers."""
    config = json.dumps(content.config).encode()
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    files, names = {name: config}, []
    for tar in content.tars:
        data = gzip.compress(tar, mtime=0) if packed else tar
        names.append(f"{digest(data)[7:]}.tar.gz" if packed else f"{digest(tar)[7:]}/layer.tar")
        files[names[-1]] = data
    files["manifest.json"] = json.dumps([{"Config": name, "RepoTags": [*tags], "Layers": names}]).encode()
    return files


def as_folder(place: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    return place


def as_tar(place: Path, files: dict[str, bytes], *, form: int = tarfile.GNU_FORMAT, prefix: str = "") -> Path:
    with tarfile.open(place, "w", format=form) as tar:
        for name, data in files.items():
            add(tar, f"{prefix}{name}", data)
    return place


def add(tar: tarfile.TarFile, name: str, data: bytes = b"", **kind: Any) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    for key, value in kind.items():
        setattr(member, key, value)
    tar.addfile(member, io.BytesIO(data))


def contents(source: ImageSource, *, checked: bool = True) -> list[bytes]:
    read = []
    for layer in source.layers:
        with source.open(layer, checked=checked) as stream:
            read.append(stream.read())
    return read


def failure(path: Path, **kind: Any) -> EnvctlError:
    def read() -> None:
        with Layout(path) as layout:
            contents(layout.image(PLATFORM, **kind))

    with pytest.raises(EnvctlError) as error:
        read()
    assert str(path) in str(error.value)
    return error.value


PLACES: list[tuple[str, Callable[[Path, dict[str, bytes]], Path]]] = [
    ("folder", as_folder),
    ("gnu", as_tar),
    ("pax", lambda place, files: as_tar(place, files, form=tarfile.PAX_FORMAT)),
    ("dotted", lambda place, files: as_tar(place, files, prefix="./")),
]


@pytest.mark.parametrize("make", [make for _, make in PLACES], ids=[name for name, _ in PLACES])
@pytest.mark.parametrize("docker", [False, True])
def test_a_layout_is_read_as_a_folder_and_as_a_tar(tmp_path, make, docker):
    content = image(FILES, docker=docker)
    place = make(tmp_path / "layout", layout_files(content))
    with Layout(place) as layout:
        found = layout.image(PLATFORM)
        assert (found.digest, found.manifest_bytes) == (content.digest, content.data)
        assert found.config_digest == digest(found.config_bytes) == content.parsed["config"]["digest"]
        assert [digest(data) for data in contents(found)] == [layer["digest"] for layer in content.parsed["layers"]]
        assert [gzip.decompress(data) for data in contents(found, checked=False)] == content.tars


@pytest.mark.parametrize("make", [make for _, make in PLACES], ids=[name for name, _ in PLACES])
@pytest.mark.parametrize("packed", [False, True])
def test_an_archive_of_old_engines_is_read(tmp_path, make, packed):
    content = image(FILES)
    place = make(tmp_path / "saved", saved_files(content, packed=packed))
    with Layout(place) as layout:
        found = layout.image(PLATFORM, "base:1")
        assert (found.digest, found.manifest_bytes) == (None, None)
        assert found.config.diff_ids == tuple(content.config["rootfs"]["diff_ids"])
        tars = [gzip.decompress(data) if packed else data for data in contents(found)]
        assert tars == content.tars
        assert {layer.compression for layer in found.layers} == {"gzip" if packed else None}


def test_an_archive_that_is_both_is_read_with_its_manifest(tmp_path):
    content = image(FILES)
    with Layout(as_tar(tmp_path / "both.tar", saved_files(content) | layout_files(content))) as layout:
        assert layout.image(PLATFORM).digest == content.digest


def test_a_layer_that_another_image_shares_is_found_by_its_link(tmp_path):
    content = image(({"a": b"1"}, {"b": b"2"}))
    files = saved_files(content)
    entry = json.loads(files["manifest.json"])
    shared = entry[0]["Layers"][1]
    entry[0]["Layers"][1] = "linked/layer.tar"
    files["manifest.json"] = json.dumps(entry).encode()
    place = as_tar(tmp_path / "saved.tar", files)
    with tarfile.open(place, "a") as tar:
        add(tar, "linked/layer.tar", type=tarfile.SYMTYPE, linkname=f"../{shared}")
    with Layout(place) as layout:
        assert contents(layout.image(PLATFORM)) == content.tars


def test_the_platform_chooses_from_an_index(tmp_path):
    mine, other = image(), image(architecture="arm64", variant="v8")
    place = as_folder(tmp_path / "layout", layout_files(index(other, mine, attested=True)))
    with Layout(place) as layout:
        assert layout.image(PLATFORM).digest == mine.digest
        assert layout.image("linux/arm64/v8").digest == other.digest
        with pytest.raises(UsageError, match="has no image for linux/s390x") as error:
            layout.image("linux/s390x")
        assert error.value.found == "linux/arm64/v8, linux/amd64"
    alone = as_folder(tmp_path / "alone", layout_files(other))
    assert "is an image for another platform" in failure(alone).what


def test_several_images_are_told_apart_by_their_names(tmp_path):
    first, second = image(), image(python="3.12.1")
    files = layout_files(first) | layout_files(second)
    annotations = {"io.containerd.image.name": "docker.io/library/base:1", "org.opencontainers.image.ref.name": "1"}
    entries = [{**first.descriptor, "annotations": annotations}, {**second.descriptor, "annotations": {}}]
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
    place = as_tar(tmp_path / "several.tar", files)
    with Layout(place) as layout:
        assert layout.names == ("docker.io/library/base:1", "1")
        for name in ("base:1", "1", "docker.io/library/base:1"):
            assert layout.image(PLATFORM, name).digest == first.digest
    for name in (None, "base:2"):
        error = failure(place, name=name)
        assert isinstance(error, UsageError)
        assert error.found == "'docker.io/library/base:1', '1'"


# Hostile and broken archives


def changed(files: dict[str, bytes], name: str, data: bytes | None) -> dict[str, bytes]:
    return {key: value for key, value in files.items() if key != name} | ({name: data} if data is not None else {})


@pytest.mark.parametrize("make", [as_folder, as_tar])
@pytest.mark.parametrize("kind", ["layer", "config", "manifest"])
def test_a_byte_that_changed_is_found(tmp_path, make, kind):
    content = image(FILES)
    manifest = content.parsed
    named = {"layer": manifest["layers"][1], "config": manifest["config"], "manifest": content.descriptor}[kind]
    name = f"blobs/{named['digest'].replace(':', '/')}"
    files = layout_files(content)
    data = bytearray(files[name])
    data[len(data) // 2] ^= 1
    error = failure(make(tmp_path / "layout", changed(files, name, bytes(data))))
    assert isinstance(error, InvalidFile)
    shorter = failure(make(tmp_path / "shorter", changed(files, name, files[name][:-1])))
    gone = failure(make(tmp_path / "gone", changed(files, name, None)))
    assert (type(shorter), gone.what) == (InvalidFile, "does not hold all of the image")


def test_a_changed_byte_in_an_old_archive_is_found(tmp_path):
    content = image(FILES)
    files = saved_files(content)
    name = next(key for key in files if key.endswith("/layer.tar"))
    tampered = files[name][:600] + b"x" + files[name][601:]
    assert "another digest" in failure(as_tar(tmp_path / "a.tar", changed(files, name, tampered))).what
    config = next(key for key in files if key.endswith(".json") and key != "manifest.json")
    tampered = files[config].replace(b"3.11.9", b"3.11.8")
    assert "not what its name says" in failure(as_tar(tmp_path / "b.tar", changed(files, config, tampered))).what


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("oci-layout", b"{}"),
        ("oci-layout", b'{"imageLayoutVersion": "2.0.0"}'),
        ("oci-layout", b"[" * 100_000),
        ("index.json", b""),
        ("index.json", b"[]"),
        ("index.json", b'{"schemaVersion": 2, "manifests": []}'),
        ("index.json", b'{"schemaVersion": 2, "layers": [], "config": {"digest": "x", "size": 1}}'),
        ("index.json", b'{"schemaVersion": 2, "manifests": [{"digest": "sha256:../../../etc/passwd", "size": 1}]}'),
        ("index.json", b" " * (9 * 2**20)),
        ("index.json", None),
        ("oci-layout", None),
    ],
)
def test_a_malformed_layout_is_refused(tmp_path, name, data):
    files = changed(layout_files(image()), name, data)
    for number, make in enumerate((as_folder, as_tar)):
        assert isinstance(failure(make(tmp_path / f"layout{number}", files)), InvalidFile)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"[{}]",
        b'[{"Config": "../../etc/passwd", "Layers": []}]',
        b'[{"Config": "/etc/passwd", "Layers": []}]',
        b'[{"Config": "nowhere.json", "Layers": []}]',
        b'[{"Config": 5, "Layers": []}]',
    ],
)
def test_a_malformed_list_of_saved_images_is_refused(tmp_path, data):
    files = changed(saved_files(image()), "manifest.json", data)
    for number, make in enumerate((as_folder, as_tar)):
        assert isinstance(failure(make(tmp_path / f"saved{number}", files)), InvalidFile)


def test_layers_that_lead_out_of_the_archive_are_refused(tmp_path):
    files = saved_files(image())
    entry = json.loads(files["manifest.json"])
    (tmp_path / "secret").write_bytes(b"secret")
    for name in ("../secret", str(tmp_path / "secret"), "a/../../secret"):
        entry[0]["Layers"] = [name]
        place = as_folder(tmp_path / "saved", changed(files, "manifest.json", json.dumps(entry).encode()))
        assert failure(place).what == "does not hold all of the image"


def test_links_in_a_folder_are_not_followed(tmp_path):
    content = image()
    place = as_folder(tmp_path / "layout", layout_files(content))
    blob = place / "blobs" / content.parsed["layers"][0]["digest"].replace(":", "/")
    (tmp_path / "elsewhere").write_bytes(blob.read_bytes())
    blob.unlink()
    blob.symlink_to(tmp_path / "elsewhere")
    assert failure(place).what == "is not a regular file"
    blob.unlink()
    os.mkfifo(blob)
    assert failure(place).what == "is not a regular file"


@pytest.mark.parametrize(
    ("name", "kind", "what"),
    [
        ("/etc/passwd", {}, "leads out of it"),
        ("../passwd", {}, "leads out of it"),
        ("a/../../passwd", {}, "leads out of it"),
        ("index.json", {}, "two members of one name"),
        ("./index.json", {}, "two members of one name"),
        ("link", {"type": tarfile.SYMTYPE, "linkname": "../../etc/passwd"}, "leads out of it"),
        ("link", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "leads out of it"),
        ("link", {"type": tarfile.LNKTYPE, "linkname": "../etc/passwd"}, "leads out of it"),
        ("sparse", {"type": tarfile.GNUTYPE_SPARSE}, "a file with holes"),
        ("sparse", {"pax_headers": {"GNU.sparse.size": "9999999999"}}, "a file with holes"),
        ("x", {"pax_headers": {"size": "-5"}}, "a size that cannot be"),
        ("x", {"pax_headers": {"size": "99999999999"}}, "is cut off"),
    ],
)
def test_members_that_no_honest_archive_has_are_refused(tmp_path, name, kind, what):
    place = tmp_path / "hostile.tar"
    form = tarfile.PAX_FORMAT if "pax_headers" in kind else tarfile.GNU_FORMAT
    with tarfile.open(place, "w", format=form) as tar:
        for own, data in layout_files(image()).items():
            add(tar, own, data)
        add(tar, name, b"", **kind)
    assert what in failure(place).what


@pytest.mark.parametrize("keep", [0, 1, 100, 511, 512, 700, 5000])
def test_a_tar_that_is_cut_off_is_refused(tmp_path, keep):
    whole = as_tar(tmp_path / "whole.tar", layout_files(image(FILES))).read_bytes()
    place = tmp_path / "cut.tar"
    place.write_bytes(whole[:keep])
    assert isinstance(failure(place), InvalidFile)


@pytest.mark.parametrize("start", [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ", b"BZh"])
def test_a_compressed_archive_is_told_how_to_be_read(tmp_path, start):
    place = tmp_path / "image.tar.gz"
    place.write_bytes(start + bytes(2000))
    error = failure(place)
    assert error.what.startswith("is compressed by ")
    assert error.hint is not None
    assert "-d" in error.hint


def test_what_is_no_tar_is_told(tmp_path):
    (tmp_path / "text").write_bytes(b"hello\n" * 500)
    assert failure(tmp_path / "text").what == "is no tar file"
    assert failure(tmp_path / "nowhere").what == "cannot be read"
    os.mkfifo(tmp_path / "fifo")
    assert failure(tmp_path / "fifo").what == "is neither a folder nor a regular file"
    (tmp_path / "empty").mkdir()
    assert failure(tmp_path / "empty").what == "is no archive of images"


def test_headers_of_hostile_sizes_take_no_memory(tmp_path):
    place = tmp_path / "bomb.tar"
    for type_ in (b"x", b"L", b"K"):
        header = tarfile.TarInfo("bomb")
        header.type, header.size = type_, 2**40
        place.write_bytes(header.tobuf(tarfile.GNU_FORMAT)[:512])
        os.truncate(place, 2**41)
        assert failure(place).what == "has a header that is too long"


def test_an_archive_of_very_many_members_is_refused(tmp_path):
    place = tmp_path / "many.tar"
    folder = tarfile.TarInfo("d")
    folder.type = tarfile.DIRTYPE
    place.write_bytes(folder.tobuf() * 100_001 + bytes(1024))
    assert failure(place).what == "has too many members"


# Writing


@pytest.fixture
def source() -> Iterator[tuple[RegistryServer, ImageSource]]:
    with RegistryServer() as server, Registry() as client:
        reference = server.push("base:1", index(image(FILES), image(architecture="arm64")))
        yield server, client.image(Reference.parse(reference), PLATFORM)


def test_an_image_becomes_a_layout_that_reads_as_the_same_image(tmp_path, source):
    _, found = source
    told: list[tuple[int, int]] = []
    write_layout(tmp_path / "base", found, name=NAME, progress=lambda done, total: told.append((done, total)))
    with Layout(tmp_path / "base") as layout:
        again = layout.image(PLATFORM, str(NAME))
        assert (again.digest, again.manifest_bytes) == (found.digest, found.manifest_bytes)
        assert (again.config_bytes, again.layers) == (found.config_bytes, found.layers)
        assert contents(again) == contents(found)
    total = sum(layer.size for layer in found.layers)
    assert told[-1] == (total, total)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base"]


def test_writing_again_reads_nothing_and_changes_nothing(tmp_path, source):
    server, found = source
    write_layout(tmp_path / "base", found, name=NAME)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "base").rglob("*")}
    asked = len(server.requests)
    write_layout(tmp_path / "base", found, name=NAME)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "base").rglob("*")} == before
    assert len(server.requests) == asked


def test_a_damaged_or_older_layout_is_replaced(tmp_path, source):
    server, found = source
    write_layout(tmp_path / "base", found, name=NAME)
    blob = tmp_path / "base" / "blobs" / found.layers[0].digest.replace(":", "/")
    blob.write_bytes(b"x" * found.layers[0].size)
    write_layout(tmp_path / "base", found, name=NAME)
    assert digest(blob.read_bytes()) == found.layers[0].digest
    reference = server.push("base:2", image([{"etc/os-release": b"ID=newer\n"}]))
    with Registry() as client:
        newer = client.image(Reference.parse(reference), PLATFORM)
        write_layout(tmp_path / "base", newer, name=NAME)
    with Layout(tmp_path / "base") as layout:
        assert layout.image(PLATFORM).digest == newer.digest
    assert not blob.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base"]


def test_a_folder_of_something_else_is_left_alone(tmp_path, source):
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "thesis.txt").write_text("three years", "utf-8")
    with pytest.raises(InvalidFile, match="something else"):
        write_layout(tmp_path / "base", source[1], name=NAME)
    assert [path.name for path in (tmp_path / "base").iterdir()] == ["thesis.txt"]


def test_a_layer_that_fails_leaves_what_was_there(tmp_path, source):
    server, found = source
    server.fault(f"/v2/base/blobs/{found.layers[1].digest}", body=b"x" * found.layers[1].size)
    with pytest.raises(IndexFailed):
        write_layout(tmp_path / "base", found, name=NAME)
    assert list(tmp_path.iterdir()) == []
    server.faults.clear()
    write_layout(tmp_path / "base", found, name=NAME)
    with Registry() as client:
        newer = client.image(Reference.parse(server.push("base:2", image([{"big": b"1" * 999}]))), PLATFORM)
        server.fault(f"/v2/base/blobs/{newer.layers[0].digest}", status=404)
        with pytest.raises(IndexFailed):
            write_layout(tmp_path / "base", newer, name=NAME)
    with Layout(tmp_path / "base") as layout:
        assert layout.image(PLATFORM).digest == found.digest


def test_a_place_that_cannot_be_written_is_told(tmp_path, source):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ToolFailed, match="could not be written"):
        write_layout(tmp_path / "file" / "base", source[1], name=NAME)


def test_an_image_without_a_manifest_has_no_layout(tmp_path):
    with (
        Layout(as_tar(tmp_path / "saved.tar", saved_files(image()))) as layout,
        pytest.raises(InvalidFile, match="has no manifest"),
    ):
        write_layout(tmp_path / "base", layout.image(PLATFORM), name=NAME)


# Real engines


def test_what_an_engine_saves_is_read(engine, tmp_path):
    reference = engine.bases["py311"]
    engine.run("pull", "-q", reference)
    name = engine.name("saved")
    engine.run("tag", reference, name)
    try:
        engine.run("save", "-o", tmp_path / "saved.tar", name)
    finally:
        engine.run("rmi", name)
    with Registry() as client, Layout(tmp_path / "saved.tar") as layout:
        pinned = client.image(Reference.parse(reference), PLATFORM)
        found = layout.image(PLATFORM, name)
        assert found.config.diff_ids == pinned.config.diff_ids
        assert found.config_digest == pinned.config_digest
        assert [len(data) for data in contents(found)] == [layer.size for layer in found.layers]


def test_an_engine_builds_from_a_written_layout(engine, tmp_path):
    reference = Reference.parse(engine.bases["py311"])
    with Registry() as client:
        write_layout(tmp_path / "base", client.image(reference, PLATFORM), name=NAME)
    context = f"base=oci-layout://{tmp_path / 'base'}@{reference.digest}"
    dockerfile = "FROM base\nRUN --network=none /usr/bin/python3 -c 'print(1)'\n"
    tag = engine.name("from-layout")
    engine.build(tmp_path / "base", dockerfile, tag, "--build-context", context)
    engine.run("rmi", tag)
