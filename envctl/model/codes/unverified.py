"""ENV9xx: what could not be verified."""

from __future__ import annotations

from envctl.model.codes.kind import ERROR, UNVERIFIABLE, WARNING, Code

CODES = (
    Code(
        code="ENV901",
        name="unreadable",
        severity=ERROR,
        asks=UNVERIFIABLE,
        title="A file or folder could not be read",
        meaning="Permissions, a fault of the disk, or a program that writes to it while it is read.",
        action="Run `envctl verify` as a user who may read the whole environment, when nothing writes to it.",
    ),
    Code(
        code="ENV902",
        name="bytecode-unverified",
        severity=ERROR,
        asks=UNVERIFIABLE,
        title="Bytecode could not be compared with its source",
        meaning=(
            "There is no trusted interpreter of this Python version to compile the sources again, or comparing"
            " did not end well."
        ),
        action="Run envctl with the same X.Y of Python, or remove the bytecode: `find DIR -name '*.pyc' -delete`.",
    ),
    Code(
        code="ENV903",
        name="python-unknown",
        severity=ERROR,
        asks=UNVERIFIABLE,
        title="The version of the interpreter could not be found out",
        meaning=(
            "Nothing says it, or the base interpreter could not be asked (it does not start, or others may write it)."
        ),
        action="See whether the interpreter that pyvenv.cfg names in `home` starts.",
    ),
    Code(
        code="ENV904",
        name="base-unverified",
        severity=ERROR,
        asks=UNVERIFIABLE,
        title="What the base image holds could not be found out",
        meaning=(
            "The lockfile pins the base by its digest; neither the lockfile, nor the cache, nor its registry, nor the"
            " engine said which layers that is. So nothing outside of the environment could be compared."
        ),
        action="Verify once with the base's registry in reach; what it says is kept.",
    ),
    Code(
        code="ENV905",
        name="interpreter-unverified",
        severity=ERROR,
        asks=UNVERIFIABLE,
        title="The standalone Python in the image could not be compared with the locked build",
        meaning="Its archive, pinned by its digest, was not at hand: in no fetched folder, and not at its address.",
        action="Verify with `--from DIR`, a folder that `envctl fetch` filled, or without `--offline`.",
    ),
    Code(
        code="ENV906",
        name="processes-unread",
        severity=WARNING,
        asks=UNVERIFIABLE,
        title="The variables of the container's processes could not be read",
        meaning="Only the configuration of the container was compared: a process may have been started with others.",
        action="Run envctl as root on the engine's machine.",
    ),
)
