"""Attacks on the set of packages: versions, doubles, look-alikes, packages that come from elsewhere."""

from __future__ import annotations

import shutil

from .row import CONTENTS, EXTRA, OWNERS, PROJECT, SPLIT, TWICE, Attack, Place


def _become(place: Place, version: str) -> None:
    """What an installer leaves of another version: other files, other metadata, a RECORD that agrees."""
    stem = place.target.info.partition("-")[0]
    metadata = place.info / "METADATA"
    text = metadata.read_bytes().replace(f"Version: {place.target.version}".encode(), f"Version: {version}".encode())
    place.write(metadata, text)
    place.edit(place.module)
    place.repair(metadata, place.module)
    place.record([row.replace(place.target.info, f"{stem}-{version}.dist-info") for row in place.rows()])
    shutil.move(place.info, place.site / f"{stem}-{version}.dist-info")


def _foreign(place: Place, name: str, *, files: bool = True) -> None:
    """A package with all that an installer writes; without `files` its metadata alone."""
    info = place.site / f"{name}-1.0.dist-info"
    paths = [place.write(info / "METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")]
    if files:
        paths.append(place.write(place.site / f"{name}.py", "evil"))
    place.write(info / "RECORD", "".join(f"{path.relative_to(place.site)},,\n" for path in paths))


def _hollow(place: Place) -> None:
    for row in place.rows():
        name = row.partition(",")[0]
        if not name.startswith((place.target.info, "..")):
            (place.site / name).unlink()


def _renamed(place: Place) -> None:
    shutil.move(place.info, place.site / f"{place.target.info.partition('-')[0]}-99.0.dist-info")


def _twice(place: Place) -> None:
    shutil.copytree(place.info, place.site / f"{place.target.info.partition('-')[0]}-0.1.dist-info")


_SAYS_EDITABLE = '{{"url": "file://{}", "dir_info": {{"editable": true}}}}'


def _editable(place: Place) -> None:
    place.write(place.info / "direct_url.json", _SAYS_EDITABLE.format(place.outside))


def _link_file(place: Place) -> None:
    place.write(place.site / f"{place.target.package}.egg-link", f"{place.outside}\n.\n")


PACKAGES = (
    Attack(
        "a package is upgraded by pip or uv at run time",
        "ENV103",
        None,
        SPLIT,
        lambda p: _become(p, "99.0"),
        says="99.0 is installed, {version} is locked",
        alone=True,
    ),
    Attack(
        "a package is downgraded",
        "ENV103",
        None,
        SPLIT,
        lambda p: _become(p, "0.0.1"),
        says="0.0.1 is installed, {version} is locked",
        alone=True,
    ),
    Attack(
        "the version in a package's dist-info is spoofed",
        "ENV103",
        None,
        SPLIT,
        _renamed,
        says="99.0 is installed",
        alone=True,
    ),
    Attack(
        "a package is added by pip or uv at run time",
        "ENV102",
        None,
        EXTRA,
        lambda p: _foreign(p, "leftpad"),
        says="1.0 is not locked",
        package="leftpad",
    ),
    Attack(
        "a dist-info without files",
        "ENV102",
        None,
        EXTRA,
        lambda p: _foreign(p, "hollow", files=False),
        says="1.0 is not locked (2 files)",
        package="hollow",
    ),
    Attack("a package's files are removed, its dist-info stays", "ENV202", "{module}", CONTENTS, _hollow, alone=True),
    Attack(
        "a package is removed",
        "ENV101",
        None,
        SPLIT,
        lambda p: shutil.rmtree(p.info),
        says="not installed",
        alone=True,
    ),
    Attack(
        "a package has two dist-infos",
        "ENV104",
        "{stem}-0.1.dist-info",
        TWICE,
        _twice,
        also=(("ENV102", None),),
        alone=True,
    ),
    Attack(
        "an egg-link beside a package, which leads elsewhere",
        "ENV104",
        "{package}.egg-link",
        TWICE,
        _link_file,
        also=(("ENV102", None),),
        alone=True,
    ),
    Attack(
        "a name of look-alike letters",
        "ENV102",
        None,
        EXTRA,
        lambda p: _foreign(p, "numрy"),
        says="1.0 is not locked",
        package="numрy",
    ),
    Attack(
        "a package says that it is installed from a folder (editable)",
        "ENV106",
        "{info}/direct_url.json",
        PROJECT,
        _editable,
        abuses="installers' notes",
    ),
    Attack(
        "easy-install.pth leads to a folder",
        "ENV401",
        "{site}/easy-install.pth",
        "hooks.check",
        lambda p: p.write(p.site / "easy-install.pth", f"{p.outside}\n"),
    ),
    Attack(
        "an egg as a file",
        "ENV102",
        None,
        EXTRA,
        lambda p: p.write(p.site / "evil-1.0-py3.11.egg", "PK"),
        says="1.0 is not locked (1 files)",
        package="evil",
    ),
    Attack(
        "metadata in another case (X.DIST-INFO), which importlib.metadata reads",
        "ENV203",
        "{site}/Evil-1.0.DIST-INFO/METADATA",
        OWNERS,
        lambda p: p.write(p.site / "Evil-1.0.DIST-INFO" / "METADATA", "Name: evil\nVersion: 1.0\n"),
    ),
)
