"""uv as a program: where it is, and an environment in which the machine's settings do not reach it."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterable
from pathlib import Path

from envctl.errors import ToolFailed

# Variables that only say where interpreters are kept and fetched from.
PYTHON_SOURCES = (
    "UV_PYTHON_INSTALL_DIR",
    "UV_PYTHON_INSTALL_MIRROR",
    "UV_PYTHON_DOWNLOADS_JSON_URL",
    "UV_PYTHON_CACHE_DIR",
)
# What other installers and interpreters listen to, and what would name an environment of the caller.
_FOREIGN = ("PIP_", "UV_", "PYTHON", "VIRTUAL_ENV", "CONDA_", "__PYVENV_LAUNCHER__", "LD_PRELOAD", "DYLD_")
_NETWORK = ("UV_SYSTEM_CERTS", "UV_NATIVE_TLS", "UV_HTTP_TIMEOUT", "UV_HTTP_RETRIES", "UV_KEYRING_PROVIDER")


_lock = threading.Lock()


def binary() -> Path:
    """The uv that was installed with envctl; ToolFailed when it is missing."""
    with _lock:  # sysconfig, which uv's search asks, is not safe to be initialised by two threads
        return _binary()


@functools.cache
def _binary() -> Path:
    try:
        from uv import find_uv_bin

        return Path(find_uv_bin())
    except (FileNotFoundError, ImportError) as error:
        raise ToolFailed(
            "uv is missing", found=str(error), hint="reinstall envctl-ml: uv is one of its dependencies"
        ) from error


def clean_environment(*, keep: Iterable[str] = ()) -> dict[str, str]:
    """The caller's environment without what would sway uv, pip or an interpreter; proxies and certificates stay.

    Args:
        keep: names that stay nevertheless.
    """
    kept = {*keep, *_NETWORK}
    return {name: value for name, value in os.environ.items() if name in kept or not name.upper().startswith(_FOREIGN)}
