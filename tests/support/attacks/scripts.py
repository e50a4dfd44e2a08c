"""Attacks on what is in bin: scripts of packages, activation scripts, programs."""

from __future__ import annotations

import shutil

from .row import CONTENTS, LINKS, OWNERS, SCRIPTS, Attack, Place

_ENTRY = "entry points' scripts"
_ACTIVATE = "activation scripts"
# RECORD has the digest of a script as it was installed: without a manifest nothing says what the wheel's is.
_LIST = (("ENV204", "{info}/RECORD"),)
_BLIND = (*_LIST, ("ENV205", None))


def _starter(place: Place, script: str, line: bytes) -> None:
    path = place.prefix / script
    data = path.read_bytes()
    body = data.partition(b"' '''\n")[2] if data.startswith(b"#!/bin/sh") else data.partition(b"\n")[2]
    place.write(path, line + body, 0o755)


def _wrapped(place: Place) -> None:
    shutil.move(place.script, place.script.with_name(place.script.name + "-real"))
    place.write(place.script, '#!/bin/sh\nexec "$0-real" "$@"\n', 0o755)


def _repaired(place: Place) -> None:
    place.edit(place.script)
    place.repair(place.script)


def _redirected(place: Place) -> None:
    text = place.script.read_text().splitlines(keepends=True)
    place.write(
        place.script,
        "".join(line.replace("from ", "from evil.") if " import " in line else line for line in text),
        0o755,
    )


def _stray(place: Place) -> None:
    body = "import sys\nfrom evil import main\nif __name__ == '__main__':\n    sys.exit(main())\n"
    place.write(place.prefix / "bin/stray", f"#!{place.prefix}/bin/python\n{body}", 0o755)


def _activate(name: str) -> Attack:
    return Attack(
        f"bin/{name} is edited",
        "ENV203",
        f"bin/{name}",
        OWNERS,
        lambda p: p.edit(p.prefix / "bin" / name, end=b"\necho evil\n"),
        abuses=_ACTIVATE,
    )


SCRIPTS_ROWS = (
    Attack(
        "an entry point's script is edited", "ENV206", "{script}", CONTENTS, lambda p: p.edit(p.script), abuses=_ENTRY
    ),
    Attack("an entry point's script calls another module", "ENV206", "{script}", CONTENTS, _redirected, abuses=_ENTRY),
    Attack(
        "an entry point's script is edited and RECORD repaired",
        "ENV206",
        "{script}",
        CONTENTS,
        _repaired,
        abuses=_ENTRY,
    ),
    Attack(
        "an entry point's script is wrapped",
        "ENV206",
        "{script}",
        CONTENTS,
        _wrapped,
        also=(("ENV203", "{script}-real"), ("ENV207", "{script}")),
        abuses=_ENTRY,
    ),
    Attack(
        "an entry point's script starts another interpreter",
        "ENV207",
        "{script}",
        SCRIPTS,
        lambda p: _starter(p, p.target.script, b"#!/srv/evil/python\n"),
        abuses=_ENTRY,
    ),
    Attack(
        "an entry point's script starts another interpreter by way of a shell",
        "ENV207",
        "{script}",
        SCRIPTS,
        lambda p: _starter(p, p.target.script, b"#!/bin/sh\n'''exec' /srv/evil \"$0\" \"$@\"\n' '''\n"),
        abuses=_ENTRY,
    ),
    Attack(
        "an entry point's script gives its interpreter a module to run first",
        "ENV207",
        "{script}",
        SCRIPTS,
        lambda p: _starter(p, p.target.script, f"#!{p.prefix}/bin/python -mevil\n".encode()),
        abuses=_ENTRY,
    ),
    Attack(
        "an entry point's script is by a link",
        "ENV206",
        "{script}",
        CONTENTS,
        lambda p: p.link(p.script, "/bin/true"),
        also=(("ENV209", "{script}"),),
        follows=(("ENV202", "{script}"),),  # by the reader inside, which does not see what it leads to
        inside=False,
    ),
    Attack(
        "a script cannot be executed",
        "ENV208",
        "{script}",
        SCRIPTS,
        lambda p: p.write(p.script, p.script.read_bytes(), 0o644),
    ),
    Attack("a script of a package is removed", "ENV202", "{script}", CONTENTS, lambda p: p.script.unlink()),
    Attack(
        "a script of a wheel is edited",
        "ENV206",
        "{own_script}",
        CONTENTS,
        lambda p: p.edit(p.own_script),
        also=_LIST,
        blind=_BLIND,
        alone=True,
    ),
    Attack(
        "a script of a wheel starts another interpreter",
        "ENV207",
        "{own_script}",
        SCRIPTS,
        lambda p: _starter(p, p.target.own_script, b"#!/srv/evil/python\n"),
        alone=True,
    ),
    Attack(
        "a program of the system by another of its name (ls)",
        "ENV203",
        "bin/ls",
        OWNERS,
        lambda p: p.write(p.prefix / "bin/ls", "#!/bin/sh\nevil\n", 0o755),
    ),
    Attack(
        "a script that no package brought, as installers write them",
        "ENV203",
        "bin/stray",
        OWNERS,
        _stray,
        abuses=_ENTRY,
    ),
    Attack(
        "a link to a program of the system",
        "ENV209",
        "bin/curl",
        LINKS,
        lambda p: p.link(p.prefix / "bin/curl", "/bin/true"),
    ),
    _activate("activate"),
    _activate("activate.fish"),
)
