"""ENV5xx: base image, OS packages and image configuration. ENV6xx: locked files."""

from __future__ import annotations

from envctl.model.codes.kind import CHANGED, ERROR, NOTE, UNTRUSTED, UNVERIFIABLE, WARNING, WHO, Code

_REBUILD = "Build the image anew: `envctl build TARGET`."

CODES = (
    Code(
        code="ENV501",
        name="base-changed",
        severity=ERROR,
        asks=CHANGED,
        title="The image does not stand on the locked base image",
        meaning=(
            "Its lowest layers are not those of the base that the lockfile pins, so nothing below the environment is"
            " known."
        ),
        action="Build the image from the locked Dockerfile, or lock the base that is meant: see `--upgrade-base`.",
    ),
    Code(
        code="ENV502",
        name="base-file-changed",
        severity=ERROR,
        asks=CHANGED,
        title="A file of the base image from which code is run was changed or deleted",
        meaning=(
            "A layer above the base, or the container itself, replaced or removed a program, a library, a module of the"
            " standard library or a setting of the loader."
        ),
        action=WHO + " " + _REBUILD,
    ),
    Code(
        code="ENV503",
        name="system-file-added",
        severity=ERROR,
        asks=UNTRUSTED,
        title="There is code outside of the environment that neither the base image nor the lockfile brought",
        meaning=(
            "A program, a library, a Python module or a setting of the loader lies where the interpreter or the loader"
            " would take it from."
        ),
        action="Name it in the profile's [image] files, or OS packages; or remove the step that added it.",
    ),
    Code(
        code="ENV504",
        name="image-variable",
        severity=ERROR,
        asks=CHANGED,
        title="A variable of the image is not what the lockfile says",
        meaning=(
            "The lockfile's [image] env, or the base image, gives it another value. One that neither of them knows is a"
            " warning."
        ),
        action=_REBUILD,
    ),
    Code(
        code="ENV505",
        name="image-setting",
        severity=ERROR,
        asks=CHANGED,
        title="The image starts something else, somewhere else or as someone else than the lockfile says",
        meaning=(
            "Command, entrypoint, working folder or user differ from the lockfile's [image], or, where it says nothing,"
            " from the base image: then it is a warning."
        ),
        action=_REBUILD,
    ),
    Code(
        code="ENV506",
        name="platform-other",
        severity=ERROR,
        asks=CHANGED,
        title="The image is for a platform that the target is not locked for",
        meaning="Wheels differ from platform to platform; there is nothing to compare with.",
        action="Add the platform to the profile and lock, or build the image for a locked one.",
    ),
    Code(
        code="ENV507",
        name="os-packages-unlocked",
        severity=WARNING,
        asks=UNVERIFIABLE,
        title="Files of OS packages are vouched for by nothing but the image's own package database",
        meaning=(
            "They came from the OS's archive on the day of the build, or from locked packages whose .deb files could"
            " not be had now. The package database that lists them lies in the same layers."
        ),
        action=(
            "Pin them: `image.snapshot` in the profile names a dated archive. Or use a base image that has the"
            " packages, so that its digest pins them."
        ),
    ),
    Code(
        code="ENV508",
        name="lockfile-other",
        severity=WARNING,
        asks=CHANGED,
        title="The image carries another lockfile than the one that it was compared with",
        meaning="/opt/envctl/pylock.toml differs: the image was built from another state of the lockfile.",
        action="Compare with the lockfile that it was built from, or build it anew.",
    ),
    Code(
        code="ENV509",
        name="readers-disagree",
        severity=ERROR,
        asks=UNTRUSTED,
        title="An interpreter inside sees other files than a look from outside",
        meaning="What runs there hides or invents files: a wrapped interpreter, a preloaded library, a kernel module.",
        action=WHO,
    ),
    Code(
        code="ENV510",
        name="label-other",
        severity=NOTE,
        asks=CHANGED,
        title="A label of the image names another lockfile or environment",
        meaning="Labels are for people and tools; nothing runs differently.",
        action=_REBUILD,
    ),
    Code(
        code="ENV511",
        name="os-package-changed",
        severity=ERROR,
        asks=CHANGED,
        title="A file of a locked OS package is not what the package brings",
        meaning=(
            "The lockfile pins the package by its sha256; in the image the file has another content, leads elsewhere,"
            " or is gone."
        ),
        action=_REBUILD,
    ),
    Code(
        code="ENV601",
        name="locked-file-changed",
        severity=ERROR,
        asks=CHANGED,
        title="A locked file of the image is not the locked one",
        meaning="A file or folder of [image] files with `locked = true` has another content than when it was locked.",
        action="Build from the right file, or lock the new one: `envctl lock TARGET`.",
    ),
    Code(
        code="ENV602",
        name="locked-file-missing",
        severity=ERROR,
        asks=CHANGED,
        title="A locked file is not in the image",
        meaning="[image] files names it with `locked = true`, and nothing is at its place.",
        action=_REBUILD,
    ),
)
