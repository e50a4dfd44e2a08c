"""The user's own configuration, `envctl/config.toml` (docs/reference/environment.md). It is in no lockfile."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
import tomli

from envctl.errors import InvalidFile
from envctl.system.files import read_text

TABLES = ("registries", "signatures")
_LIMIT = 2**20
_Table = TypeVar("_Table")


def config_home(environ: Mapping[str, str]) -> Path | None:
    """The folder of users' configurations: XDG_CONFIG_HOME where it is absolute, else ~/.config; None without HOME."""
    base = environ.get("XDG_CONFIG_HOME")
    if base and Path(base).is_absolute():
        return Path(base)
    home = environ.get("HOME")
    return Path(home, ".config") if home else None


def user_table(
    name: str, kind: type[_Table], *, expected: str, environ: Mapping[str, str] | None = None
) -> tuple[Path | None, _Table | None]:
    """The configuration's place, and one of its tables; None where there is none.

    Args:
        name: one of `TABLES`.
        expected: what the table holds, for messages.

    Raises:
        InvalidFile: it is malformed; with file and key.
    """
    home = config_home(os.environ if environ is None else environ)
    if home is None:
        return None, None
    place = home / "envctl" / "config.toml"
    try:
        document = tomli.loads(read_text(place, limit=_LIMIT))
    except FileNotFoundError:
        return place, None
    except tomli.TOMLDecodeError as error:
        raise InvalidFile("is not TOML", file=place, line=error.lineno, found=error.msg) from error
    except (ValueError, RecursionError) as error:
        raise InvalidFile("is not TOML", file=place, found=str(error)[:200]) from error
    for key in document:
        if key not in TABLES:
            raise InvalidFile(
                "is malformed", file=place, found=f"the unknown key {key[:80]!r}", expected=f"[{'], ['.join(TABLES)}]"
            )
    if name not in document:
        return place, None
    try:
        return place, msgspec.convert(document[name], kind)
    except msgspec.ValidationError as error:
        raise InvalidFile("is malformed", file=place, key=name, found=str(error)[:200], expected=expected) from error
