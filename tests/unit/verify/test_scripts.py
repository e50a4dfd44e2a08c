"""Scripts as installers write them."""

from __future__ import annotations

import pytest

from envctl.verify.scripts import Script, entry_point_bodies, starters

MINE = starters(["/opt/venv"], (3, 11))
TARGET = "pkg.mod:obj.main"


def test_each_known_body_tells_its_entry_point() -> None:
    bodies = entry_point_bodies(TARGET)
    assert len(bodies) == 6
    for body in bodies:
        assert Script(b"", body).target() == TARGET
        assert b"from pkg.mod import obj\n" in body
        assert b"sys.exit(obj.main())" in body


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"import sys\n", b"import sys, os\n"),
        (b"sys.exit(obj.main())", b"sys.exit(obj.main()) "),
        (b"sys.exit(obj.main())\n", b"sys.exit(obj.main())\nsys.exit(obj.main())\n"),
        (b"import obj\n", b"import obj as obj\n"),
        (b"from pkg.mod import obj\n", b"from pkg.mod import obj\nfrom pkg.mod import obj\n"),
    ],
)
def test_a_body_that_is_not_whole_tells_nothing(old: bytes, new: bytes) -> None:
    for body in entry_point_bodies(TARGET):
        assert Script(b"", body.replace(old, new, 1)).target() is None


@pytest.mark.parametrize(
    "head",
    [
        b"#!/opt/venv/bin/python\n",
        b"#!/opt/venv/bin/python3\n",
        b"#!/opt/venv/bin/python3.11\n",
        b"#!/bin/sh\n'''exec' /opt/venv/bin/python \"$0\" \"$@\"\n' '''\n",
        b"#!/bin/sh\n'''exec' \"/opt/venv/bin/python\" \"$0\" \"$@\"\n' '''\n",
        b"#!/bin/sh\n'''exec' '/opt/venv/bin/python3' \"$0\" \"$@\"\n' '''\n",
        b"#!/bin/sh\n'''exec' \"$(dirname -- \"$(realpath -- \"$0\")\")\"/'python' \"$0\" \"$@\"\n' '''\n",
        b'#!/bin/sh\n\'\'\'exec\' "$(CDPATH= cd -- "$(dirname -- "$0")" && echo "$PWD")"/'
        b"'python3' \"$0\" \"$@\"\n' '''\n",
    ],
)
def test_the_first_lines_of_this_environment_are_known(head: bytes) -> None:
    script = Script.of(head + b"print(1)\n")
    assert script is not None
    assert script.body == b"print(1)\n"
    assert script.starter in MINE


@pytest.mark.parametrize(
    "head",
    [
        b"#!/usr/bin/env python\n",
        b"#!/opt/venv/bin/python -c evil\n",
        b"#!/opt/venv/bin/python \n",
        b"#!/opt/venv2/bin/python\n",
        b"#!/opt/venv/bin/../bin/python\n",
        b"#!/opt/venv/bin/python3.12\n",
        b"#!/bin/sh\n'''exec' evil; /opt/venv/bin/python \"$0\" \"$@\"\n' '''\n",
        b"#!/bin/sh\nevil\n'''exec' /opt/venv/bin/python \"$0\" \"$@\"\n' '''\n",
        b"#!/bin/sh\n'''exec' /opt/venv/bin/python \"$0\" evil \"$@\"\n' '''\n",
    ],
)
def test_other_first_lines_are_not(head: bytes) -> None:
    script = Script.of(head + b"print(1)\n")
    assert script is not None
    assert script.starter not in MINE


def test_what_does_not_begin_with_a_mark_is_no_script() -> None:
    assert Script.of(b"") is None
    assert Script.of(b"import sys\n") is None
    assert Script.of(b"\x7fELF#!python\n") is None
    assert Script.of(b"#!python") is None


SAID_AGAIN = b"""#!/bin/sh
# coding: %s
'''exec' "$(dirname -- "$(realpath -- "$0")")"/"$(printf %%b '\\'0160 '\\'0171)" "$0" "$@"
' '''
# -*- coding: UTF-8 -*-
print(1)
"""


def test_a_coding_line_that_the_installer_says_again_is_no_part_of_the_script() -> None:
    script = Script.of(SAID_AGAIN % b"UTF-8")
    assert script is not None
    assert script.starter.startswith(b"'''exec' ")
    assert script.body == b"# -*- coding: UTF-8 -*-\nprint(1)\n"


@pytest.mark.parametrize("coding", [b"utf-7", b"latin-1", b"UTF-8\n# more"])
def test_a_coding_line_that_the_script_does_not_say_is_none_of_the_installers(coding: bytes) -> None:
    script = Script.of(SAID_AGAIN % coding)
    assert script is not None
    assert script.starter == b"/bin/sh"
