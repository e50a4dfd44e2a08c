"""How each key merges (docs/reference/profile.md, "Merging"). Everything that is special about a key stands here.

Keys are spelled generically: `resolver.index[].url` is the url of any index, `image.env{}` any value of that table.
"""

from __future__ import annotations

from envctl.model.names import normalise, requirement_name

# Argument vectors are one value each, and replaced as a whole.
VECTORS = frozenset({"image.command", "image.snapshot", "commands{}"})
# Lists of tables: an entry with the name of an inherited one replaces it in place.
KEYED = {"resolver.index": "name", "image.files": "target"}
# Lists of PEP 508 requirements: "!NAME" removes every inherited entry of that distribution.
REQUIREMENTS = frozenset({"dependencies", "constraints", "resolver.overrides"})
# Lists of distribution names, compared as PEP 503 does.
DISTRIBUTIONS = frozenset({"resolver.exclude", "resolver.sdists", "image.provides"})


def distribution(requirement: str) -> str:
    """The normalised name at the start of a PEP 508 requirement; the text itself where none is there."""
    return requirement_name(requirement) or requirement


def identity(generic: str, entry: object) -> object:
    """What two entries of a list have in common when "!NAME" removes one of them."""
    if isinstance(entry, str) and generic in REQUIREMENTS:
        return distribution(entry)
    if isinstance(entry, str) and generic in DISTRIBUTIONS:
        return normalise(entry)
    return entry


def removal(generic: str, entry: object) -> str | None:
    """The name after "!" where an entry takes an inherited one away. Lists inside list entries are never merged."""
    if generic in VECTORS or "[]" in generic or not isinstance(entry, str) or not entry.startswith("!"):
        return None
    return entry[1:]
