"""ENV1xx: the set of packages."""

from __future__ import annotations

from envctl.model.codes.kind import CHANGED, ERROR, RESTORE, UNTRUSTED, WARNING, Code

CODES = (
    Code(
        code="ENV101",
        name="package-missing",
        severity=ERROR,
        asks=CHANGED,
        title="A locked package is not installed",
        meaning="The lockfile names the package for this platform, and the environment has no .dist-info of it.",
        action=RESTORE,
    ),
    Code(
        code="ENV102",
        name="package-extra",
        severity=ERROR,
        asks=UNTRUSTED,
        title="A package is installed that is not locked",
        meaning=(
            "The lockfile does not name the package. Somebody installed it by hand, or the tool that made the"
            " environment seeded it with pip, setuptools or wheel from the network: nothing vouches for those. Its"
            " files are counted here once, and not one by one."
        ),
        action=(
            "Where it is needed, add it to `dependencies` of the profile and lock again. Where not: "
            + RESTORE
            + " Make environments without seeds: `uv venv`, `python -m venv --without-pip`, `virtualenv --no-seed`."
        ),
    ),
    Code(
        code="ENV103",
        name="package-version",
        severity=ERROR,
        asks=CHANGED,
        title="A locked package is installed in another version",
        meaning="The .dist-info of the package names another version than the lockfile.",
        action="Where the other version is wanted, change the profile and lock again. Where not: " + RESTORE,
    ),
    Code(
        code="ENV104",
        name="package-duplicate",
        severity=ERROR,
        asks=UNTRUSTED,
        title="One package is installed twice",
        meaning=(
            "There are two .dist-info (or .egg-info) of one name. Which version is imported and which metadata"
            " programs see is then a matter of luck; a second one can also be a disguise."
        ),
        action=RESTORE,
    ),
    Code(
        code="ENV105",
        name="package-seeded",
        severity=WARNING,
        asks=UNTRUSTED,
        title="The environment was seeded with the interpreter's own pip or setuptools",
        meaning=(
            "`python -m venv` installs pip (before Python 3.12 setuptools too) from wheels that the interpreter"
            " carries. All its files equal those of that wheel. It is not locked, so it is as trustworthy as the"
            " interpreter."
        ),
        action=(
            "Nothing, or make environments with `--without-pip`. `allow-seed = true` in the profile's [policy]"
            " accepts it without a word."
        ),
    ),
    Code(
        code="ENV106",
        name="package-editable",
        severity=ERROR,
        asks=UNTRUSTED,
        title="A package claims to be installed from a local folder",
        meaning=(
            "Its direct_url.json says that it is an editable install. The code then lies outside of the"
            " environment and is no locked wheel's. Only the profile's own `project` may be installed so, from its"
            " own folder."
        ),
        action="Install the locked wheel again (`envctl sync TARGET`), or make it the `project` of the profile.",
    ),
    Code(
        code="ENV107",
        name="project-missing",
        severity=WARNING,
        asks=CHANGED,
        title="The team's own package is not installed",
        meaning="The profile has a `project`, which is no part of the lockfile's packages; the environment lacks it.",
        action="`envctl sync TARGET` installs it, editable.",
    ),
    Code(
        code="ENV108",
        name="project-copied",
        severity=WARNING,
        asks=UNTRUSTED,
        title="The team's own package is installed as a copy that is not verified",
        meaning=(
            "The profile says that `project` is not editable. Its files were built from the project and are not locked."
        ),
        action="Nothing, or install it editable; an image has it as a wheel.",
    ),
)
