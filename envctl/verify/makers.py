"""What makers of virtual environments write besides links and pyvenv.cfg: activation scripts and small notes.

A file is a maker's when its whole text is: the template's fixed parts have one known digest, and what stands between
them are this environment's own values. Templates are known in two ways: `templates.json` (uv, virtualenv and venv in
many versions; tests/support/templates.py adds those of new ones), and the `venv` module of the base interpreter.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from functools import cache

import msgspec

from envctl.model.inventory import Kind
from envctl.system.sources import own_file
from envctl.verify.world import BASE, NOBODY, World

OWNER = "-environment"  # owns what belongs to the environment itself; no distribution has that name
_TOKEN = re.compile(rb"__VENV_(DIR|NAME|PROMPT|BIN_NAME|PYTHON)__")
_VENV = {b"DIR": "dir", b"NAME": "name", b"PROMPT": "prompt", b"BIN_NAME": "bin", b"PYTHON": "python"}
_SAFE = re.compile(r"[\w .:@%+,=()\[\]/~-]*")
_RELOCATABLE = (
    '\'"$(dirname -- "$(dirname -- "$(realpath -- "$SCRIPT_PATH")")")"\'',
    '\'"$(dirname -- "$(CDPATH= cd -- "$(dirname -- ${SCRIPT_PATH})" && echo "$PWD")")"\'',
    "%~dp0..",
    "'(dirname -- (dirname -- (realpath -- (status -f))))'",
    "'(dirname -- (cd (dirname -- (status -f)); and pwd))'",
    "(path self | path dirname | path dirname)",
)


class Template(msgspec.Struct, frozen=True):
    """A text with holes: lengths of the fixed parts, what stands between them, sha256 (hex) of the parts joined."""

    lengths: tuple[int, ...]
    holes: tuple[str, ...]
    sha256: str

    @classmethod
    def of(cls, parts: list[bytes], holes: list[str]) -> Template:
        """Make one of its fixed parts, one more than there are holes."""
        return cls(tuple(map(len, parts)), tuple(holes), hashlib.sha256(b"".join(parts)).hexdigest())

    def matches(self, text: bytes, values: Mapping[str, tuple[bytes, ...]]) -> bool:
        """Whether the text is the template with each hole filled by one of its values, the same one everywhere."""
        return any(
            hashlib.sha256(b"".join(fixed)).hexdigest() == self.sha256
            for fixed in self._readings(text, values, 0, 0, {})
        )

    def _readings(
        self, text: bytes, values: Mapping[str, tuple[bytes, ...]], at: int, part: int, chosen: Mapping[str, bytes]
    ) -> Iterator[list[bytes]]:
        """The fixed parts from `part` on, for every way to fill the holes between them."""
        end = at + self.lengths[part]
        if part == len(self.holes):
            if end == len(text):
                yield [text[at:end]]
            return
        hole = self.holes[part]
        for value in (chosen[hole],) if hole in chosen else values.get(hole, ()):
            if text.startswith(value, end):
                for rest in self._readings(text, values, end + len(value), part + 1, {**chosen, hole: value}):
                    yield [text[at:end], *rest]


@cache
def known() -> dict[str, tuple[Template, ...]]:
    """The templates that ship with envctl, by path relative to the prefix (`site/…` for the site directory)."""
    data = json.loads(own_file("envctl.verify", "templates.json"))
    return {
        path: tuple(Template(tuple(lengths), tuple(holes), digest) for lengths, holes, digest in templates)
        for path, templates in data.items()
    }


def from_venv(text: bytes) -> Template:
    """The template that a file of the standard library's `venv/scripts` is."""
    parts, holes, position = [], [], 0
    for match in _TOKEN.finditer(text):
        parts.append(text[position : match.start()])
        holes.append(_VENV[match[1]])
        position = match.end()
    return Template.of([*parts, text[position:]], holes)


