"""The first module of the verifier in one file, there called __main__.py: into isolation, or one line why not.

Any Python 3 must be able to read it, and nothing is imported before the process is isolated but what every start of
Python has imported already: what the caller's variables, folder or site packages bring has no say.
"""

import sys

_MARK = "ENVCTL_VERIFY_STARTED"
_FLAGS = ["-I", "-S", "-B", "-X", "utf8"]
_SEAL = b"# sha256:"


def _stop(text: str) -> None:
    sys.stderr.write("error: " + text + "\n")
    sys.exit(2)


def _isolate(place: str) -> None:
    """Start anew without variables, user site, site packages, .pth files and bytecode files; text is UTF-8."""
    import os

    again, flags = os.environ.pop(_MARK, None), sys.flags
    if flags.isolated and flags.no_site and flags.dont_write_bytecode and flags.utf8_mode:
        return
    if again or not sys.executable:
        _stop("this Python cannot be started in isolation; try `python3 -I -S -B -X utf8 FILE`")
    os.environ[_MARK] = "1"
    os.execv(sys.executable, [sys.executable, *_FLAGS, place, *sys.argv[1:]])  # noqa: S606  # the one that runs


def _check(place: str) -> None:
    """That the file is whole: its third line is the sha256 of all that follows. Damage is told, not malice."""
    import hashlib

    with open(place, "rb") as file:  # noqa: PTH123  # pathlib is much to import for that
        head, data = [file.readline() for _ in range(3)][-1], file.read()
    if head.strip() != _SEAL + hashlib.sha256(data).hexdigest().encode():
        _stop("this file is damaged; compare its sha256 with what `envctl verifier` said, and copy it again")


if __name__ == "__main__":
    if sys.version_info < (3, 10):  # noqa: UP036  # whoever runs it has what they have
        found = ".".join(map(str, sys.version_info[:3]))
        _stop("this verifier needs Python 3.10 or later; " + sys.executable + " is " + found)
    _place = sys.path[0] if sys.path[0].startswith("/") else "./" + sys.path[0]
    _isolate(_place)
    _check(_place)
    from envctl.cli.single import run

    run()
