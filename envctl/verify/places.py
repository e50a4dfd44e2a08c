"""Places of a file system from which programs, libraries and modules are taken. Pure."""

from __future__ import annotations

import posixpath
import re

from envctl.model.image import Picture, Root
from envctl.model.inventory import Kind

# Where shells, interpreters and the loader find code: hier(7), ld.so(8). `/lib` may be a link to `/usr/lib`.
_CODE = re.compile(
    r"(?:usr/|usr/local/)?(?:bin|sbin|lib|lib32|lib64|libx32|libexec)(?:/.*)?"
    r"|etc/ld\.so\.(?:preload|conf|conf\.d(?:/.*)?|cache)"
    r"|etc/python3[^/]*(?:/.*)?"
    r"|(?:.*/)?\.local/lib/python3[^/]*/site-packages(?:/.*)?"
    r"|opt/python(?:/.*)?"
    r"|usr/local/(?:cuda|nvidia)[^/]*(?:/.*)?"
)
# What NVIDIA's container runtime mounts of the driver, which is no part of any image.
DRIVER = re.compile(
    r"(?:usr/)?(?:bin/nvidia-[\w-]+"
    r"|lib(?:32|64)?/(?:[\w-]+-linux-gnu/)?lib(?:cuda|cudadebugger|nvidia-[\w-]+|nvcuvid|nvoptix)\.so[.\d]*"
    r"|lib/firmware/nvidia(?:/.*)?)"
)


def is_code(path: str) -> bool:
    """Whether a path is a place from which programs, libraries or modules are taken."""
    return _CODE.fullmatch(path) is not None


def behind(root: Root, path: str) -> str:
    """Where a link leads, such as /usr/bin/awk by way of /etc/alternatives; the path itself where it is none."""
    for _ in range(10):
        entry = root.entries.get(path)
        if entry is None or entry.kind is not Kind.LINK or not entry.link:
            break
        path = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), entry.link)).lstrip("/")
    return path


def brought(picture: Picture, path: str) -> bool:
    """Whether what stands at a path is there for a mount: its place, or a link to it."""
    if picture.root is None or not picture.mounts:
        return False
    mounted = {mount.strip("/") for mount in picture.mounts}
    entry = picture.root.entries.get(path)
    driver = entry is not None and entry.kind is Kind.LINK and DRIVER.fullmatch(path) is not None
    return path in mounted or (driver and behind(picture.root, path) in mounted)
