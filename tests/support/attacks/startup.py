"""Attacks by code that runs at every start of Python, or that stands where Python looks when it starts."""

from __future__ import annotations

import os
import zipfile

from .row import HOOKS, IMAGE, OWNERS, VENV, Attack, Place


def _site_hook(name: str, text: bytes | str, what: str, says: str = "") -> Attack:
    return Attack(
        what, "ENV401", f"{{site}}/{name}", HOOKS, lambda p: p.write(p.site / name, text), says=says or "every start"
    )


def _added(name: str, what: str, text: bytes | str = "evil", mode: int = 0o644) -> Attack:
    def deed(place: Place) -> None:
        place.write(place.prefix / name.format(**place.target.fields()), text, mode)

    return Attack(what, "ENV203", name, OWNERS, deed)


def _config(place: Place) -> None:
    place.write(place.prefix / "bin" / "pyvenv.cfg", "home = /usr/bin\n")


def _archive(place: Place) -> None:
    with zipfile.ZipFile(place.prefix / "lib" / place.target.fields()["zip"], "w") as archive:
        archive.writestr("re.py", "evil")


def _compiled_hook(place: Place) -> None:
    source = place.write(place.outside / f"evil{os.getpid()}.py", "evil = 1\n")
    place.compile(None, at=place.site / "sitecustomize.pyc", source=source)


STARTUP = (
    _site_hook("zz_boot.pth", "import os; os.getcwd()\n", "a .pth file with code", "import os; os.getcwd()"),
    _site_hook("aa.pth", "/srv/elsewhere\n", "a .pth file with a place to import from", "adds a place"),
    _site_hook("zipped.pth", "/srv/elsewhere.zip\n", "a .pth file with a zip file to import from", "adds a place"),
    _site_hook("bom.pth", b"\xef\xbb\xbfimport os\n", "a .pth file that begins with a byte order mark"),
    _site_hook(".hidden.pth", "import os\n", "a hidden .pth file", "import os"),
    _site_hook("tab.pth", "# comment\n\nimport\tos\n", "a .pth file with code behind comments and a tab"),
    _site_hook("empty.pth", "", "an empty .pth file, to be filled later"),
    _site_hook("sitecustomize.py", "evil()\n", "sitecustomize"),
    _site_hook("usercustomize.py", "evil()\n", "usercustomize"),
    _site_hook("usercustomize/__init__.py", "evil()\n", "usercustomize as a package"),
    _site_hook("sitecustomize.abi3.so", b"\x7fELF", "sitecustomize as an extension module"),
    Attack("sitecustomize as bytecode", "ENV401", "{site}/sitecustomize.pyc", HOOKS, _compiled_hook),
    Attack(
        "a locked wheel's own startup hook is edited",
        "ENV402",
        "{hook}",
        HOOKS,
        lambda p: p.edit(p.hook, end=b"import os\n"),
        also=(("ENV201", "{hook}"),),
    ),
    _added("{site}/encodings/__init__.py", "a module of the standard library in the site directory (encodings)"),
    _added("lib/{python}/os.py", "a standard library in the environment, found by its os.py"),
    _added("lib/{python}/lib-dynload/_json.so", "a lib-dynload in the environment"),
    Attack("a zip file where Python looks for its standard library", "ENV203", "lib/{zip}", OWNERS, _archive),
    Attack(
        "pyvenv.cfg beside the interpreter, which Python reads first",
        "ENV203",
        "bin/pyvenv.cfg",
        OWNERS,
        _config,
        where=(VENV,),
        group="bin/pyvenv.cfg",
    ),
    Attack(
        "pyvenv.cfg beside the interpreter of an image",
        "ENV310",
        None,
        "compare.absent",
        _config,
        says="has no place for packages",
        where=(IMAGE,),
        group="bin/pyvenv.cfg",
        follows=(("ENV311", None), ("ENV504", "PATH")),
    ),
    _added("bin/python3._pth", "a ._pth file beside the interpreter", "/srv\n"),
    _added("bin/pybuilddir.txt", "pybuilddir.txt beside the interpreter, as in a build of Python", "/srv\n"),
    _added("lib64x/evil.py", "a new folder under the prefix"),
    _added(
        "share/jupyter/kernels/python3/kernel.json",
        "a kernelspec, which says what Jupyter starts",
        '{"argv": ["evil"]}',
    ),
    _added("etc/jupyter/jupyter_server_config.py", "configuration of Jupyter, which is code"),
    _added("etc/ipython/startup/00-evil.py", "a startup file of IPython"),
    _added("share/fish/vendor_conf.d/evil.fish", "a startup file of a shell"),
)
