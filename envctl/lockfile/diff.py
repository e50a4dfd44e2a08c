"""What differs between two lockfiles, in terms of what is installed and built: pure.

Addresses of wheels, digests of inputs and the layout of the file are no difference; another wheel of the same version
is one (a rebuild on a mutable index, or another best wheel).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from envctl.lockfile.write import moment
from envctl.model.lockfile import Lockfile, Package, Wheel
from envctl.model.platform import Platform

Selected = Mapping[str, tuple[Package, Wheel]]
T = TypeVar("T")


class Pin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A distribution that came or went. `platforms`: where, unless it is everywhere that both lockfiles cover."""

    name: str
    version: str
    platforms: tuple[str, ...] = ()


class Moved(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A distribution at another version."""

    name: str
    old: str = msgspec.field(name="from")
    new: str = msgspec.field(name="to")
    platforms: tuple[str, ...] = ()


class File(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A wheel by its file name and sha256 (64 hex digits)."""

    wheel: str
    sha256: str


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A distribution of the same version whose wheel is another file or has other bytes."""

    name: str
    version: str
    old: File = msgspec.field(name="from")
    new: File = msgspec.field(name="to")
    platforms: tuple[str, ...] = ()


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One value; None where there was or is none."""

    old: str | None = msgspec.field(name="from")
    new: str | None = msgspec.field(name="to")


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One setting by its key, such as `env.OMP_NUM_THREADS`."""

    key: str
    old: str | None = msgspec.field(name="from")
    new: str | None = msgspec.field(name="to")


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of all wheels of a platform; None where the platform is not locked or an index told no sizes."""

    platform: str
    old: int | None = msgspec.field(name="from")
    new: int | None = msgspec.field(name="to")


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    """The difference. Single values are None where nothing changed; `sizes` lists every platform, changed or not."""

    added: tuple[Pin, ...] = ()
    removed: tuple[Pin, ...] = ()
    changed: tuple[Moved, ...] = ()
    rebuilt: tuple[Rebuilt, ...] = ()
    platforms: Change | None = None
    base: Change | None = None
    python: Change | None = None
    os_packages: tuple[Setting, ...] = ()
    installer: Change | None = None
    cutoff: Change | None = None
    hooks: tuple[Setting, ...] = ()
    files: tuple[Setting, ...] = ()
    image: tuple[Setting, ...] = ()
    settings: tuple[Setting, ...] = ()
    sizes: tuple[Size, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether both lock the same environment and image."""
        return not any(getattr(self, name) for name in self.__struct_fields__ if name != "sizes")


def diff(old: Lockfile, new: Lockfile) -> Diff:
    """Compare two lockfiles; ValueError where one of them does not choose exactly one wheel for each package."""
    before, after = _selected(old), _selected(new)
    common = [name for name in before if name in after] or [""]
    if common == [""]:  # no platform in common: compare what either has at all
        before[""], after[""] = _any(before.values()), _any(after.values())
    pairs = [(name, before[name], after[name]) for name in common]
    a, b = old.envctl, new.envctl
    return Diff(
        added=_everywhere(pairs, _added, Pin),
        removed=_everywhere([(name, y, x) for name, x, y in pairs], _added, Pin),
        changed=_everywhere(pairs, _moved, Moved),
        rebuilt=_everywhere(pairs, _rebuilt, Rebuilt),
        platforms=_change(", ".join(a.platforms), ", ".join(b.platforms)),
        base=_change(_base(old), _base(new)),
        python=_change(_python(old), _python(new)),
        os_packages=_settings(_os_packages(old), _os_packages(new)),
        installer=_change(_installer(old), _installer(new)),
        cutoff=_change(_moment(a.resolver.exclude_newer), _moment(b.resolver.exclude_newer)),
        hooks=_settings({h.path: h.digest for h in a.hooks}, {h.path: h.digest for h in b.hooks}),
        files=_settings({f.target: f.digest for f in a.files}, {f.target: f.digest for f in b.files}),
        image=_settings(_image(old), _image(new)),
        settings=tuple(sorted([*_settings(_other(old), _other(new)), *_lists(old, new)], key=_setting_order)),
        sizes=tuple(
            Size(platform=name, old=_bytes(before.get(name)), new=_bytes(after.get(name)))
            for name in dict.fromkeys([*a.platforms, *b.platforms])
        ),
    )


def _selected(lockfile: Lockfile) -> dict[str, Selected]:
    return {
        name: {package.name: (package, wheel) for package, wheel in lockfile.select(Platform.parse(name))}
        for name in lockfile.envctl.platforms
    }


def _any(platforms: Iterable[Selected]) -> Selected:
    merged: dict[str, tuple[Package, Wheel]] = {}
    for selected in platforms:
        merged = {**selected, **merged}
    return merged


def _everywhere(
    pairs: list[tuple[str, Selected, Selected]],
    find: Callable[[Selected, Selected], Iterable[dict[str, Any]]],
    kind: Callable[..., T],
) -> tuple[T, ...]:
    """Differences by platform, told once; with the platforms where they are not on all."""
    where: dict[str, tuple[dict[str, Any], list[str]]] = {}
    for platform, before, after in pairs:
        for found in find(before, after):
            where.setdefault(repr(found), (found, []))[1].append(platform)
    rows = sorted(where.values(), key=lambda row: (row[0]["name"], row[1]))
    return tuple(kind(**found, platforms=() if len(on) == len(pairs) else tuple(on)) for found, on in rows)


def _added(before: Selected, after: Selected) -> Iterable[dict[str, Any]]:
    for name in after.keys() - before.keys():
        yield {"name": name, "version": after[name][0].version}


def _moved(before: Selected, after: Selected) -> Iterable[dict[str, Any]]:
    for name in after.keys() & before.keys():
        old, new = before[name][0].version, after[name][0].version
        if old != new:
            yield {"name": name, "old": old, "new": new}


def _rebuilt(before: Selected, after: Selected) -> Iterable[dict[str, Any]]:
    for name in after.keys() & before.keys():
        (old, was), (new, now) = before[name], after[name]
        if old.version == new.version and was.hashes.get("sha256") != now.hashes.get("sha256"):
            files = {"old": _file(was), "new": _file(now)}
            yield {"name": name, "version": new.version, **files}


def _file(wheel: Wheel) -> File:
    return File(wheel=wheel.name, sha256=wheel.hashes.get("sha256", ""))


def _change(old: str | None, new: str | None) -> Change | None:
    return None if old == new else Change(old=old, new=new)


def _settings(old: Mapping[str, str | None], new: Mapping[str, str | None]) -> tuple[Setting, ...]:
    return tuple(
        Setting(key=key, old=old.get(key), new=new.get(key))
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    )


def _base(lockfile: Lockfile) -> str | None:
    image = lockfile.envctl.image
    if image is None:
        return None
    digests = {name: pin.base_digest for name, pin in lockfile.envctl.platforms.items() if pin.base_digest}
    if "@" in image.base or not digests:
        return image.base
    if len(set(digests.values())) == 1:
        return f"{image.base}@{next(iter(digests.values()))}"
    return f"{image.base} ({', '.join(f'{name} {digest}' for name, digest in digests.items())})"


def _python(lockfile: Lockfile) -> str:
    python = lockfile.envctl.python
    builds = "".join(f", {name} sha256:{build.sha256}" for name, build in python.builds.items())
    return f"{python.implementation} {python.version}" + (f" ({python.source}{builds})" if python.source else "")


def _installer(lockfile: Lockfile) -> str | None:
    installer = lockfile.envctl.installer
    return None if installer is None else f"{installer.name} {installer.version}"


def _moment(value: datetime | None) -> str | None:
    return None if value is None else moment(value)


def _os_packages(lockfile: Lockfile) -> dict[str, str | None]:
    """Name -> version: what the image asks for, and where they are pinned the pins."""
    image, pinned = lockfile.envctl.image, lockfile.envctl.os_packages
    found: dict[str, str | None] = {}
    for text in image.packages if image else ():
        name, _, version = text.partition("=")
        found[name] = version or "any version"
    if pinned is not None:
        found |= {f"{row.name}:{row.arch}": row.version for row in pinned.packages}
        found["snapshot"] = pinned.snapshot if isinstance(pinned.snapshot, str) else ", ".join(pinned.snapshot)
    return found


def _image(lockfile: Lockfile) -> dict[str, str | None]:
    image = lockfile.envctl.image
    if image is None:
        return {}
    table = msgspec.to_builtins(image)
    for key in ("base", "packages"):
        table.pop(key, None)
    return _flat(table, deep=("env",))


def _other(lockfile: Lockfile) -> dict[str, str | None]:
    """What of `[tool.envctl]` decides an environment or its verification and is told nowhere else."""
    envctl = lockfile.envctl
    table = {
        "cuda": envctl.cuda,
        "libc": {name: pin.libc for name, pin in envctl.platforms.items()},
        "indexes": {index.name: index.url for index in envctl.indexes},
        "resolver": envctl.resolver.name,
        "commands": envctl.commands,
        "policy": envctl.policy,
        "project": envctl.project,
    }
    return _flat(msgspec.to_builtins(table), deep=("libc", "indexes", "commands", "policy", "project"))


def _lists(old: Lockfile, new: Lockfile) -> Iterable[Setting]:
    """One row for each entry of a list that came or went."""
    for key in ("requirements", "constraints", "overrides", "exclude"):
        before, after = set(getattr(old.envctl, key)), set(getattr(new.envctl, key))
        yield from (Setting(key=key, old=entry, new=None) for entry in sorted(before - after))
        yield from (Setting(key=key, old=None, new=entry) for entry in sorted(after - before))


def _setting_order(setting: Setting) -> tuple[str, str, str]:
    return setting.key, setting.old or "", setting.new or ""


def _flat(table: Mapping[str, Any], *, deep: tuple[str, ...]) -> dict[str, str | None]:
    flat: dict[str, str | None] = {}
    for key, value in table.items():
        if key in deep and isinstance(value, Mapping):
            flat |= {f"{key}.{inner}": _text(item) for inner, item in value.items()}
        else:
            flat[key] = _text(value)
    return flat


def _text(value: Any) -> str | None:
    if value is None or value in ((), [], {}):
        return None
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _bytes(selected: Selected | None) -> int | None:
    if selected is None:
        return None
    sizes = [wheel.size for _, wheel in selected.values()]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None
