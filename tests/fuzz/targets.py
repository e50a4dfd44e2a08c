"""What is fuzzed: each target reads bytes that nobody vouches for, as a command would, and may refuse them in one way.

A target returns, or raises what its reader documents; anything else is a defect. Adding one: a function here, its line
in `TARGETS`, and seeds in `seeds.py`.
"""

from __future__ import annotations

import atexit
import hashlib
import io
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from envctl.cli.context import visible
from envctl.errors import EnvctlError, IndexFailed, InvalidFile, ToolFailed, UsageError
from envctl.index import archive
from envctl.index.metadata import parse_metadata
from envctl.index.remote import NoRanges
from envctl.index.wheel import _content, read_file
from envctl.inventory import probed
from envctl.inventory.interpreter import read_config
from envctl.lockfile.read import parse_lockfile
from envctl.lockfile.rules import problems
from envctl.lockfile.write import write_lockfile
from envctl.model import record as record_of
from envctl.model.inventory import Bytecode, Entry, Interpreter, Inventory, Kind
from envctl.model.manifest import Manifest
from envctl.model.simple_api import parse_project_page
from envctl.model.target import Target as Named
from envctl.oci import media
from envctl.oci.challenge import parse_challenges
from envctl.oci.contents import Wanted, read_saved
from envctl.oci.docker_config import find_login
from envctl.oci.layers import decompressed, read_layer
from envctl.oci.layout import Layout
from envctl.oci.reference import Reference
from envctl.oci.registries import endpoints, read_registries
from envctl.oci.tree import merge
from envctl.os_packages import archive as os_archive
from envctl.os_packages.base import base_system
from envctl.os_packages.control import Offers
from envctl.os_packages.deb import files_of
from envctl.os_packages.version import compare as compare_versions
from envctl.profile import assemble
from envctl.render.dockerfile import render
from envctl.system.machine import host
from envctl.verify.compare import compare
from envctl.verify.loading import Unknown, libraries

SEPARATOR = b"\n%%\n"
"""Between the parts of an input that is several files."""


class Target(NamedTuple):
    """A reader; what it may raise; the longest input in bytes."""

    run: Callable[[bytes], object]
    refuses: tuple[type[BaseException], ...]
    longest: int = 16384


