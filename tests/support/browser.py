"""A real browser without a screen: Debian's Chromium, extracted from its packages; nothing is installed.

It lies in `.build/browser`, comes from the release that this machine is, and is driven by Playwright, whose own
downloads of browsers are not used. Only its libraries come with it: the C library is the machine's.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from support.engine import machine, packages
from support.engine.place import Place, Unavailable

WORK = Path(__file__).resolve().parents[2] / ".build" / "browser"
PACKAGES = ("chromium-headless-shell", "fonts-dejavu-core")
# What its packages ask for and a browser without a screen never loads; and what has to be the machine's own.
LEFT_OUT = (
    "libc6",
    "gcc-",
    "libllvm",
    "libz3-",
    "libgl1-mesa-dri",
    "mesa-",
    "xkb-data",
    "x11-",
    "xdg-utils",
    "debconf",
)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{fonts}</dir><cachedir>{cache}</cachedir></fontconfig>
"""


@contextlib.contextmanager
def browser(work: Path = WORK) -> Iterator[Browser]:
    """A running browser with a profile of its own that ends with it; Unavailable where this machine can have none."""
    place = Place(work)
    program = _program(place)
    libraries = [str(folder) for folder in place.root.glob("usr/lib/*-linux-gnu")]
    libraries += [f"{folder}/pulseaudio" for folder in libraries]
    libraries += [str(folder) for folder in place.root.glob("lib/*-linux-gnu")]
    fonts = place.work / "fonts.conf"
    fonts.write_text(_FONTS.format(fonts=place.root / "usr/share/fonts", cache=place.work / "fonts"))
    env = {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries), "FONTCONFIG_FILE": str(fonts)}
    with sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=program, args=list(FLAGS), env=env)
        try:
            yield launched
        finally:
            launched.close()


def _program(place: Place) -> Path:
    """The browser, fetched where it is not there yet."""
    program = place.root / "usr/lib/chromium/chromium-headless-shell"
    done = place.work / "done"
    machine.find_tools()
    with place.locked():
        if done.is_file() and done.read_text() == _recipe() and program.is_file():
            return program
        machine.check_makes_images()
        place.make()
        folder = place.work / "debs"
        for old in (folder, place.root):
            shutil.rmtree(old, ignore_errors=True)
        packages.fetch_with_needs(place, machine.own_release(), PACKAGES, LEFT_OUT, folder)
        place.root.mkdir()
        packages.extract(place, folder, place.root)
        shutil.rmtree(folder)
        shutil.rmtree(place.work / "apt")
        if not program.is_file():
            raise Unavailable(f"{machine.own_release()}'s {PACKAGES[0]} has no {program.relative_to(place.root)}")
        done.write_text(_recipe())
    return program


def _recipe() -> str:
    return " ".join((machine.own_release(), *PACKAGES, *LEFT_OUT))
