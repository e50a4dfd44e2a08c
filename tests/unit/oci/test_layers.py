"""Layers read in one pass: what the standard library's reader sees, and never anything but a clear refusal."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import time
import zlib

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.layouts import member, tar
from support.random_layers import layers, naive, plain

from envctl.errors import InvalidFile
from envctl.oci.layers import Layer, Pack, decompressed, read_layer
from envctl.oci.streams import stream_of
from envctl.oci.tar import TarStream
from envctl.oci.tree import merge


def read(data: bytes) -> Layer:
    return read_layer(io.BytesIO(data), keep=lambda _, size: size < 100)


def keep_nothing(_: str, __: int) -> bool:
    return False


def merged_as_unpacked(archives):
    said = ""
    try:
        tree = merge([read(data) for data in archives])
    except InvalidFile as error:
        said = error.what
    if said:
        known = ("in what is", "removes a folder and makes it", "makes a link of it", "removes what it brought")
        assert any(text in said for text in known), said
    else:
        assert plain(tree) == {path: (kind, value) for path, (kind, value, _) in naive(archives).items()}


@given(st.lists(layers(), min_size=1, max_size=3))
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_layers_make_what_unpacking_them_makes(archives):
    merged_as_unpacked(archives)


@pytest.mark.campaign
@given(st.lists(layers(), min_size=1, max_size=4))
@settings(max_examples=2000, suppress_health_check=[HealthCheck.too_slow])
def test_many_layers_make_what_unpacking_them_makes(archives):
    merged_as_unpacked(archives)


@given(layers())
@settings(max_examples=60)
def test_a_layer_is_what_the_standard_library_reads(data):
    with tarfile.open(fileobj=io.BytesIO(data), encoding="utf-8", errors="surrogateescape") as archive:
        expected = [(m.name, m.mode, m.size if m.isreg() else 0) for m in archive.getmembers()]
    stream = TarStream([data[at : at + 700] for at in range(0, len(data), 700)])
    found = []
    for one in stream:
        content = b"".join(map(bytes, stream.pieces(one))) if one.kind == "file" else b""
        found.append((one.path, one.mode, len(content)))
    assert found == expected
    layer = read(data)
    assert layer.diff_id == "sha256:" + hashlib.sha256(data).hexdigest()
    assert read(gzip.compress(data)).entries == layer.entries


SEED = tar(
    member("opt/venv/pyvenv.cfg", b"home = /usr/bin\n" * 40),
    member("opt/venv/" + "n" * 150, b"x"),
    member("opt/venv/way", type=tarfile.SYMTYPE, linkname="/usr/lib"),
    member("opt/venv/hard", type=tarfile.LNKTYPE, linkname="opt/venv/pyvenv.cfg"),
    member("opt/.wh.gone"),
    member("opt/folder", type=tarfile.DIRTYPE),
) + tar(member("l" * 120, b"y"), form=tarfile.GNU_FORMAT)


def refused(data: bytes) -> None:
    """Read and merge: that it is refused is right, anything else that goes wrong is not."""
    try:
        tree = merge([read(SEED[:-10240] if data is SEED else SEED[:2048] + bytes(1024)), read(data)])
    except InvalidFile:
        return
    assert all(path == path.strip("/") and ".." not in path.split("/") for path in tree.entries)


@given(st.integers(0, len(SEED) - 1), st.binary(min_size=1, max_size=16))
@example(124, b"-0000000001")
@example(257, b"ustar  \0")
@settings(max_examples=250)
def test_changed_bytes_are_read_or_refused(at, data):
    refused(SEED[:at] + data + SEED[at + len(data) :])


@given(
    st.integers(0, 20),
    st.sampled_from([0, 100, 124, 156, 157, 257, 265, 345, 482, 508]),
    st.binary(min_size=1, max_size=12),
)
@settings(max_examples=250)
def test_changed_headers_with_a_right_checksum_are_read_or_refused(number, place, data):
    at = number * 512
    block = bytearray(SEED[at : at + 512])
    if len(block) < 512:
        return
    block[place : place + len(data)] = data
    del block[512:]
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    refused(SEED[:at] + bytes(block) + SEED[at + 512 :])


@given(st.binary(max_size=600), st.integers(0, 300))
@settings(max_examples=150)
def test_damaged_compressed_data_is_refused(noise, at):
    packed = gzip.compress(SEED)
    for data in (noise, packed[:at], packed[:at] + noise + packed[at:], packed + noise):
        try:
            read(data)
        except InvalidFile:
            continue
        assert not data.strip(b"\0") or read(data).entries is not None


@given(st.binary(max_size=3000))
@settings(max_examples=60)
def test_gzip_in_members_and_pieces_is_what_zlib_reads(data):
    packed = gzip.compress(data[:500]) + gzip.compress(data[500:]) + bytes(100)
    assert b"".join(decompressed(io.BytesIO(packed))) == data
    assert b"".join(zlib.decompress(gzip.compress(data), 31) for _ in range(1)) == data


def test_zeros_that_inflate_without_end_come_in_pieces():
    packed = zlib.compressobj(9, zlib.DEFLATED, 31)
    data = b"".join(packed.compress(bytes(2**20)) for _ in range(64)) + packed.flush()
    sizes = [len(piece) for piece in decompressed(io.BytesIO(data))]
    assert sum(sizes) == 64 * 2**20
    assert max(sizes) <= 2**20


def test_contents_are_kept_and_packed_as_asked():
    data = tar(
        member("a.py", b"source"),
        member("same.py", type=tarfile.LNKTYPE, linkname="a.py"),
        member("b.bin", b"other" * 300_000),
    )
    pack = Pack()
    try:
        layer = read_layer(
            io.BytesIO(data),
            keep=lambda path, _: path == "b.bin",
            pack=pack,
            packs=lambda path, _: path.endswith(".py"),
        )
        assert layer.texts == {"b.bin": b"other" * 300_000}
        assert [pack.read(*layer.packed[name]) for name in ("a.py", "same.py")] == [b"source", b"source"]
    finally:
        pack.close()


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("way/os.py", "usr/lib/os.py"),
        ("/way/../bin", "usr/bin"),
        ("deep/x/os.py", "usr/lib/os.py"),
        ("loop/x", None),
        ("usr/lib/os.py/x", None),
        ("out", "usr"),
        ("", ""),
    ],
)
def test_links_are_followed_inside_of_the_tree(path, place):
    data = tar(
        member("usr/lib/os.py"),
        member("usr/bin", type=tarfile.DIRTYPE),
        member("way", type=tarfile.SYMTYPE, linkname="/usr/lib"),
        member("deep/x", type=tarfile.SYMTYPE, linkname="../way/."),
        member("loop", type=tarfile.SYMTYPE, linkname="loop"),
        member("out", type=tarfile.SYMTYPE, linkname="../../../usr"),
    )
    assert merge([read_layer(io.BytesIO(data), keep=keep_nothing)]).resolve(path) == place


def test_a_layer_that_is_refused_is_not_read_any_further():
    """Its thread has ended when the stream is closed: a generator that somebody waits in cannot be closed."""
    asked, packed = [], gzip.compress(b"no tar".ljust(512) + bytes(2**20), 0)

    def slowly():
        for start in range(0, len(packed), 2**16):
            asked.append(start)
            time.sleep(0.1)
            yield packed[start : start + 2**16]

    with pytest.raises(InvalidFile, match="is no tar file"), stream_of(slowly()) as stream:
        read_layer(stream, keep=keep_nothing)
    assert len(asked) <= 3
