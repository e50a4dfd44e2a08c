"""Makes the trees that become an image's layers. It runs in builder stages: every Dockerfile carries the text below.

Arguments `TREE MOMENT [DISTRIBUTION…]`, each in one word: where the last argument's tree does not exist yet, the
environment is split: each file goes to the tree of the distribution whose RECORD names it, else to the last tree. Then
each tree is sealed: every entry gets one mode and one mtime (for the moment `-` files keep theirs: archives say them,
but those of folders not always). A folder that the base image has keeps the base's mode and owner, because a copied
layer would otherwise replace them (think of /tmp).

Arguments `locked sha256:DIGEST PATH NAME`: refuse a file or folder of another digest (`envctl.commands.jobs` makes it).

Arguments `pins LOCKFILE`: the lockfile as requirements with hashes, for other places than the recorded addresses: a
folder of wheels, or a mirror, whose lines then name by address what comes from an index of its own. The lockfile's
layout is that of `envctl.lockfile.write`; its digest was checked before.
"""

from __future__ import annotations

# ---- what Dockerfiles carry: Python 3.10, the standard library, no single quotes
import csv
import hashlib
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


def _seal(tree: str, moment: str) -> None:
    for folder, folders, files in os.walk(tree, topdown=False):
        for path in [os.path.join(folder, name) for name in folders + files]:
            mode, base = os.lstat(path).st_mode, path[len(tree) :]
            kept = os.lstat(path).st_mtime if stat.S_ISREG(mode) else 315532800
            time = int(kept if moment == "-" else moment)
            if stat.S_ISREG(mode) and moment != "-":
                os.chmod(path, 0o755 if mode & 0o111 else 0o644)
            elif stat.S_ISDIR(mode):
                if os.path.islink(base):
                    sys.exit(base + " is a link in the base image: name the folder that it leads to")
                if os.path.isdir(base):
                    shutil.copymode(base, path)
                    os.chown(path, os.stat(base).st_uid, os.stat(base).st_gid)
                elif moment != "-":
                    os.chmod(path, 0o755)
            os.utime(path, (time, time), follow_symlinks=False)


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    if os.path.isdir(path):
        files = [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names]
        for name in sorted(file[len(path) + 1 :] for file in files):
            digest.update((_sha256(os.path.join(path, name)) + "  " + name + "\n").encode())
        return digest.hexdigest()
    with open(path, "rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def _pins(lockfile: str) -> None:
    with open(lockfile, encoding="utf-8") as text:
        blocks = text.read().split("\n[[packages]]\n")[1:]
    for block in [block.split("\n[packages.tool")[0] for block in blocks]:
        said = dict(re.findall("(?m)^(name|version|marker|index) = \x22(.*)\x22$", block))
        wheels = re.findall(
            "name = \x22([^\x22]+)\x22, url = \x22([^\x22]+)\x22.* sha256 = \x22([0-9a-f]{64})\x22", block
        )
        markers = ["(" + said["marker"] + ")"] if "marker" in said else []
        if "index" not in said or os.listdir("/wheels"):
            hashes = ["--hash=sha256:" + digest for _, _, digest in wheels]
            print(" ; ".join([said["name"] + "==" + said["version"], *markers]), *hashes)
            continue
        for name, url, digest in [wheel for wheel in wheels if "-macosx_" not in wheel[0]]:
            machine = re.search("(x86_64|aarch64)[.]whl$", name)
            here = ["platform_machine == \x22" + machine[1] + "\x22"] if machine else []
            print(" ; ".join([said["name"] + " @ " + url, *filter(None, [" and ".join(markers + here)])]), end=" ")
            print("--hash=sha256:" + digest)


def main(venv: str, trees: str, arguments: list[str]) -> None:
    if arguments[0] == "pins":
        _pins(arguments[1])
        return
    if arguments[0] == "locked":
        if "sha256:" + _sha256(arguments[2]) != arguments[1]:
            sys.exit(arguments[3] + " is not what was locked")
        return
    plan = [argument.split() for argument in arguments]
    if not os.path.isdir(os.path.join(trees, plan[-1][0])):
        site = os.path.join(venv, "lib", "python%d.%d" % sys.version_info[:2], "site-packages")
        tree_of = {name: tree for tree, _, *names in plan for name in names}
        _split(venv, trees, _owners(site, tree_of), plan[-1][0])
    for tree, moment, *_ in plan:
        os.makedirs(os.path.join(trees, tree), exist_ok=True)
        _seal(os.path.join(trees, tree), moment)
