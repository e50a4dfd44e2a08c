"""Which index a distribution belongs to. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import msgspec

from envctl.errors import InvalidFile
from envctl.model.names import normalise
from envctl.model.profile import Index

_GLOB = frozenset("*?[")


class Bindings(msgspec.Struct, frozen=True):
    """The indexes that packages are bound to, and the one that replaces the default index.

    Exact names go before globs; among each, the first index of the list wins.
    """

    bound: tuple[Index, ...]
    unbound: Index | None = None

    @classmethod
    def of(cls, indexes: Sequence[Index]) -> Bindings:
        """Sort the profile's indexes; InvalidFile when two would replace the default index."""
        unbound = [index for index in indexes if not index.packages]
        if len(unbound) > 1:
            names = " and ".join(repr(index.name) for index in unbound)
            raise InvalidFile(
                f"the indexes {names} both replace the default index",
                key="resolver.index",
                expected="at most one index without `packages`",
                hint="bind one of them to what it is for, such as packages = ['acme-*']",
            )
        return cls(tuple(index for index in indexes if index.packages), unbound[0] if unbound else None)

    def owner(self, name: str) -> Index | None:
        """The index that the distribution is bound to, None for the default index."""
        name = normalise(name)
        for exact in (True, False):
            for index in self.bound:
                if any(_matches(name, pattern) for pattern in index.packages if _exact(pattern) is exact):
                    return index
        return None


def _exact(pattern: str) -> bool:
    return _GLOB.isdisjoint(pattern)


def _matches(name: str, pattern: str) -> bool:
    # Inside brackets a hyphen is a range; everything else of a pattern is compared as names are.
    if "[" in pattern:
        return fnmatchcase(name, pattern.lower())
    return fnmatchcase(name, normalise(pattern))
