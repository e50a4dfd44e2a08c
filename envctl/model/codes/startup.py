"""ENV4xx: code that runs by itself, and bytecode."""

from __future__ import annotations

from envctl.model.codes.kind import ERROR, RESTORE, UNTRUSTED, WARNING, WHO, Code

CODES = (
    Code(
        code="ENV401",
        name="startup-hook-added",
        severity=ERROR,
        asks=UNTRUSTED,
        title="Code runs at every start of Python, and nothing that is locked brought it",
        meaning=(
            "A .pth file, sitecustomize or usercustomize in the site directory runs before any program, or adds a"
            " place to import from. This one belongs to no locked wheel. It is how malware stays in an"
            " environment."
        ),
        action="Read it without running Python there. " + WHO + " " + RESTORE,
    ),
    Code(
        code="ENV402",
        name="startup-hook-unlisted",
        severity=ERROR,
        asks=UNTRUSTED,
        title="A wheel's startup hook is not among those that the lockfile allows",
        meaning=(
            "The file is the wheel's own, but [tool.envctl] of the lockfile does not record it, or the policy"
            " forbids it."
        ),
        action="Review the file. `startup-hooks` in the profile's [policy] allows it, with the next lock.",
    ),
    Code(
        code="ENV403",
        name="bytecode-foreign",
        severity=ERROR,
        asks=UNTRUSTED,
        title="Bytecode is not what its source compiles to",
        meaning=(
            "The .pyc was compiled again from the source beside it and is another program. Python would run the"
            " .pyc and never look at the source. Other tools' caches, such as those of pytest, are also such"
            " bytecode."
        ),
        action=WHO + " Then remove the file: Python writes it anew.",
    ),
    Code(
        code="ENV404",
        name="bytecode-unchecked",
        severity=ERROR,
        asks=UNTRUSTED,
        title="Bytecode says that Python shall not compare it with its source",
        meaning=(
            "It is an unchecked hash-based .pyc (PEP 552). It equals its source now; after any change of the"
            " source Python would still run the old code."
        ),
        action="Compile with `--invalidation-mode checked-hash` or `timestamp`, or remove the file.",
    ),
    Code(
        code="ENV405",
        name="bytecode-sourceless",
        severity=ERROR,
        asks=UNTRUSTED,
        title="Bytecode without a source",
        meaning="There is no source that the .pyc could be compared with, and it is no locked wheel's.",
        action=WHO + " Then remove the file.",
    ),
    Code(
        code="ENV406",
        name="bytecode-other-python",
        severity=WARNING,
        asks=UNTRUSTED,
        title="Bytecode for another Python than this environment's",
        meaning="Its name says another version, so this interpreter never loads it. Some wheels ship such files.",
        action="Remove the files, if you like.",
    ),
    Code(
        code="ENV407",
        name="editable-hook",
        severity=ERROR,
        asks=UNTRUSTED,
        title="The project's editable install uses code that envctl does not know",
        meaning=(
            "An editable install needs one .pth file with the folder of the sources. This one runs code at every"
            " start of Python, and its text is not that of a known build backend."
        ),
        action=(
            "Let the build backend write plain paths: for setuptools a `src` layout, or `--config-settings"
            " editable_mode=compat`."
        ),
    ),
)
