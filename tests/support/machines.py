"""Machines that are not here: trees of /proc, /sys and /etc, and an nvidia-smi, made of recordings.

The recordings follow NVIDIA's public documentation and reports of users; they are shortened to what a person would
recognise them by.
"""

from __future__ import annotations

import shlex
from pathlib import Path

RECORDINGS = Path(__file__).parent / "recordings"


def recording(name: str) -> str:
    """The text of a recording."""
    return (RECORDINGS / name).read_text("utf-8")


class Machine:
    """A folder that stands for a machine's root, and the nvidia-smi that it may have."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.root.mkdir()
        self.smi = folder / "bin" / "nvidia-smi"
        self.put("proc/version", "Linux version 6.1.0-30-amd64 (debian-kernel@lists.debian.org)\n")

    def put(self, path: str, text: str) -> Machine:
        """Write a file below the root."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")
        return self

    def driver(self, name: str) -> Machine:
        """The kernel's module."""
        return self.put("proc/driver/nvidia/version", recording(name))

    def card(self, slot: str = "0000:01:00.0", vendor: str = "0x10de", kind: str = "0x030000") -> Machine:
        """A device on the PCI bus."""
        self.put(f"sys/bus/pci/devices/{slot}/vendor", f"{vendor}\n")
        return self.put(f"sys/bus/pci/devices/{slot}/class", f"{kind}\n")

    def tool(self, said: str, capabilities: str = "", *, status: int = 0, query_status: int = 0) -> Machine:
        """An nvidia-smi that says so, whether asked by `-q -x` or for compute capabilities."""
        self.smi.parent.mkdir(exist_ok=True)
        self.smi.write_text(
            "#!/bin/sh\n"
            'case "$*" in\n'
            f'"-q -x") printf %s {shlex.quote(said)}; exit {status};;\n'
            f'"--query-gpu=compute_cap --format=csv,noheader") printf %s {shlex.quote(capabilities)};'
            f" exit {query_status};;\n"
            "esac\n"
            "exit 64\n"
        )
        self.smi.chmod(0o755)
        return self
