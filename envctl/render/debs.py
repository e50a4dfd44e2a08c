"""OS packages that the lockfile pins: the engine fetches and checks each, then they are installed without network."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from envctl.errors import InvalidFile
from envctl.model.lockfile import OsPackage, OsPackages

HEX = re.compile(r"[0-9a-f]{64}")
URL = re.compile(r"https?://[A-Za-z0-9._~:/?#\[\]@!$&()*+,;=%-]+")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~_-]*\.deb")
_STAGE = 40  # files: an engine mounts what has at most about 120 layers
_LISTS = "/tmp/debs"  # noqa: S108  # in the build, on a file system of its own


def by_arch(pinned: OsPackages, platforms: Sequence[str]) -> dict[str, tuple[OsPackage, ...]]:
    """The packages of each platform's architecture, checked to be what a Dockerfile can say; InvalidFile otherwise."""
    arches = [name.split("/")[1] for name in platforms]
    for package in pinned.packages:
        sound = HEX.fullmatch(package.sha256) and URL.fullmatch(package.url) and _FILE.fullmatch(package.file)
        if not sound or not 0 <= package.step < 1000:
            raise InvalidFile(
                "an OS package has no usable address or sha256",
                key="tool.envctl.os-packages",
                found=ascii(package.url)[:200],
            )
    return {arch: tuple(one for one in pinned.packages if one.arch == arch) for arch in arches}


def stages(packages: dict[str, tuple[OsPackage, ...]]) -> list[list[str]]:
    """A stage with the files, for each architecture where there are several."""
    lines = ["# OS packages: each fetched by the engine, and checked by its sha256."]
    for arch, rows in packages.items():
        name = "debs" if len(packages) == 1 else f"debs-{arch}"
        parts = [rows[start : start + _STAGE] for start in range(0, len(rows), _STAGE)]
        if len(parts) > 1:
            for number, part in enumerate(parts):
                lines += [f"FROM scratch AS {name}-{number}", *_files(part)]
            lines += [f"FROM scratch AS {name}", *(f"COPY --from={name}-{n} / /" for n in range(len(parts)))]
        else:
            lines += [f"FROM scratch AS {name}", *_files(rows)]
    return [[*lines, *(["FROM debs-${TARGETARCH} AS debs"] if len(packages) > 1 else [])]]


def _files(rows: Sequence[OsPackage]) -> Iterator[str]:
    for row in rows:
        place = row.url.replace("$", "\\$")
        yield f"ADD --checksum=sha256:{row.sha256} {place} /{row.file}"


def install(packages: dict[str, tuple[OsPackage, ...]]) -> list[str]:
    """The shell's steps: the files checked once more, since a named context may stand in the stage's place."""
    lines = [f" && mkdir {_LISTS} \\"]
    several = len(packages) > 1
    if several:
        lines.append(" && case $TARGETARCH in \\")
    for arch, rows in packages.items():
        written = [line for step in sorted({row.step for row in rows}) for line in _list(step, rows)] or ["true \\"]
        if several:
            lines += [
                f"    {arch}) {written[0]}",
                *written[1:-1],
                *([written[-1]] if written[1:] else []),
                "      ;; \\",
            ]
        else:
            lines += [f" && {written[0]}", *written[1:]]
    if several:
        lines.append("    esac \\")
    return [
        *lines,
        " && cd /mnt \\",
        f" && for list in {_LISTS}/*; do \\",
        '      [ ! -e "$list" ] || { sha256sum --check --quiet --strict "$list" \\',
        '      && cut -c 67- "$list" | DEBIAN_FRONTEND=noninteractive \\',
        "      xargs dpkg --force-confdef --force-confold --install; } || exit 1; done \\",
        " && cd / \\",
    ]


def _list(step: int, rows: Sequence[OsPackage]) -> list[str]:
    start = "printf '%s\\n' \\" if step == min(row.step for row in rows) else " && printf '%s\\n' \\"
    names = [f"      '{row.sha256}  {row.file}' \\" for row in rows if row.step == step]
    return [start, *names, f"      > {_LISTS}/{step:03} \\"]
