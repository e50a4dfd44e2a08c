from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envctl.model.manifest import Manifest, environment_digest

DIGEST = hashlib.sha256(b"").hexdigest()
names = st.text(
    st.one_of(st.sampled_from("\\\n\r é/.-\udcff"), st.characters(blacklist_characters="\0", codec="utf-8")), min_size=1
)
paths = st.builds(lambda root, name: root + name, st.sampled_from(["site/", "bin/", "include/", "prefix/"]), names)
digests = st.binary(min_size=32, max_size=32).map(bytes.hex)


@given(st.dictionaries(paths, digests))
def test_a_manifest_survives_being_written_and_read(files: dict[str, str]) -> None:
    manifest = Manifest.of(files)
    assert Manifest.parse(manifest.text()) == manifest
    assert manifest.files == files


@given(st.dictionaries(paths, digests, min_size=2), st.randoms())
def test_the_order_in_which_files_were_found_does_not_matter(files: dict[str, str], random: object) -> None:
    shuffled = list(files.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert Manifest.of(dict(shuffled)).text() == Manifest.of(files).text()


def test_lines_are_sorted_by_the_bytes_of_their_paths() -> None:
    written = Manifest.of({"site/é": DIGEST, "site/z": DIGEST, "site/\udcff": DIGEST, "site/𝒳": DIGEST}).text()
    paths = [line[66:] for line in written.splitlines()]
    assert paths == sorted(paths)


@given(st.binary(max_size=200))
def test_whatever_else_is_read_is_refused(data: bytes) -> None:
    try:
        manifest = Manifest.parse(data)
    except ValueError:
        return
    assert manifest.text() == data


@pytest.mark.parametrize(
    "text",
    [
        f"{DIGEST}  site/a",
        f"{DIGEST} *site/a\n",
        f"{DIGEST.upper()}  site/a\n",
        f"{DIGEST[1:]}  site/a\n",
        f"{DIGEST}  elsewhere/a\n",
        f"{DIGEST}  site/\n",
        f"{DIGEST}  site/b\n{DIGEST}  site/a\n",
        f"{DIGEST}  site/a\n{DIGEST}  site/a\n",
        f"\\{DIGEST}  site/a\n",
        f"{DIGEST}  site/a\\\\b\n",
        f"{DIGEST}  site/a\r\n",
        f"\n{DIGEST}  site/a\n",
    ],
)
def test_only_the_canonical_form_is_a_manifest(text: str) -> None:
    with pytest.raises(ValueError, match="canonical"):
        Manifest.parse(text.encode())


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs coreutils")
def test_sha256sum_reads_a_manifest_whatever_the_names(tmp_path: Path) -> None:
    names = ["plain", "with space", " lead", "back\\slash", "new\nline", "both\\\n", "é", "*star", "\\n", "#"]
    files = {}
    for number, name in enumerate(names):
        place = tmp_path / "site" / name
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(bytes([number]))
        files[f"site/{name}"] = hashlib.sha256(bytes([number])).hexdigest()
    raw = os.fsencode(tmp_path) + b"/site/\xff"
    with open(raw, "wb"):  # noqa: PTH123  # a name that is no UTF-8
        files["site/\udcff"] = DIGEST
    (tmp_path / "manifest").write_bytes(Manifest.of(files).text())
    check = ["sha256sum", "--check", "--strict", "--status", "manifest"]
    assert subprocess.run(check, cwd=tmp_path, check=False).returncode == 0
    (tmp_path / "site" / "new\nline").write_bytes(b"changed")
    assert subprocess.run(check, cwd=tmp_path, check=False).returncode == 1


def test_the_content_digest_is_that_of_the_text() -> None:
    manifest = Manifest.of({"site/a.py": DIGEST})
    text = f"{DIGEST}  site/a.py\n".encode()
    assert manifest.text() == text
    assert manifest.digest() == "sha256:" + hashlib.sha256(text).hexdigest()


def test_the_environment_digest_is_that_of_sorted_lines() -> None:
    lines = b"a==1 sha256:x\nb==2 sha256:y\n"
    found = environment_digest([("b", "2", "sha256:y"), ("a", "1", "sha256:x")])
    assert found == "sha256:" + hashlib.sha256(lines).hexdigest()
