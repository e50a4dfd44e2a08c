"""Images that no honest builder makes, and images that are none of what a target could be: a clear answer each."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest
from support.attacked import SITE, VENV, Victim
from support.layouts import LAYER, Base, member, tar
from support.project import Ran

PLACE = SITE.lstrip("/")
LINE = "lib/python3.11/site-packages"


@pytest.fixture(scope="session")
def layout(victim: Victim, tmp_path_factory: pytest.TempPathFactory) -> Base:
    """The victim as an OCI layout."""
    folder = tmp_path_factory.mktemp("layout")
    output = f"type=oci,dest={folder / 'oci.tar'}"
    victim.engine.run("buildx", "build", "--provenance=false", "--output", output, "-", stdin=f"FROM {victim.image}\n")
    with tarfile.open(folder / "oci.tar") as archive:
        archive.extractall(folder / "oci", filter="data")
    return Base(folder / "oci")


@pytest.fixture
def verify(victim: Victim, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent")
    return lambda folder: victim.verify("--archive", folder)


def findings(done: Ran) -> set[tuple[str, str | None]]:
    return {(f["code"], f.get("path")) for f in done.json["findings"] if f["severity"] == "error"}


def folder(path: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(path, type=tarfile.DIRTYPE, mode=0o755)


def link(path: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(path, type=tarfile.SYMTYPE, linkname=target)


def hard(path: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(path, type=tarfile.LNKTYPE, linkname=target)


def header(**values: bytes) -> bytes:
    """A header with bytes at places, and a checksum that agrees."""
    block = bytearray(tarfile.TarInfo("srv/x").tobuf(tarfile.GNU_FORMAT))
    for place, data in values.items():
        at = int(place.removeprefix("at"))
        block[at : at + len(data)] = data
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


EVIL, HONEST = member(f"{PLACE}/beta.py", b"evil"), b"B = 2\n"
Layers = tuple[bytes, ...]

FOUND: dict[str, tuple[Layers, set[tuple[str, str | None]]]] = {
    "a name longer than a header holds": (
        (tar(member(f"{PLACE}/gamma/{'n' * 200}.py", b"x"), form=tarfile.GNU_FORMAT),),
        {("ENV203", f"{LINE}/gamma/{'n' * 200}.py")},
    ),
    "a name in a pax header": (
        (tar(member("harmless", b"x", pax_headers={"path": f"{PLACE}/evil.py"})),),
        {("ENV203", f"{LINE}/evil.py")},
    ),
    "a name with a line break and bytes that are no text": (
        (tar(member(f"./{PLACE}/a\nb\udcff.py", b"x"), form=tarfile.GNU_FORMAT),),
        {("ENV203", f"{LINE}/a\\nb\\udcff.py")},
    ),
    "a hard link": ((tar(member("srv/x", b"evil"), hard(f"{PLACE}/beta.py", "srv/x")),), {("ENV201", "beta.py")}),
    "whiteouts of a file and of all in a folder": (
        (tar(member(f"{PLACE}/.wh.beta.py"), member(f"{PLACE}/gamma/.wh..wh..opq")),),
        {("ENV202", "beta.py"), ("ENV202", "gamma/__init__.py"), ("ENV202", "gamma/deep/one.py")},
    ),
    "an opaque folder with new content": (
        (tar(folder(f"{PLACE}/gamma"), member(f"{PLACE}/gamma/.wh..wh..opq"), member(f"{PLACE}/gamma/__init__.py")),),
        {("ENV202", "gamma/deep/one.py")},
    ),
    "a folder replaced by a file": (
        (tar(member(f"{PLACE}/gamma", b"x")),),
        {("ENV202", "gamma/__init__.py"), ("ENV202", "gamma/deep/one.py"), ("ENV203", f"{LINE}/gamma")},
    ),
    "a folder replaced by a link": (
        (tar(link(f"{PLACE}/gamma", "/srv/gamma")),),
        {("ENV202", "gamma/__init__.py"), ("ENV202", "gamma/deep/one.py"), ("ENV209", f"{LINE}/gamma")},
    ),
    "a file written through a link": (
        (tar(link("srv/way", SITE), member("srv/way/evil.py", b"x")),),
        {("ENV203", f"{LINE}/evil.py")},
    ),
    "a file that hides what comes later through a link": (
        (tar(EVIL), tar(member("srv/way/beta.py", HONEST), link("srv/way", SITE))),
        {("ENV201", "beta.py")},
    ),
    "a link that a folder replaces": (
        (tar(EVIL, link("srv/way", SITE)), tar(folder("srv/way"), member("srv/way/beta.py", HONEST))),
        {("ENV201", "beta.py")},
    ),
    "a file that a whiteout and the same layer replace": (
        (tar(member(f"{PLACE}/.wh.beta.py"), EVIL),),
        {("ENV201", "beta.py")},
    ),
    "a device that hides": (
        (tar(member(f"{PLACE}/beta.py", type=tarfile.CHRTYPE)),),
        {("ENV213", f"{LINE}/beta.py")},
    ),
    "a setuid program by its mode in the layer": ((tar(member("srv/su", b"x", mode=0o4755)),), {("ENV212", "/srv/su")}),
}
# What engines refuse, or understand differently from each other: one and the same image would be two.
REFUSED: dict[str, tuple[Layers, str]] = {
    "two members of one name": (
        (tar(member(f"{PLACE}/beta.py", b"x"), member(f"{PLACE}/beta.py", b"y")),),
        "two files",
    ),
    "a name that leaves": ((tar(member("opt/../../etc/x", b"x")),), "leaves its folder"),
    "a hard link to nothing": ((tar(hard("srv/x", "srv/nothing")),), "not in it"),
    "a hard link that leaves": ((tar(hard("srv/x", "../etc/passwd")),), "not in it"),
    "a hard link to a lower layer's file, which the layer then replaces": (
        (tar(member("srv/e", b"evil")), tar(hard(f"{PLACE}/beta.py", "srv/e"), member("srv/e", HONEST))),
        "not in it",
    ),
    "a folder that is removed and made": (
        (tar(member(f"{PLACE}/gamma/more.py")), tar(member(f"{PLACE}/.wh.gamma"), folder(f"{PLACE}/gamma"))),
        "removes a folder and makes it",
    ),
    "a file that is made and removed": ((tar(EVIL, member(f"{PLACE}/.wh.beta.py")),), "removes what it brought"),
    "a file through a lower layer's link": (
        (tar(EVIL, link("srv/way", SITE)), tar(member("srv/way/beta.py", HONEST))),
        "a link of another layer",
    ),
    "a file through a link of the base": ((tar(member("lib/python3.11/this.py", b"x")),), "a link of another layer"),
    "a whiteout through a lower layer's link": (
        (tar(EVIL, link("srv/way", SITE)), tar(member("srv/way/.wh.beta.py"))),
        "a link of another layer",
    ),
    "a whiteout through a link of its own layer": (
        (tar(EVIL), tar(link("srv/way", SITE), member("srv/way/.wh.beta.py"))),
        "removes a folder and makes it",
    ),
    "a file in what is a file": ((tar(member("srv/f")), tar(member("srv/f/g"))), "no folder"),
    "a sparse file": ((tar(member(f"{PLACE}/s.py", pax_headers={"GNU.sparse.major": "1"})),), "sparse"),
    "a kind that nobody knows": ((tar(member("srv/x", type=b"Z")),), "unknown kind"),
    "a whiteout of nothing": ((tar(member(f"{PLACE}/.wh.")),), "malformed whiteout"),
    "a whiteout that leaves": ((tar(member(f"{PLACE}/.wh...")),), "malformed whiteout"),
    "a name that an extended header empties": ((tar(member("srv/x", pax_headers={"path": ""})),), "an empty value"),
    "a name in two headers": (
        (tar(member("srv/" + "x" * 200))[:1024] + tar(member("srv/" + "y" * 200)),),
        "twice",
    ),
    "a folder where GNU writes times": ((header(at345=b"opt/venv/lib") + bytes(1024),), "as a number"),
    "a size below zero": ((header(at124=b"-0000000007\0") + bytes(1024),), "as a number"),
    "a size with digits that only some read": ((header(at124=b"0000_000001\0") + bytes(1024),), "as a number"),
    "a file with a folder's name": ((tar(member("srv/x/", type=tarfile.REGTYPE)),), "a folder's name"),
    "a file system's own attribute": (
        (
            tar(
                member(f"{PLACE}/gamma", type=tarfile.DIRTYPE, pax_headers={"SCHILY.xattr.trusted.overlay.opaque": "y"})
            ),
        ),
        "a file system's own",
    ),
    "a path that no file system takes": ((tar(member("srv/" + "d/" * 2100 + "x")),), "malformed"),
    "bytes after the end": ((tar(member("srv/x", b"x")) + b"more",), "follows the end"),
    "half a file": ((tar(member("srv/x", bytes(2000)))[:1024],), "ends in the middle"),
    "no tar file": ((b"what is this" * 100,), "no tar file"),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_a_layer_does_is_found(layout, verify, tmp_path, name):
    layers, expected = FOUND[name]
    done = verify(layout.put(tmp_path / "image", layers))
    assert done.status == 1, done.err
    records = {("ENV204", f"{name}/RECORD") for name in ("beta-2.0.dist-info", "gamma-3.0.dist-info")}
    assert findings(done) - records == expected


@pytest.mark.parametrize("name", REFUSED)
def test_a_layer_that_readers_understand_differently_is_refused(layout, verify, tmp_path, name):
    layers, says = REFUSED[name]
    done = verify(layout.put(tmp_path / "image", layers))
    assert (done.status, done.out) == (3, "")
    count = len(layout.config["rootfs"]["diff_ids"]) + len(layers)
    assert f"layer {count} of {count}: " in done.err
    assert says in done.err


def again(layout: Base) -> bytes:
    """What a lower layer has already, once more."""
    with gzip.open(next(iter(layout.blobs.glob(layout.manifest["layers"][1]["digest"][7:]))), "rb") as packed:
        data = packed.read()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = [(m, archive.extractfile(m).read() if m.isreg() else b"") for m in archive.getmembers()]  # type: ignore[union-attr]
    return tar(*members)


def test_layers_that_change_nothing(layout, verify, tmp_path):
    empty, small = tar(), tar(folder("tmp/deep"), member("tmp/deep/x", b"x"))
    removed = tar(member("tmp/deep/.wh.x"), member("tmp/.wh.nothing"))
    layers = [empty, bytes(1024), small, removed, again(layout), *([small, removed] * 48)]
    done = verify(layout.put(tmp_path / "image", layers))
    assert (done.status, done.json["findings"]) == (0, []), done.out
    assert len(layers) > 100


@pytest.mark.parametrize("form", ["plain", "zstd", "gzip in two members"])
def test_layers_of_each_form(layout, verify, tmp_path, form):
    from backports import zstd

    pack = {
        "plain": None,
        "zstd": zstd.compress,
        "gzip in two members": lambda data: gzip.compress(data[:700]) + gzip.compress(data[700:]),
    }[form]
    media = {"plain": LAYER, "zstd": f"{LAYER}+zstd"}.get(form, f"{LAYER}+gzip")
    layer = tar(member(f"{PLACE}/evil.py", b"x"))
    done = verify(layout.put(tmp_path / "image", [layer], packed=pack, media=media))
    assert (done.status, findings(done)) == (1, {("ENV203", f"{LINE}/evil.py")}), done.err


def test_a_huge_file_is_hashed_without_being_held(layout, verify, tmp_path):
    import tracemalloc

    size = 200 * 2**20
    info = tarfile.TarInfo(f"{PLACE}/huge.bin")
    info.size = size
    layer = info.tobuf() + bytes(size) + bytes(1024)
    image = layout.put(tmp_path / "image", [layer], packed=lambda data: gzip.compress(data, 1))
    del layer
    tracemalloc.start()
    done = verify(image)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (done.status, findings(done)) == (1, {("ENV203", f"{LINE}/huge.bin")})
    assert peak < 150 * 2**20
    assert done.json["counts"]["bytes"] > size


def test_a_configuration_that_lies_about_its_layers(layout, verify, tmp_path):
    honest, evil = tar(member("srv/x", b"x")), tar(member(f"{PLACE}/evil.py", b"x"))

    def claim(config, manifest):
        config["rootfs"]["diff_ids"][-1] = "sha256:" + "0" * 64

    done = verify(layout.put(tmp_path / "lies", [honest], change=claim))
    assert done.status == 3
    assert "is not what the image's configuration says" in done.err

    def base_of_another(config, manifest):  # the diff-ids of the base, other bytes
        manifest["layers"][0] = manifest["layers"][-1]

    done = verify(layout.put(tmp_path / "base", [evil], change=base_of_another))
    assert done.status == 3
    assert "layer 1 of" in done.err

    def fewer(config, manifest):
        config["rootfs"]["diff_ids"].pop()

    done = verify(layout.put(tmp_path / "fewer", [evil], change=fewer))
    assert done.status == 3
    assert "another number of layers" in done.err


@pytest.mark.parametrize(("os", "architecture"), [("linux", "arm64"), ("windows", "amd64"), ("linux", "s390x")])
def test_an_image_for_another_platform_is_not_read(layout, verify, tmp_path, os, architecture):
    def other(config, manifest):
        config.update(os=os, architecture=architecture)
        manifest["layers"][-1]["digest"] = "sha256:" + "0" * 64  # which is nowhere

    done = verify(layout.put(tmp_path / "image", change=other))
    assert done.status == 1, done.err
    (finding,) = done.json["findings"]
    assert (finding["code"], finding["found"], finding["expected"]) == ("ENV506", f"{os}/{architecture}", "linux/amd64")
    assert done.json["platform"] == f"{os}/{architecture}"


def test_images_without_python(victim, layout, verify, tmp_path):
    def nothing(config, manifest):
        config["rootfs"]["diff_ids"], manifest["layers"] = [], []

    done = verify(layout.put(tmp_path / "scratch", change=nothing))
    assert done.status == 1, done.err
    assert findings(done) >= {("ENV310", None), ("ENV501", "layer 1"), ("ENV602", "/srv/model.bin")}
    assert done.json["counts"] == {"packages": 0, "files": 0, "bytes": 0}


@pytest.mark.parametrize("base", ["bare", "scratchlike"])
def test_bases_without_python(victim, base):
    done = victim.verify("--image", victim.engine.bases[base])
    assert done.status == 1, done.err
    codes = {f["code"]: f["message"] for f in done.json["findings"]}
    assert codes["ENV310"] == "there is no Python in it"
    assert "ENV501" in codes


def test_several_environments_in_one_image(victim):
    steps = f"RUN cp -r {VENV} /srv/other && python3.11 -m venv --without-pip /srv/third && touch /srv/third/x\n"
    tag = victim.derive("several", steps)
    done = victim.verify("--image", tag)
    assert done.status == 0, done.out
    assert [(f["code"], f["path"]) for f in done.json["findings"]] == [
        ("ENV311", "/srv/other"),
        ("ENV311", "/srv/third"),
    ]
    done = victim.verify("--image", tag, "--venv", "/srv/third")
    assert {(f["code"], f["package"]) for f in done.json["findings"]} >= {
        *(("ENV101", name) for name in ("alpha-tools", "beta", "gamma")),
        ("ENV203", None),
    }


def test_a_container_of_another_image_and_names_that_are_none(victim):
    for args in (("--image", "no/such/image:at-all"), ("--image", f"{victim.engine.registry}/no/such:1", "--registry")):
        done = victim.verify(*args)
        assert (done.status, done.out) == (6, ""), done.err
    assert victim.verify("--image", "UPPER CASE").status == 2
    assert victim.verify("--archive", "/nonexistent").status in (2, 3)
    assert victim.verify("--image", "a", "--archive", "b").status == 2


@pytest.mark.parametrize(
    "name",
    [
        "a file written through a link",
        "a file that hides what comes later through a link",
        "a link that a folder replaces",
        "an opaque folder with new content",
    ],
)
def test_the_engine_sees_the_same_files(victim, layout, tmp_path, name):
    from envctl.inventory.kept import keeps
    from envctl.oci.contents import Wanted, read_image
    from envctl.oci.layout import Layout
    from envctl.oci.tree import merge

    image = layout.put(tmp_path / "image", FOUND[name][0])
    entry = json.loads((image / "index.json").read_bytes())
    tag = victim.engine.name("crafted")
    entry["manifests"][0]["annotations"] = {"io.containerd.image.name": f"docker.io/library/{tag}:latest"}
    (image / "index.json").write_text(json.dumps(entry))
    with tarfile.open(tmp_path / "image.tar", "w") as archive:
        archive.add(image, ".")
    victim.engine.run("load", "--input", tmp_path / "image.tar")
    code = (
        "import hashlib, os\n"
        f"for top in ('{SITE}', '/srv'):\n"
        "    for folder, folders, files in os.walk(top):\n"
        "        for path in (os.path.join(folder, name) for name in folders + files):\n"
        "            if os.path.islink(path): print(path, os.readlink(path))\n"
        "            elif os.path.isfile(path): print(path, hashlib.sha256(open(path, 'rb').read()).hexdigest())\n"
        "            else: print(path)\n"
    )
    shown = victim.engine.run(
        *("run", "--rm", "--network=none", "--entrypoint", "python3.11", tag, "-ISBc", code)
    ).stdout.splitlines()
    with Layout(image) as opened:
        tree = merge(read_image(opened.image("linux/amd64"), Wanted(keep=keeps)).layers)
    ours = [
        " ".join(filter(None, (f"/{path}", entry.link or entry.sha256)))
        for path, entry in tree.entries.items()
        if path.startswith((f"{PLACE}/", "srv/"))
    ]
    assert sorted(ours) == sorted(shown)
    assert Path(image).is_dir()
