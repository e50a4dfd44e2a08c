"""Questions to a resolver, short to write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envctl.model.platform import Libc, Platform
from envctl.model.profile import Requirement
from envctl.resolve.interface import Question, Resolution


def question(*requirements: str, **changes: Any) -> Question:
    """A question of the profile `profiles/base.toml`, whose dependencies stand on lines 10, 11, …"""
    values: dict[str, Any] = {
        "label": "train:cpu for linux/amd64",
        "python": "3.11.9",
        "platform": "linux/amd64",
        "libc": "glibc 2.28",
        "requirements": required("dependencies", *requirements),
        **changes,
    }
    values["platform"] = Platform.parse(values["platform"])
    values["libc"] = Libc.parse(values["libc"])
    return Question(**values)


def required(key: str, *texts: str, line: int = 10) -> tuple[Requirement, ...]:
    """Requirements of `profiles/base.toml`, one a line."""
    return tuple(
        Requirement(text=text, file="profiles/base.toml", line=line + number, key=f"{key}[{number}]")
        for number, text in enumerate(texts)
    )


def pins(resolution: Resolution) -> dict[str, str]:
    """Name -> version."""
    return {pin.name: pin.version for pin in resolution.pins}


def sources(resolution: Resolution) -> dict[str, str | None]:
    """Name -> the bound index that it came from."""
    return {pin.name: pin.index for pin in resolution.pins}


def machine(folder: Path, **more: str) -> Mapping[str, str]:
    """The environment of a machine that nobody has configured: a home and a cache of its own."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    return {"HOME": str(home), "UV_CACHE_DIR": str(folder / "uv-cache"), "UV_HTTP_RETRIES": "0", **more}
