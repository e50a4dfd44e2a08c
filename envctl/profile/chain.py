"""The files that make a target: `extends` followed depth first, then one variant of each file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from envctl.errors import InvalidFile, UsageError
from envctl.model.target import NAME, PROFILES
from envctl.profile.merge import Layer, Node, layer, merge
from envctl.profile.shape import check_file
from envctl.profile.show import did_you_mean, show
from envctl.profile.source import Source, parse_toml, read_toml

_OWN = frozenset({"extends", "variants", "default-variant"})
_DEEPEST = 50
_INIT = "`envctl init` writes a first one"


class Chain(msgspec.Struct, frozen=True):
    """A profile's files in the order of merging, parents first, and its variants."""

    name: str
    files: tuple[Source, ...]
    plain: tuple[Layer, ...]
    variants: dict[str, tuple[Layer, ...]]
    default: Node | None

    def merged(self, variant: str | None) -> Node:
        """The tree of one target."""
        root = Node({}, self.files[-1].file)
        for part in (*self.plain, *(self.variants[variant] if variant else ())):
            root = merge(root, part)
        return root

    @property
    def concrete(self) -> bool:
        """Whether it says `python` anywhere; one that does not is only there to be extended."""
        parts = [*self.plain, *(part for parts in self.variants.values() for part in parts)]
        return any("python" in part.root.value for part in parts)


class Profiles:
    """The profile files of a project folder. Each is read and checked once; `unwritten` are texts not yet on disk."""

    def __init__(self, project: Path, unwritten: Mapping[str, str] | None = None) -> None:
        self.project = project
        self._unwritten = unwritten or {}
        self._read: dict[str, Source] = {}

    def names(self) -> tuple[str, ...]:
        """The names of all profiles, sorted.

        Raises:
            UsageError: there is none.
            InvalidFile: a file's name is no profile's name.
        """
        folder = self.project / PROFILES
        files = sorted(path for path in folder.glob("*.toml") if not path.name.startswith("."))
        for path in files:
            if not NAME.fullmatch(path.stem):
                raise InvalidFile(
                    "is not the name of a profile",
                    file=_safe_name(path.name),
                    expected="lower-case letters, digits, '_' and '-', beginning with a letter or digit, and .toml",
                    hint="rename it, or move it out of the folder",
                )
        if not files:
            raise UsageError(f"there is no profile in {PROFILES}", expected=f"{PROFILES}/NAME.toml", hint=_INIT)
        return tuple(path.stem for path in files)

    def chain(self, name: str) -> Chain:
        """The chain of one profile.

        Raises:
            UsageError: there is no such profile.
            InvalidFile: a file of the chain is invalid, or the chain has a cycle or a missing parent.
        """
        files: list[Source] = []
        self._follow(name, (), files)
        variants: dict[str, list[Layer]] = {}
        default: Node | None = None
        plain = []
        for source in files:
            data = source.data
            part = layer({key: value for key, value in data.items() if key not in _OWN}, (), source)
            plain.append(part)
            for variant, table in data.get("variants", {}).items():
                variants.setdefault(variant, []).append(layer(table, ("variants", variant), source))
            if "default-variant" in data:
                default = Node(data["default-variant"], source.file, source.line(("default-variant",)))
        done = {variant: tuple(layers) for variant, layers in variants.items()}
        if default is not None and default.value not in done:
            raise InvalidFile(
                "default-variant names no variant",
                file=default.file,
                line=default.line,
                key="default-variant",
                found=show(default.value),
                expected=f"one of {', '.join(done)}" if done else "a [variants.NAME] table",
                hint=did_you_mean(str(default.value), done),
            )
        return Chain(name, tuple(files), tuple(plain), done, default)

    def _follow(self, name: str, above: tuple[str, ...], files: list[Source]) -> None:
        source = self._source(name)
        if len(above) > _DEEPEST:
            raise source.error(f"more than {_DEEPEST} profiles extend each other", ("extends",))
        for index, parent in enumerate(source.data.get("extends", [])):
            chain = (*above, name)
            if parent in chain:
                raise source.error(
                    "profiles extend each other",
                    ("extends", index),
                    found=parent,
                    details=[" -> ".join([*chain[chain.index(parent) :], parent])],
                )
            try:
                self._follow(parent, chain, files)
            except FileNotFoundError as error:
                known = [known for known in self.names() if known != name]
                raise source.error(
                    f"extends names a profile that does not exist ({' -> '.join([*chain, parent])})",
                    ("extends", index),
                    found=parent,
                    expected=f"a file {PROFILES / parent}.toml",
                    hint=did_you_mean(parent, known),
                ) from error
        if all(known.file != source.file for known in files):
            files.append(source)

    def _source(self, name: str) -> Source:
        if name not in self._read:
            shown = PROFILES / f"{name}.toml"
            text = self._unwritten.get(name)
            place = self.project / shown
            if text is None and place.is_symlink() and not place.exists():
                raise InvalidFile("is a link to nothing", file=shown)
            source = read_toml(place, str(shown)) if text is None else parse_toml(text, str(shown))
            check_file(source)
            self._read[name] = source
        return self._read[name]

    def existing(self, name: str) -> Chain:
        """The chain of a profile that a user named; UsageError with the nearest name where there is none."""
        try:
            return self.chain(name)
        except FileNotFoundError as error:
            known = self.names()
            raise UsageError(
                f"there is no profile {name}",
                expected=f"one of {', '.join(known)}",
                hint=did_you_mean(name, known, f"`envctl init {name}` writes one"),
            ) from error


def _safe_name(name: str) -> str:
    return f"{PROFILES}/" + show(name).strip('"')
