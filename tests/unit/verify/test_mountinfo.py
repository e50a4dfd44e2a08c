"""Places of mounts: every reader decodes what the kernel writes in the same way."""

from __future__ import annotations

import json

from envctl.inventory import mountinfo, probed

ROOT = b"22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
ODD = rb"30 22 0:25 / /opt/venv/my\040data\134x rw - tmpfs tmpfs rw" + b"\n"


def test_places_are_unescaped_and_short_lines_left_out():
    assert list(mountinfo.places(ROOT + ODD + b"cut off\n")) == ["/", "/opt/venv/my data\\x"]


def test_the_answer_from_inside_names_the_place_itself():
    about = {
        "mounts": [r"/opt/venv/my\040data"],
        "prefix": "/opt/venv",
        "version": "3.11.2",
        "implementation": "cpython",
        "variables": {},
    }
    said = b"\n".join(json.dumps(line).encode() for line in (about, {"end": 0}))
    assert probed.parse(said).mounts == ("/opt/venv/my data",)
