"""File names of wheels, read with suspicion: an index may name its files as it likes.

Source: binary-distribution-format, "File name convention"; PEP 425, "Compressed Tag Sets".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.tags import Tag
    from packaging.utils import BuildTag, NormalizedName
    from packaging.version import Version

_LONGEST = 255  # bytes of a file name
_MOST_TAGS = 1000  # a name of 255 bytes could stand for 64,000, which takes seconds to write out


def parse_wheel_name(filename: str) -> tuple[NormalizedName, Version, BuildTag, frozenset[Tag]]:
    """Name, version, build tag and tags; ValueError for what is no wheel's file name."""
    from packaging.utils import parse_wheel_filename

    count = 1
    for part in filename.removesuffix(".whl").rsplit("-", 3)[1:]:
        count *= part.count(".") + 1
    if len(filename) > _LONGEST or count > _MOST_TAGS:
        raise ValueError(f"a file name of {len(filename):,} characters that stands for {count:,} tags")
    return parse_wheel_filename(filename)
