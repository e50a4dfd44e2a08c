"""Whether the servers answer that a target's wheels and base image come from."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from envctl.doctor.check import Check, ok, skipped, warning


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A server that was asked for one locked thing, and why it did not give it (None: it would)."""

    server: str
    failure: str | None = None
    hint: str | None = None


def reach(name: str, asked: Sequence[Asked], why_not: str) -> Check:
    """The check of one kind of server; nothing that is fetched or cached already depends on it.

    Args:
        why_not: why nothing was asked, where nothing was.
    """
    if not asked:
        return skipped(name, why_not)
    wrong = [item for item in asked if item.failure is not None]
    if not wrong:
        return ok(name, f"{', '.join(item.server for item in asked)} {'answers' if len(asked) == 1 else 'answer'}")
    first, *rest = [f"{item.server}: {item.failure}" for item in wrong]
    return warning(name, first, *rest, hint=wrong[0].hint or "`envctl fetch` elsewhere, then `--from` here")
