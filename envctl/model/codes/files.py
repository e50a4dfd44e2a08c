"""ENV2xx: files."""

from __future__ import annotations

from envctl.model.codes.kind import CHANGED, ERROR, RESTORE, UNTRUSTED, WARNING, WHO, Code

CODES = (
    Code(
        code="ENV201",
        name="file-changed",
        severity=ERROR,
        asks=CHANGED,
        title="A file differs from the wheel's",
        meaning=(
            "The sha256 of the file is not the one that the locked wheel has for it. Where the message says that"
            " RECORD was made to agree, whoever changed the file also changed the environment's own list of"
            " digests, which no tool does by accident."
        ),
        action=WHO + " " + RESTORE,
    ),
    Code(
        code="ENV202",
        name="file-removed",
        severity=ERROR,
        asks=CHANGED,
        title="A file of a locked wheel is missing",
        meaning="Installing the wheel creates this file, and it is not there.",
        action=RESTORE,
    ),
    Code(
        code="ENV203",
        name="file-added",
        severity=ERROR,
        asks=UNTRUSTED,
        title="A file belongs to nothing that is locked",
        meaning=(
            "No locked wheel, and no installer or maker of virtual environments that this version knows, writes this"
            " file. It can be imported, or run, or shadow another module. An activation script is named where it was"
            " edited, or where the virtualenv or uv that wrote it is newer than this version of envctl."
        ),
        action=(
            "Remove it, or name its folder in `writable` of the profile's [policy] where programs write data there"
            " (never code, never configuration). " + RESTORE
        ),
    ),
    Code(
        code="ENV204",
        name="record-changed",
        severity=ERROR,
        asks=CHANGED,
        title="The RECORD of a package is missing, or says something else than the wheel's",
        meaning=(
            "RECORD lists what an installed package consists of. This one is gone, is no RECORD, or its digests"
            " are not those of the locked wheel. Uninstalling would then leave files behind, or remove others."
        ),
        action=WHO + " " + RESTORE,
    ),
    Code(
        code="ENV205",
        name="package-contents",
        severity=ERROR,
        asks=CHANGED,
        title="The files of a package differ from the locked wheel's",
        meaning=(
            "The content digest of what is installed is not the locked one. Which file it is cannot be said,"
            " because the package's RECORD was changed too and no manifest of the wheel is at hand."
        ),
        action=(
            "Run `envctl verify` again with the network, after `envctl fetch TARGET DIR`, or on the machine that"
            " locked: then the files are named. " + RESTORE
        ),
    ),
    Code(
        code="ENV206",
        name="script-changed",
        severity=ERROR,
        asks=CHANGED,
        title="A script is not what its wheel and a known installer make",
        meaning=(
            "The script is one that the wheel asks for, but its text is neither the wheel's nor the whole text"
            " that pip, uv or another known installer writes for that entry point."
        ),
        action=WHO + " " + RESTORE,
    ),
    Code(
        code="ENV207",
        name="script-interpreter",
        severity=ERROR,
        asks=CHANGED,
        title="A script starts another interpreter than this environment's",
        meaning=(
            "Its first line names another program. The environment was moved or copied from another place, or the"
            " line was edited. The rest of the text is right."
        ),
        action="Make the environment at the place where it is used: `envctl sync TARGET --venv DIR`.",
    ),
    Code(
        code="ENV208",
        name="script-not-executable",
        severity=ERROR,
        asks=CHANGED,
        title="A script cannot be executed",
        meaning=(
            "The file is a script by its first line, and its owner may not execute it. For a script that installers"
            " make of an entry point that is an error: they set the bit. For a script that lies in the wheel it is a"
            " warning: pip leaves it as the wheel's archive has it."
        ),
        action="`chmod +x` on it, or " + RESTORE,
    ),
    Code(
        code="ENV209",
        name="link-outside",
        severity=ERROR,
        asks=UNTRUSTED,
        title="A link leads to where nothing is verified",
        meaning=(
            "Wheels hold no symbolic links, so no installer makes this one. What is behind it can change without"
            " any change in the environment."
        ),
        action=RESTORE,
    ),
    Code(
        code="ENV210",
        name="link-mode",
        severity=WARNING,
        asks=UNTRUSTED,
        title="Files of a package are links to equal files elsewhere",
        meaning=(
            "The installer was told to link files instead of copying them (`uv --link-mode symlink`). What they"
            " lead to now equals the locked wheel, but whoever may write there changes this environment too."
        ),
        action="Install with `--link-mode copy` or `hardlink`; `envctl sync TARGET` does.",
    ),
    Code(
        code="ENV211",
        name="world-writable",
        severity=ERROR,
        asks=UNTRUSTED,
        title="Anyone on the machine may change a file or folder",
        meaning=(
            "Its permissions let every user write. What is verified now can be another thing the next moment. In an"
            " image this is looked at wherever code is loaded from."
        ),
        action="`chmod -R o-w` on the environment, and a umask such as 022 or 027 where environments are made.",
    ),
    Code(
        code="ENV212",
        name="setuid",
        severity=ERROR,
        asks=UNTRUSTED,
        title="A file runs with its owner's or group's rights",
        meaning=(
            "The setuid or setgid bit is set. Neither wheels nor installers set it. In an image every file above the"
            " base is looked at."
        ),
        action=WHO + " " + RESTORE,
    ),
    Code(
        code="ENV213",
        name="special-file",
        severity=ERROR,
        asks=UNTRUSTED,
        title="There is a pipe, socket or device in the environment",
        meaning="Wheels hold regular files only, so something else made it. It cannot be hashed.",
        action="Remove it.",
    ),
    Code(
        code="ENV214",
        name="mount",
        severity=WARNING,
        asks=UNTRUSTED,
        title="Another file system is mounted over what was verified",
        meaning=(
            "It is mounted inside of the environment, or, in a container, over any place from which code is loaded. In"
            " another container or after a restart another thing may be there. In a container this is an error; only"
            " what NVIDIA's container toolkit mounts, a mounted working folder, and mounts over folders that"
            " `writable` of [policy] names are warnings."
        ),
        action="Mount data outside of the environment, and of the places of programs and libraries.",
    ),
)
