"""A profile as a file that a person can read on from: a schema line, the keys that are set, comments that teach."""

from __future__ import annotations

import json
from collections.abc import Sequence

from envctl.adopt.adopted import Adopted

SCHEMA_LINE = "#:schema ./envctl.schema.json"
_BASE = (
    "python:3.11.9-slim-bookworm@sha256:8fb099199b9f2d70342674bd9dbccd3ed03a258f26bbd1d556822c6dfc60c317"  # a real one
)


def profile_text(name: str, python: str, why: str, adopted: Adopted | None = None) -> str:
    """The text of a new profile. `why` says where the Python version comes from."""
    source = adopted or Adopted(source="")
    blocks = [_head(name, source), _python(python, why), _asked(source)]
    if source.indexes:
        blocks.append(_resolver(source))
    if source.left:
        blocks.append(_left(source))
    blocks.append(_image(python))
    blocks.append(_VARIANTS)
    return "\n\n".join(blocks) + "\n"


def _head(name: str, source: Adopted) -> str:
    made = f", made from {source.source}" if source.source else ""
    return (
        f"{SCHEMA_LINE}\n"
        f"# The environment {_plain(name)}{_plain(made)}.\n"
        f"# `envctl lock {name}` pins it in profiles/locked; commit both.\n"
        f"# `envctl profile {name}` shows what it comes to. Other profiles build on it with extends = [{_toml(name)}]."
    )


def _python(python: str, why: str) -> str:
    return (
        f"python = {_toml(python)}  # {_plain(why)}; X.Y or X.Y.Z, and the lockfile pins X.Y.Z\n"
        'platforms = ["linux/amd64"]  # and "linux/arm64", to lock for both in one file'
    )


def _asked(source: Adopted) -> str:
    lines = []
    if source.requirements:
        lines.append("# Read each time: these files stay the place where you ask for packages.")
        lines.append(f"requirements = {_list(source.requirements)}")
    if source.project is not None:
        extras = f", extras = {_list(source.extras)}" if source.extras else ""
        editable = "" if source.editable else ", editable = false"
        lines.append("# Your own package, and what its pyproject.toml asks for.")
        lines.append(f"project = {{ path = {_toml(source.project)}{extras}{editable} }}")
    if source.dependencies:
        lines.append("# What you import. The lockfile pins it, and everything that it needs.")
        lines.append(f"dependencies = {_long(source.dependencies)}")
    if not lines:
        lines += [
            "# What you import, as loosely as you can answer for. The lockfile pins it, and everything that it needs.",
            "dependencies = [",
            '    # "numpy>=2",',
            '    # "scikit-learn",',
            "]",
            '# Or read what you have: requirements = ["requirements.in", "pyproject.toml#serve"]',
        ]
    if source.constraints:
        lines.append("# These only narrow what something else asks for.")
        lines.append(f"constraints = {_long(source.constraints)}")
    return "\n".join(lines)


def _resolver(source: Adopted) -> str:
    lines = ["[resolver]", "# With packages, those come from that index and from nowhere else.", "index = ["]
    for index in source.indexes:
        packages = f", packages = {_list(index.packages)}" if index.packages else ""
        newer = "" if index.exclude_newer is True else ", exclude-newer = false"
        lines.append(f"    {{ name = {_toml(index.name)}, url = {_toml(index.url)}{packages}{newer} }},")
    return "\n".join([*lines, "]"])


def _left(source: Adopted) -> str:
    lines = ["# Not taken over:"]
    for left in source.left:
        lines.append(f"#   {_plain(left.place)}: {_plain(left.line)}")
        lines.append(f"#     {_plain(left.why)}")
    return "\n".join(lines)


def _image(python: str) -> str:
    exact = "" if python == "3.11.9" else ' (this one: python = "3.11.9")'
    return (
        "# With this table, `envctl lock` writes a Dockerfile too. The digest pins the base image; python is then the\n"
        f"# version in it{exact}. `docker buildx imagetools inspect IMAGE` tells an image's digest.\n"
        "# [image]\n"
        f'# base = "{_BASE}"\n'
        "# user = 10001\n"
        '# command = ["python", "-m", "train"]'
    )


_VARIANTS = (
    "# Variants share everything above, and pins wherever both allow it.\n"
    "# [variants.cpu]\n"
    "# [variants.cuda]\n"
    '# dependencies = ["xgboost"]'
)


def _toml(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _list(values: Sequence[str]) -> str:
    return "[" + ", ".join(_toml(value) for value in values) + "]"


def _long(values: Sequence[str]) -> str:
    return "[\n" + "".join(f"    {_toml(value)},\n" for value in values) + "]"


def _plain(text: str) -> str:
    """Text for a comment: one line, nothing that cannot be seen."""
    return "".join(char if char.isprintable() else "?" for char in text)
