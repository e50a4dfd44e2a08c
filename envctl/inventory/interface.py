"""The seam of reading: one environment, wherever it lies, becomes one inventory. An adapter is one file behind this."""

from __future__ import annotations

from typing import Protocol

from envctl.model.inventory import Inventory


class Source(Protocol):
    """An adapter."""

    def take(self) -> Inventory:
        """Read everything.

        What cannot be read is in `Inventory.problems`.

        Raises:
            UsageError: there is no environment at all.
        """
        ...
