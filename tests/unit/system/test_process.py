"""Programs are run to their end, overheard while they run, and never left running."""

from __future__ import annotations

import sys
import time

import pytest

from envctl.errors import ToolFailed
from envctl.system.process import run

TALK = """
import sys
for i in range(3):
    print('DEBUG', i, file=sys.stderr)
    print('said', i, file=sys.stderr)
print('out')
sys.exit(4)
"""


def test_a_program_ends_with_its_status_and_words():
    done = run([sys.executable, "-c", TALK])
    assert (done.status, done.stdout) == (4, "out\n")
    assert done.stderr.splitlines()[0] == "DEBUG 0"


def test_overheard_lines_come_at_once_and_can_be_left_out():
    heard: list[str] = []

    def overhear(line: str) -> bool:
        heard.append(line)
        return line.startswith("DEBUG")

    done = run([sys.executable, "-c", TALK], overhear=overhear)
    assert heard == ["DEBUG 0", "said 0", "DEBUG 1", "said 1", "DEBUG 2", "said 2"]
    assert done.stderr == "said 0\nsaid 1\nsaid 2\n"
    assert (done.status, done.stdout) == (4, "out\n")


@pytest.mark.parametrize("overhear", [None, lambda line: False])
def test_a_program_that_takes_too_long_is_ended(overhear):
    started = time.monotonic()
    with pytest.raises(ToolFailed, match="did not end within"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.5, overhear=overhear)
    assert time.monotonic() - started < 30


def test_a_program_that_cannot_be_started_is_named(tmp_path):
    with pytest.raises(ToolFailed, match="nothing-here could not be started"):
        run([tmp_path / "nothing-here"])


def test_its_environment_is_the_one_that_is_said():
    done = run([sys.executable, "-c", "import os; print(os.environ.get('HOME'))"], env={"HOME": "/nowhere"})
    assert done.stdout == "/nowhere\n"


def test_when_envctl_is_ending_its_programs_end_and_no_other_starts():
    code = (
        "import sys, threading, time\n"
        "from envctl.errors import ToolFailed\n"
        "from envctl.system import process\n"
        "done = []\n"
        "sleep = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
        "thread = threading.Thread(target=lambda: done.append(process.run(sleep).status))\n"
        "thread.start()\n"
        "time.sleep(0.5)\n"
        "process.end_all()\n"
        "thread.join(10)\n"
        "assert done == [-15], done\n"
        "try:\n"
        "    process.run(sleep)\n"
        "except ToolFailed as error:\n"
        "    print(error.what)\n"
    )
    done = run([sys.executable, "-c", code], timeout=30)
    assert (done.status, done.stderr) == (0, "")
    assert "because envctl is ending" in done.stdout