@cache
def scratch() -> Path:
    """A folder that ends with the process."""
    folder = Path(tempfile.mkdtemp(prefix="envctl-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def written(name: str, data: bytes) -> Path:
    """The input as a file."""
    path = scratch() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def parts(data: bytes, count: int) -> list[bytes]:
    """The parts of an input, as many as are asked for."""
    found = data.split(SEPARATOR, count - 1)
    return [*found, *[b""] * (count - len(found))]


def shown(error: BaseException) -> None:
    """What people are told, as the command line prints it, must be printable, and text."""
    if isinstance(error, EnvctlError):
        said = visible(str(error))
        assert all(line.isprintable() for line in said.split("\n")), repr(said)
        said.encode()


def lockfile(data: bytes) -> None:
    read = parse_lockfile(data, shown="x.toml")
    if problems(read):
        return
    assert problems(parse_lockfile(write_lockfile(read), shown="again")) == []
    for platform in read.platforms():
        read.select(platform)
    if read.envctl.image is not None:
        render(read, lock_digest="sha256:" + "0" * 64)


def profile(data: bytes) -> None:
    text, requirements = parts(data, 2)
    written("r.in", requirements)
    for variant in (None, "cpu"):
        assemble(scratch(), Named("x", variant), {"x": text.decode("utf-8", "surrogateescape")})


def record(data: bytes) -> None:
    for entry in record_of.parse_record(data):
        assert entry.sha256 is None or re.fullmatch("[0-9a-f]{64}", entry.sha256)
        place = record_of.installed_path(entry.path, dist_info="demo-1.0.dist-info", name="demo")
        assert place is None or ".." not in place.split("/")


def zip_directory(data: bytes) -> None:
    read_file(written("demo-1.0-py3-none-any.whl", data))


def wheel(data: bytes) -> None:
    """A whole zip file of texts: a wheel whose archive is right, with everything in it as it comes."""
    record_text, metadata, wheel_text, entry_points, script, *members = parts(data, 7)
    info = "demo-1.0.dist-info/"
    names = [name.decode("utf-8", "replace") for name in members[0].split(b"\n")[:20] if 0 < len(name) < 300]
    texts = {
        **dict.fromkeys(names, members[1]),
        f"{info}METADATA": metadata,
        f"{info}WHEEL": wheel_text,
        "demo-1.0.data/scripts/run": script,
        f"{info}entry_points.txt": entry_points,
    }
    texts = {name: text for name, text in texts.items() if text or name in names}
    rows = "".join(
        f'"{name.replace(chr(34), chr(34) * 2)}",{_digest(text)},{len(text)}\n' for name, text in texts.items()
    )
    texts[f"{info}RECORD"] = record_text or f"{rows}{info}RECORD,,\n".encode()
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as made:
        for name, text in texts.items():
            made.writestr(zipfile.ZipInfo(name), text)
    path = written("demo-1.0-py3-none-any.whl", raw.getvalue())
    try:
        with path.open("rb") as file:
            ranged = _content(archive.Archive(archive.FileSource(file)), path.name, None)
    except (archive.Malformed, NoRanges):
        ranged = None
    whole = read_file(path)
    assert ranged is None or ranged.manifest == whole.manifest
    for place in whole.manifest.files:
        assert not {"..", ".", ""} & set(place.split("/")), place
    assert Manifest.parse(whole.manifest.text()) == whole.manifest


def _digest(text: bytes) -> str:
    return record_of.base64.urlsafe_b64encode(hashlib.sha256(text).digest()).rstrip(b"=").decode().join(("sha256=", ""))


def _nothing(_: str, size: int) -> bool:
    return size < 100


def tar(data: bytes) -> None:
    """Two layers; checksums of headers are made right, so that more than they is read."""
    layers = [read_layer(io.BytesIO(mended(part)), keep=_nothing) for part in parts(data, 2) if part]
    tree = merge(layers)
    for path in tree.entries:
        assert path == path.strip("/")
        assert not {"..", ""} & set(path.split("/"))
        tree.resolve(path)


def mended(data: bytes) -> bytes:
    """A tar file with right checksums, where headers may stand."""
    blocks = bytearray(data)
    for at in range(0, len(blocks) - 511, 512):
        if blocks[at + 257 : at + 262] == b"ustar":
            blocks[at + 148 : at + 156] = b" " * 8
            blocks[at + 148 : at + 156] = b"%06o\0 " % sum(blocks[at : at + 512])
    return bytes(blocks)


def compressed(data: bytes) -> None:
    most = 0
    for piece in decompressed(io.BytesIO(data)):
        assert len(piece) <= 2**20
        most += len(piece)
        if most > 2**26:
            return


def document(data: bytes) -> None:
    for media_type in ("", media.OCI_INDEX, media.OCI_MANIFEST, media.DOCKER_INDEX, media.DOCKER_MANIFEST):
        try:
            read = media.parse_document(data, media_type)
        except media.Malformed:
            continue
        if isinstance(read, media.ImageIndex):
            for platform in (None, "linux/amd64", "linux/arm64/v8"):
                try:
                    media.choose_platform(read.manifests, platform)
                except media.Malformed:
                    continue
    media.parse_config(data)


def layout(data: bytes) -> None:
    with Layout(written("image.tar", mended(data)), "image.tar") as found:
        for name in (*found.names, None):
            image = found.image("linux/amd64", name)
            for layer in image.layers:
                with image.open(layer) as stream:
                    read_layer(stream, keep=_nothing)


def saved(data: bytes) -> None:
    digest, rest = parts(data, 2)
    name = digest.decode("utf-8", "replace")
    read_saved([mended(rest)], "image", Wanted(_nothing), digest=name, platform="linux/amd64")


def project_page(data: bytes) -> None:
    kind, body = parts(data, 2)
    parse_project_page(body, kind.decode("latin-1"), "https://index.example/simple/x/")


def registry_answers(data: bytes) -> None:
    parse_challenges(data.decode("latin-1"))
    Reference.parse(data.decode("utf-8", "replace"))


def registries(data: bytes) -> None:
    written("config/envctl/config.toml", data)
    tables = read_registries({"XDG_CONFIG_HOME": str(scratch() / "config")})
    for name in tables:
        endpoints(name, tables)


def docker_config(data: bytes) -> None:
    written("docker/config.json", data)
    for registry, repository in (("docker.io", "library/python"), ("registry.example:5000", "team/app")):
        find_login(registry, repository, {"DOCKER_CONFIG": str(scratch() / "docker"), "PATH": ""})


def probe_answer(data: bytes) -> None:
    seen = probed.parse(data)
    for path in seen.tree.entries:
        seen.tree.resolve(path)


def metadata(data: bytes) -> None:
    parse_metadata(data)


def entry_points(data: bytes) -> None:
    for place, target in record_of.entry_point_scripts(data).items():
        assert place.startswith("bin/")
        assert "/" not in place[4:]
        assert re.fullmatch(r"[\w.]+:[\w.]+", target)


def manifest(data: bytes) -> None:
    assert Manifest.parse(data).text() == data


def control(data: bytes) -> None:
    status, offered, release, name = parts(data, 4)
    base_system(
        {"var/lib/dpkg/status": status, "etc/os-release": status, "etc/apt/sources.list.d/x.sources": offered}, "amd64"
    )
    base_system({"etc/apt/sources.list": offered}, "amd64")
    offers = Offers([("https://archive.example", offered.decode("utf-8", "replace"))], "amd64")
    for wanted in (name.decode("utf-8", "replace").strip(), "libc6"):
        offers.named(wanted)
        offers.providers(wanted)
    os_archive.index_files(release.decode("utf-8", "replace"), "amd64")


def versions(data: bytes) -> None:
    one, two = (part.decode("utf-8", "replace") for part in parts(data, 2))
    assert compare_versions(one, one) == 0
    assert (compare_versions(one, two) > 0) == (compare_versions(two, one) < 0)


def deb(data: bytes) -> None:
    files_of(io.BytesIO(data), "x.deb")


def loader_cache(data: bytes) -> None:
    for place in libraries(data):
        assert len(place) <= 4096


INFO = "lib/python3.11/site-packages/demo-1.0.dist-info"


def environment(data: bytes) -> None:
    """What comparing reads of an environment, against the lockfile of one wheel: never ok, never a traceback."""
    said = parts(data, 8)
    places = ["pyvenv.cfg", f"{INFO}/RECORD", f"{INFO}/entry_points.txt", f"{INFO}/direct_url.json", "bin/demo"]
    places += ["lib/python3.11/site-packages/x.pth", "bin/activate"]
    texts = dict(zip(places, said, strict=False))
    names = [name.decode("utf-8", "surrogateescape").strip("/")[:4096] for name in said[7].split(b"\n")[:20]]
    entries = {
        path: Entry(Kind.FILE, 0o644, len(text), hashlib.sha256(text).hexdigest()) for path, text in texts.items()
    }
    for name in names:
        kind = Kind.LINK if name.startswith("l") else Kind.FILE
        entries.setdefault(name or "x", Entry(kind, 0o755, 1, "0" * 64, link="x" if kind is Kind.LINK else None))
    for path in list(entries):
        while path := path.rpartition("/")[0]:
            entries[path] = Entry(Kind.FOLDER, 0o755)
    config, repeated = read_config(texts["pyvenv.cfg"])
    version = config.get("version")
    interpreter = Interpreter(version=version, asked=True, implementation="cpython", home=config.get("home"))
    inventory = Inventory(
        root="/venv",
        real_root="/venv",
        interpreter=interpreter,
        site="lib/python3.11/site-packages",
        config=config,
        config_repeated=repeated,
        entries=entries,
        texts={path: text for path, text in texts.items() if entries[path].kind is Kind.FILE},
        bytecode={path: Bytecode.FOREIGN for path in entries if path.endswith(".pyc")},
        venv=bool(config),
    )
    found = compare(
        demo_lock(),
        host(),
        inventory,
        manifests=lambda *_: None,
        seeds=lambda *_: None,
        project_folder=Path("/project"),
    )
    assert found.verdict.value != "ok"
    for finding in found.findings:
        assert finding.message.isprintable()
        assert finding.path is None or finding.path.isprintable()


@cache
def demo_lock() -> object:
    from support.environments import lock_for
    from support.wheels import build_wheel

    return lock_for([build_wheel(scratch() / "wheels", "demo", entry_points={"demo": "demo:main"})], python="3.11.9")


def bounded(run: Callable[[bytes], object], refuses: Sequence[type[BaseException]], data: bytes) -> None:
    """Run a target on one input; what it may raise is checked and swallowed."""
    try:
        run(data)
    except tuple(refuses) as error:
        if isinstance(error, UnicodeError):  # a ValueError that nobody meant
            raise
        shown(error)


TARGETS: dict[str, Target] = {
    "compressed": Target(compressed, (InvalidFile, ToolFailed)),
    "control": Target(control, (ValueError,)),
    "deb": Target(deb, (InvalidFile, ToolFailed)),
    "docker-config": Target(docker_config, (IndexFailed, InvalidFile)),
    "document": Target(document, (media.Malformed,)),
    "entry-points": Target(entry_points, (ValueError,)),
    "environment": Target(environment, ()),
    "layout": Target(layout, (InvalidFile, UsageError), 32768),
    "loader-cache": Target(loader_cache, (Unknown,)),
    "lockfile": Target(lockfile, (InvalidFile,)),
    "manifest": Target(manifest, (ValueError,)),
    "metadata": Target(metadata, (archive.Malformed,)),
    "probe-answer": Target(probe_answer, (probed.NoAnswer,)),
    "profile": Target(profile, (InvalidFile, UsageError)),
    "project-page": Target(project_page, (ValueError,)),
    "record": Target(record, (ValueError,)),
    "registries": Target(registries, (InvalidFile,)),
    "registry-answers": Target(registry_answers, (UsageError,)),
    "saved": Target(saved, (InvalidFile, ToolFailed), 32768),
    "tar": Target(tar, (InvalidFile, ToolFailed)),
    "versions": Target(versions, ()),
    "wheel": Target(wheel, (IndexFailed,)),
    "zip": Target(zip_directory, (IndexFailed,)),
}
