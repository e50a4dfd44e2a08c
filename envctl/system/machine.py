"""The machine that envctl runs on."""

from __future__ import annotations

import platform as _platform
import sys

from envctl.errors import UsageError
from envctl.model.platform import Platform

_ARCHES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def host() -> Platform:
    """The platform of this machine; UsageError when it is none that envctl knows."""
    os = "darwin" if sys.platform == "darwin" else "linux" if sys.platform.startswith("linux") else sys.platform
    arch = _ARCHES.get(_platform.machine().lower())
    try:
        return Platform.parse(f"{os}/{arch}")
    except ValueError as error:
        raise UsageError(
            f"this machine ({os} {_platform.machine()}) is no platform of envctl", hint=str(error)
        ) from error
