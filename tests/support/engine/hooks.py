"""What mmdebstrap calls on the way of making a tree: `python -m support.engine.hooks NAME TREE WORK BEGUN`.

`bare` is the tree of essential packages; `libraries` adds what a Python needs; `usr-local` adds the relocated Python
and is then taken back; `python` adds Debian's own. Each is a layer of what changed since the one before.
"""

from __future__ import annotations

import sys
from pathlib import Path

from support.engine import relocated
from support.engine.bases import STANDALONE
from support.engine.layers import layer_of_tree
from support.engine.place import Place

BELOW = {"libraries": "bare", "usr-local": "libraries", "python": "libraries"}


def main(name: str, tree: str, work: str, begun: str) -> None:
    """Snapshot the tree as layer `name`."""
    place = Place(Path(work))
    if name == "usr-local":
        version = relocated.put(Path(tree), place.tmp / "relocated", place.tmp)
        (place.images / "python-version").write_text(version)
    layer_of_tree(place.images, name, Path(tree), since=float(begun), below=BELOW.get(name))
    if name == "usr-local":
        relocated.standalone(Path(tree), place.images / STANDALONE, patchelf=place.program("patchelf"), work=place.tmp)
        relocated.take_back(Path(tree))


if __name__ == "__main__":
    main(*sys.argv[1:])