def own(world: World) -> None:
    """Own every file that a known maker wrote."""
    values = _values(world)
    templates = known()
    for path in _candidates(world, templates):
        entry, text = world.entry(path), world.inventory.texts.get(path)
        if entry is None or entry.kind is not Kind.FILE or path in world.owners:
            continue
        name = "site/" + path.removeprefix(world.site) if path.startswith(world.site) else path
        choices = list(templates.get(name, ()))
        own_template = world.inventory.interpreter.activators.get(path.removeprefix("bin/"))
        if own_template is not None and path.startswith("bin/"):
            choices.append(from_venv(own_template))
        for template in choices:
            if text is None:
                if not template.holes and template.sha256 == entry.sha256:
                    world.own(path, OWNER)
            elif template.matches(text, {**values, **_tcl(template, text)}):
                world.own(path, OWNER)


def _candidates(world: World, templates: Mapping[str, object]) -> Iterator[str]:
    names = set(templates) | {f"bin/{name}" for name in world.inventory.interpreter.activators}
    for name in sorted(names):
        yield world.site + name.removeprefix("site/") if name.startswith("site/") else name


def _values(world: World) -> dict[str, tuple[bytes, ...]]:
    minor = world.inventory.interpreter.minor or (3, 0)
    prompts = {"", *(prefix.rpartition("/")[2] for prefix in world.prefixes)}
    said = world.inventory.config.get("prompt")
    if said is not None:
        prompts |= {said, said.strip("'\"")}
        if said == ".":
            prompts |= {prefix.rstrip("/").rpartition("/")[0].rpartition("/")[2] for prefix in world.prefixes}
    prompts |= {f"({prompt}) " for prompt in prompts if prompt}
    library = f"../lib/python{minor[0]}.{minor[1]}/site-packages"
    folders = {library, f"{library}:{library.replace('lib/', 'lib64/')}"}
    prefixes = {prefix for prefix in world.prefixes if "\n" not in prefix}
    return {
        "dir": _spellings(prefixes, any_text=True) + tuple(text.encode() for text in _RELOCATABLE),
        "prompt": _spellings(prompts),
        "prompt2": _spellings(prompts),
        "name": _spellings(prompts),
        "bin": _spellings({"bin"}),
        "pkg": _spellings({f"{prefix}/lib/pkgconfig" for prefix in prefixes}, any_text=True),
        "deactivate": _spellings({f"{prefix}/bin/deactivate.nu" for prefix in prefixes}, any_text=True),
        "sep": _spellings({":"}),
        "site": _spellings(folders),
        "decode": _spellings({"", "yes"}),
        "python": _spellings({f"{prefix}/bin/python{end}" for prefix in prefixes for end in ("", "3")}, any_text=True),
    }


def _spellings(texts: set[str], *, any_text: bool = False) -> tuple[bytes, ...]:
    """How makers write values into scripts. Unquoted only where no shell takes them for more than text."""
    found: dict[str, None] = {}
    for text in sorted(texts):
        found[shlex.quote(text)] = None
        if any_text or _SAFE.fullmatch(text):
            escaped = text.replace("'", "'\"'\"'")
            for form in (text, escaped, f"'{text}'", f'"{text}"', f"'{escaped}'", f"r#'{text}'#"):
                found[form] = None
            found[f'b"{text}".decode("utf-8")'] = None
    return tuple(form.encode("utf-8", "surrogateescape") for form in found)


def _tcl(template: Template, text: bytes) -> dict[str, tuple[bytes, ...]]:
    """virtualenv names the interpreter's Tcl and Tk libraries: empty, or where systems keep libraries."""
    found: dict[str, tuple[bytes, ...]] = {}
    for hole in ("tcl", "tk"):
        if hole in template.holes:
            places = re.finditer(rb"/(?:usr|opt)/[\w./+-]*/" + hole.encode() + rb"\d\.\d", text)
            found[hole] = _spellings({"", *(place[0].decode() for place in places if b".." not in place[0])})
    return found


def package_of(owner: str | None) -> str | None:
    """The package that an owner in `World.owners` is; None for what no package brought."""
    return None if owner in (None, OWNER, NOBODY, BASE) else owner
