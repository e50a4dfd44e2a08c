"""Every code of a finding: what it means and what to do. Codes are stable for ever; docs/findings/ is made from here.

ENV1xx the set of packages, ENV2xx files, ENV3xx the interpreter and its configuration, ENV4xx code that runs by itself
and bytecode, ENV5xx base image, OS packages and image configuration, ENV6xx locked files, ENV9xx could not be verified.
"""

from __future__ import annotations

import msgspec

from envctl.model.finding import Finding, Severity, Verdict

_ERROR, _WARNING, _NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE
_CHANGED, _UNTRUSTED, _UNVERIFIABLE = Verdict.CHANGED, Verdict.UNTRUSTED, Verdict.UNVERIFIABLE


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of finding.

    Attributes:
        asks: the verdict it asks for where it counts (errors always, warnings with --strict, notes never).
        title: one line; `meaning`: what was found, and what it can come from; `action`: what to do.
    """

    code: str
    name: str
    severity: Severity
    asks: Verdict
    title: str
    meaning: str
    action: str

    def finding(
        self,
        message: str,
        *,
        package: str | None = None,
        path: str | None = None,
        expected: str | None = None,
        found: str | None = None,
    ) -> Finding:
        """A finding of this kind."""
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=message,
            package=package,
            path=path,
            expected=expected,
            found=found,
        )


_RESTORE = "`envctl sync TARGET` makes the environment exact again; `envctl build TARGET` makes a new image."
_WHO = "Before that, find out who or what did it: an update by hand, a debugging session, a faulty disk, or an attack."

_CODES = (
    Code(
        code="ENV101",
        name="package-missing",
        severity=_ERROR,
        asks=_CHANGED,
        title="A locked package is not installed",
        meaning="The lockfile names the package for this platform, and the environment has no .dist-info of it.",
        action=_RESTORE,
    ),
    Code(
        code="ENV102",
        name="package-extra",
        severity=_ERROR,
        asks=_UNTRUSTED,
        title="A package is installed that is not locked",
        meaning=(
            "The lockfile does not name the package. Somebody installed it by hand, or the tool that made the environment"
            " seeded it with pip, setuptools or wheel from the network: nothing vouches for those. Its files are"
            " counted here once, and not one by one."
        ),
        action=(
            "Where it is needed, add it to `dependencies` of the profile and lock again. Where not: "
            + _RESTORE
            + " Make"
            " environments without seeds: `uv venv`, `python -m venv --without-pip`, `virtualenv --no-seed`."
        ),
    ),
    Code(
        code="ENV103",
        name="package-version",
        severity=_ERROR,
        asks=_CHANGED,
        title="A locked package is installed in another version",
        meaning="The .dist-info of the package names another version than the lockfile.",
        action="Where the other version is wanted, change the profile and lock again. Where not: " + _RESTORE,
    ),
    Code(
        code="ENV104",
        name="package-duplicate",
        severity=_ERROR,
        asks=_UNTRUSTED,
        title="One package is installed twice",
        meaning=(
            "There are two .dist-info (or .egg-info) of one name. Which version is imported and which metadata"
            " programs see is then a matter of luck; a second one can also be a disguise."
        ),
        action=_RESTORE,
    ),
    Code(
        code="ENV105",
        name="package-seeded",
        severity=_WARNING,
        asks=_UNTRUSTED,
        title="The environment was seeded with the interpreter's own pip or setuptools",
        meaning=(
            "`python -m venv` installs pip (before Python 3.12 setuptools too) from wheels that the interpreter carries."
            " All its files equal those of that wheel. It is not locked, so it is as trustworthy as the interpreter."
        ),
        action=(
            "Nothing, or make environments with `--without-pip`. `allow-seed = true` in the profile's [policy] accepts it"
            " without a word."
        ),
    ),
    Code(
        code="ENV106",
        name="package-editable",
        severity=_ERROR,
        asks=_UNTRUSTED,
        title="A package claims to be installed from a local folder",
        meaning=(
            "Its direct_url.json says that it is an editable install. The code then lies outside of the environment and"
            " is no locked wheel's. Only the profile's own `project` may be installed so, from its own folder."
        ),
        action="Install the locked wheel again (`envctl sync TARGET`), or make it the `project` of the profile.",
    ),
    Code(
        code="ENV107",
        name="project-missing",
        severity=_WARNING,
        asks=_CHANGED,
        title="The team's own package is not installed",
        meaning="The profile has a `project`, which is no part of the lockfile's packages; the environment lacks it.",
        action="`envctl sync TARGET` installs it, editable.",
    ),
    Code(
        code="ENV108",
        name="project-copied",
        severity=_WARNING,
        asks=_UNTRUSTED,
        title="The team's own package is installed as a copy that is not verified",
        meaning="The profile says that `project` is not editable. Its files were built from the project and are not locked.",
        action="Nothing, or install it editable; an image has it as a wheel.",
    ),
    Code(
        code="ENV201",
        name="file-changed",
        severity=_ERROR,
        asks=_CHANGED,
        title="A file differs from the wheel's",
        meaning=(
            "The sha256 of the file is not the one that the locked wheel has for it. Where the message says that RECORD was"
            " made to agree, whoever changed the file also changed the environment's own list of digests, which no"
            " tool does by accident."
        ),
        action=_WHO + " " + _RESTORE,
    ),
    Code(
        code="ENV202",
        name="file-removed",
        severity=_ERROR,
        asks=_CHANGED,
        title="A file of a locked wheel is missing",
        meaning="Installing the wheel creates this file, and it is not there.",
        action=_RESTORE,
    ),
    Code(
        code="ENV203",
        name="file-added",
        severity=_ERROR,
        asks=_UNTRUSTED,
        title="A file belongs to nothing that is locked",
        meaning=(
            "No locked wheel, no installer and no maker of virtual environments writes this file. It can be imported, or"
            " run, or shadow another module."
        ),
        action=(
            "Remove it, or name its folder in `writable` of the profile's [policy] where programs write data there (never"
            " code, never configuration). " + _RESTORE
        ),
    ),
    Code(
        code="ENV204",
        name="record-changed",
        severity=_ERROR,
        asks=_CHANGED,
        title="The RECORD of a package is missing, or says something else than the wheel's",
        meaning=(
            "RECORD lists what an installed package consists of. This one is gone, is no RECORD, or its digests are not"
            " those of the locked wheel. Uninstalling would then leave files behind, or remove others."
        ),
        action=_WHO + " " + _RESTORE,
    ),
    Code(
        code="ENV205",
        name="package-contents",
        severity=_ERROR,
        asks=_CHANGED,
        title="The files of a package differ from the locked wheel's",
        meaning=(
            "The content digest of what is installed is not the locked one. Which file it is cannot be said, because the"
            " package's RECORD was changed too and no manifest of the wheel is at hand."
        ),
        action=(
            "Run `envctl verify` again with the network, after `envctl fetch TARGET DIR`, or on the machine that locked: then"
            " the files are named. " + _RESTORE
        ),
    ),
    Code(
        code="ENV206",
        name="script-changed",
        severity=_ERROR,
        asks=_CHANGED,
        title="A script is not what its wheel and a known installer make",
        meaning=(
            "The script is one that the wheel asks for, but its text is neither the wheel's nor the whole text that pip, uv or"
            " another known installer writes for that entry point."
        ),
        action=_WHO + " " + _RESTORE,
    ),
    Code(
        code="ENV207",
        name="script-interpreter",
        severity=_ERROR,
        asks=_CHANGED,
        title="A script starts another interpreter than this environment's",
        meaning=(
            "Its first line names another program. The environment was moved or copied from another place, or the line was"
            " edited. The rest of the text is right."
        ),
        action="Make the environment at the place where it is used: `envctl sync TARGET --venv DIR`.",
    ),
    Code(
        code="ENV208",
        name="script-not-executable",
        severity=_WARNING,
        asks=_CHANGED,
        title="A script cannot be executed",
        meaning="The file is a script by its first line, and its owner may not execute it.",
        action="`chmod +x` on it, or " + _RESTORE,
    ),
    Code(
        code="ENV209",
        name="link-outside",
        severity=_ERROR,
        asks=_UNTRUSTED,
        title="A link leads to where nothing is verified",
        meaning=(
            "Wheels hold no symbolic links, so no installer makes this one. What is behind it can change without any"
            " change in the environment."
        ),
        action=_RESTORE,
    ),
    Code(
        code="ENV210",
        name="link-mode",
        severity=_WARNING,
        asks=_UNTRUSTED,
        title="Files of a package are links to equal files elsewhere",
        meaning=(
            "The installer was told to link files instead of copying them (`uv --link-mode symlink`). What they lead to now"
            " equals the locked wheel, but whoever may write there changes this environment too."
        ),
        action="Install with `--link-mode copy` or `hardlink`; `envctl sync TARGET` does.",
    ),
    Code(
        code="ENV211",
        name="world-writable",
        severity=_ERROR,
        asks=_UNTRUSTED,
        title="Anyone on the machine may change a file or folder",
        meaning="Its permissions let every user write. What is verified now can be another thing the next moment.",
        action="`chmod -R o-w` on the environment, and a umask such as 022 or 027 where environments are made.",
    ),
    Code(
        code="ENV212",
        name="setuid",
        severity=_ERROR,
        asks=_UNTRUSTED,
        title="A file runs with its owner's or group's rights",
        meaning="The setuid or setgid bit is set. Neither wheels nor installers set it.",
        action=_WHO + " " + _RESTORE,
    ),
    Code(
        code="ENV213",
        name="special-file",
        severity=_ERROR,
        asks=_UNTRUSTED,
        title="There is a pipe, socket or device in the environment",
        meaning="Wheels hold regular files only, so something else made it. It cannot be hashed.",
        action="Remove it.",
    ),
    Code(
        code="ENV214",
        name="mount",
        severity=_WARNING,
        asks=_UNTRUSTED,
        title="Another file system is mounted inside of the environment",
        meaning="What was verified is what is mounted now. In another container or after a restart another thing may be there.",
        action="Mount data outside of the environment.",
    ),
    Code(
        code="ENV301",
        name="python-minor",
        severity=_ERROR,
        asks=_CHANGED,
        title="The interpreter is another Python than the locked one",
        meaning="Its X.Y differs. Wheels are locked for one X.Y, and bytecode and the import path depend on it.",
        action="Make the environment anew with the locked Python: `envctl sync TARGET`.",
    ),
    Code(
        code="ENV302",
        name="python-patch",
        severity=_WARNING,
        asks=_CHANGED,
        title="The interpreter is another patch release than the locked one",
        meaning="X.Y agrees, Z does not. In a virtual environment this is a warning; in an image it is an error.",
        action="Install the locked release of Python (`uv python install X.Y.Z`) and `envctl sync TARGET`, or lock another.",
    ),
    Code(
        code="ENV303",
        name="python-implementation",
        severity=_ERROR,
        asks=_CHANGED,
        title="The interpreter is another implementation than the locked one",
        meaning="The lockfile is for CPython; the environment's interpreter says that it is another.",
        action="Make the environment anew with CPython: `envctl sync TARGET`.",
    ),
    Code(
        code="ENV304",
        name="config-changed",
        severity=_ERROR,
        asks=_CHANGED,
        title="pyvenv.cfg is not what a maker of virtual environments writes",
        meaning=(
            "It is unreadable, names a key twice, has no absolute `home`, or its `home` holds no interpreter. Python takes from"
            " it where the standard library is."
        ),
        action=_WHO + " " + _RESTORE,
    ),
    Code(
        code="ENV305",
        name="system-site-packages",
        severity=_ERROR,
        asks=_UNTRUSTED,
        title="The environment also imports what is installed outside of it",
        meaning="`include-system-site-packages` is true: the base interpreter's packages can be imported, and none is locked.",
        action="Set it to false in pyvenv.cfg, or make the environment without `--system-site-packages`.",
    ),
    Code(
        code="ENV306",
        name="config-key",
        severity=_NOTE,
        asks=_CHANGED,
        title="pyvenv.cfg has a key that envctl does not know",
        meaning="Python does not read it. A newer maker of virtual environments may have written it.",
        action="Nothing.",
    ),
    Code(
        code="ENV307",
        name="interpreter-changed",
        severity=_ERROR,
        asks=_UNTRUSTED,
        title="The environment starts another interpreter than the one it was made with",
        meaning=(
            "`bin/python` is neither a link to an interpreter in the `home` that pyvenv.cfg names, nor a copy of one. What it"
            " runs is unknown."
        ),
        action=_WHO + " " + _RESTORE,
    ),
    Code(
        code="ENV308",
        name="import-variable",
        severity=_ERROR,
        asks=_UNTRUSTED,
        title="A variable of this process changes what is imported or loaded",
        meaning=(
            "PYTHONPATH and PYTHONHOME put other code before the environment's; LD_PRELOAD and its like load a library into"
            " every program. Python started from here does not run the locked code alone. envctl itself ignores them."
        ),
        action="Unset it, and look for where it is set (shell profile, CI settings, .env files).",
    ),
    Code(
        code="ENV309",
        name="library-variable",
        severity=_WARNING,
        asks=_UNTRUSTED,
        title="A variable of this process can change which libraries or bytecode are loaded",
        meaning=(
            "LD_LIBRARY_PATH puts other shared libraries before those of the system, and before those of wheels that rely on"
            " the loader's path. PYTHONPYCACHEPREFIX makes Python read bytecode from a place that is not verified."
        ),
        action="Unset it where it is not needed; common on clusters, where modules set it.",
    ),
    Code(
        code="ENV401",
        name="startup-hook-added",
        severity=_ERROR,
        asks=_UNTRUSTED,
        title="Code runs at every start of Python, and nothing that is locked brought it",
        meaning=(
            "A .pth file, sitecustomize or usercustomize in the site directory runs before any program, or adds a place to"
            " import from. This one belongs to no locked wheel. It is how malware stays in an environment."
        ),
        action="Read it without running Python there. " + _WHO + " " + _RESTORE,
    ),
    Code(
        code="ENV402",
        name="startup-hook-unlisted",
        severity=_ERROR,
        asks=_UNTRUSTED,
        title="A wheel's startup hook is not among those that the lockfile allows",
        meaning="The file is the wheel's own, but [tool.envctl] of the lockfile does not record it, or the policy forbids it.",
        action="Review the file. `startup-hooks` in the profile's [policy] allows it, with the next lock.",
    ),
    Code(
        code="ENV403",
        name="bytecode-foreign",
        severity=_ERROR,
        asks=_UNTRUSTED,
        title="Bytecode is not what its source compiles to",
        meaning=(
            "The .pyc was compiled again from the source beside it and is another program. Python would run the .pyc and never"
            " look at the source. Other tools' caches, such as those of pytest, are also such bytecode."
        ),
        action="Remove the file: Python writes it anew. " + _WHO,
    ),
    Code(
        code="ENV404",
        name="bytecode-unchecked",
        severity=_ERROR,
        asks=_UNTRUSTED,
        title="Bytecode says that Python shall not compare it with its source",
        meaning=(
            "It is an unchecked hash-based .pyc (PEP 552). It equals its source now; after any change of the source Python would"
            " still run the old code."
        ),
        action="Compile with `--invalidation-mode checked-hash` or `timestamp`, or remove the file.",
    ),
    Code(
        code="ENV405",
        name="bytecode-sourceless",
        severity=_ERROR,
        asks=_UNTRUSTED,
        title="Bytecode without a source",
        meaning="There is no source that the .pyc could be compared with, and it is no locked wheel's.",
        action="Remove the file. " + _WHO,
    ),
    Code(
        code="ENV406",
        name="bytecode-other-python",
        severity=_WARNING,
        asks=_UNTRUSTED,
        title="Bytecode for another Python than this environment's",
        meaning="Its name says another version, so this interpreter never loads it. Some wheels ship such files.",
        action="Remove the files, if you like.",
    ),
    Code(
        code="ENV407",
        name="editable-hook",
        severity=_ERROR,
        asks=_UNTRUSTED,
        title="The project's editable install uses code that envctl does not know",
        meaning=(
            "An editable install needs one .pth file with the folder of the sources. This one runs code at every start of"
            " Python, and its text is not that of a known build backend."
        ),
        action=(
            "Let the build backend write plain paths: for setuptools a `src` layout, or"
            " `--config-settings editable_mode=compat`."
        ),
    ),
    Code(
        code="ENV901",
        name="unreadable",
        severity=_ERROR,
        asks=_UNVERIFIABLE,
        title="A file or folder could not be read",
        meaning="Permissions, a fault of the disk, or a program that writes to it while it is read.",
        action="Run `envctl verify` as a user who may read the whole environment, when nothing writes to it.",
    ),
    Code(
        code="ENV902",
        name="bytecode-unverified",
        severity=_ERROR,
        asks=_UNVERIFIABLE,
        title="Bytecode could not be compared with its source",
        meaning=(
            "There is no trusted interpreter of this Python version to compile the sources again, or comparing did not end"
            " well."
        ),
        action="Run envctl with the same X.Y of Python, or remove the bytecode: `find DIR -name '*.pyc' -delete`.",
    ),
    Code(
        code="ENV903",
        name="python-unknown",
        severity=_ERROR,
        asks=_UNVERIFIABLE,
        title="The version of the interpreter could not be found out",
        meaning="Nothing says it, or the base interpreter could not be asked (it does not start, or others may write it).",
        action="See whether the interpreter that pyvenv.cfg names in `home` starts.",
    ),
)

CODES = {code.code: code for code in _CODES}


def named(name: str) -> Code:
    """The code of a short name."""
    return _BY_NAME[name]


_BY_NAME = {code.name: code for code in _CODES}
_RANK = {Verdict.CHANGED: 0, Verdict.UNTRUSTED: 1, Verdict.UNVERIFIABLE: 2, Verdict.OK: 3}


def verdict_of(findings: tuple[Finding, ...], *, strict: bool = False) -> Verdict:
    """The worst verdict that a finding asks for: those of errors, with `strict` those of warnings too."""
    counting = (Severity.ERROR, Severity.WARNING) if strict else (Severity.ERROR,)
    asked = [CODES[finding.code].asks for finding in findings if finding.severity in counting]
    return min(asked, key=_RANK.__getitem__, default=Verdict.OK)
