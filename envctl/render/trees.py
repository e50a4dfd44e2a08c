"""Makes the trees that become an image's layers. It runs in a builder stage: every Dockerfile carries the text below.

Each argument is `TREE MOMENT [DISTRIBUTION…]`. Where the last argument's tree does not exist yet, the environment is
split: each file goes to the tree of the distribution whose RECORD names it, else to the last tree. Then each tree is
sealed: every entry gets one mode and one mtime. A folder that the base image has keeps the base's mode and owner,
because a copied layer would otherwise replace them (think of /tmp).
"""

from __future__ import annotations

# ---- what Dockerfiles carry: Python 3.10, the standard library, no single quotes
import csv
import os
import re
import shutil
import stat
import sys


def _owners(site: str, tree_of: dict[str, str]) -> dict[str, str]:
    found = {}
    for info in os.listdir(site):
        tree = tree_of.get(re.sub(r"[-_.]+", "-", info.split("-")[0]).lower())
        if tree and info.endswith(".dist-info"):
            with open(os.path.join(site, info, "RECORD"), encoding="utf-8", newline="") as record:
                for row in csv.reader(record):
                    found[os.path.normpath(os.path.join(site, row[0]))] = tree
    return found


def _split(venv: str, trees: str, owners: dict[str, str], rest: str) -> None:
    for folder, folders, files in os.walk(venv):
        for name in files + [name for name in folders if os.path.islink(os.path.join(folder, name))]:
            path = os.path.join(folder, name)
            place = os.path.join(trees, owners.get(path, rest)) + path
            os.makedirs(os.path.dirname(place), exist_ok=True)
            os.link(path, place, follow_symlinks=False)
        if not folders and not files:
            os.makedirs(os.path.join(trees, rest) + folder, exist_ok=True)


def _seal(tree: str, moment: int) -> None:
    for folder, folders, files in os.walk(tree, topdown=False):
        for path in [os.path.join(folder, name) for name in folders + files]:
            mode, base = os.lstat(path).st_mode, path[len(tree) :]
            if stat.S_ISREG(mode):
                os.chmod(path, 0o755 if mode & 0o111 else 0o644)
            elif stat.S_ISDIR(mode):
                if os.path.islink(base):
                    sys.exit(base + " is a link in the base image: name the folder that it leads to")
                if os.path.isdir(base):
                    shutil.copymode(base, path)
                    os.chown(path, os.stat(base).st_uid, os.stat(base).st_gid)
                else:
                    os.chmod(path, 0o755)
            os.utime(path, (moment, moment), follow_symlinks=False)


def main(venv: str, trees: str, arguments: list[str]) -> None:
    plan = [argument.split() for argument in arguments]
    if not os.path.isdir(os.path.join(trees, plan[-1][0])):
        site = os.path.join(venv, "lib", "python%d.%d" % sys.version_info[:2], "site-packages")
        tree_of = {name: tree for tree, _, *names in plan for name in names}
        _split(venv, trees, _owners(site, tree_of), plan[-1][0])
    for tree, moment, *_ in plan:
        os.makedirs(os.path.join(trees, tree), exist_ok=True)
        _seal(os.path.join(trees, tree), int(moment))
