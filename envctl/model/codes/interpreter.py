"""ENV3xx: the interpreter and its configuration."""

from __future__ import annotations

from envctl.model.codes.kind import CHANGED, ERROR, NOTE, RESTORE, UNTRUSTED, WARNING, WHO, Code

CODES = (
    Code(
        code="ENV301",
        name="python-minor",
        severity=ERROR,
        asks=CHANGED,
        title="The interpreter is another Python than the locked one",
        meaning="Its X.Y differs. Wheels are locked for one X.Y, and bytecode and the import path depend on it.",
        action="Make the environment anew with the locked Python: `envctl sync TARGET`.",
    ),
    Code(
        code="ENV302",
        name="python-patch",
        severity=WARNING,
        asks=CHANGED,
        title="The interpreter is another patch release than the locked one",
        meaning="X.Y agrees, Z does not. In a virtual environment this is a warning; in an image it is an error.",
        action=(
            "Install the locked release of Python (`uv python install X.Y.Z`) and `envctl sync TARGET`, or lock"
            " another."
        ),
    ),
    Code(
        code="ENV303",
        name="python-implementation",
        severity=ERROR,
        asks=CHANGED,
        title="The interpreter is another implementation than the locked one",
        meaning="The lockfile is for CPython; the environment's interpreter says that it is another.",
        action="Make the environment anew with CPython: `envctl sync TARGET`.",
    ),
    Code(
        code="ENV304",
        name="config-changed",
        severity=ERROR,
        asks=CHANGED,
        title="pyvenv.cfg is not what a maker of virtual environments writes",
        meaning=(
            "It is unreadable, names a key twice, has no absolute `home`, or its `home` holds no interpreter."
            " Python takes from it where the standard library is."
        ),
        action=WHO + " " + RESTORE,
    ),
    Code(
        code="ENV305",
        name="system-site-packages",
        severity=ERROR,
        asks=UNTRUSTED,
        title="The environment also imports what is installed outside of it",
        meaning=(
            "`include-system-site-packages` is true: the base interpreter's packages can be imported, and none is"
            " locked."
        ),
        action="Set it to false in pyvenv.cfg, or make the environment without `--system-site-packages`.",
    ),
    Code(
        code="ENV306",
        name="config-key",
        severity=NOTE,
        asks=CHANGED,
        title="pyvenv.cfg has a key that envctl does not know",
        meaning="Python does not read it. A newer maker of virtual environments may have written it.",
        action="Nothing.",
    ),
    Code(
        code="ENV307",
        name="interpreter-changed",
        severity=ERROR,
        asks=UNTRUSTED,
        title="The environment starts another interpreter than the one it was made with",
        meaning=(
            "`bin/python` is neither a link to an interpreter in the `home` that pyvenv.cfg names, nor a copy of"
            " one; or what stands there is a script, or in an image nothing that the base brought. What it runs is"
            " unknown."
        ),
        action=WHO + " " + RESTORE,
    ),
    Code(
        code="ENV308",
        name="import-variable",
        severity=ERROR,
        asks=UNTRUSTED,
        title="A variable of this process changes what is imported or loaded",
        meaning=(
            "PYTHONPATH and PYTHONHOME put other code before the environment's; LD_PRELOAD and its like load a"
            " library into every program, GCONV_PATH into those that convert text, CUDA_INJECTION64_PATH into those"
            " that use CUDA. Python started from here does not run the locked code alone. envctl"
            " itself ignores them."
        ),
        action="Unset it, and look for where it is set (shell profile, CI settings, .env files).",
    ),
    Code(
        code="ENV309",
        name="library-variable",
        severity=WARNING,
        asks=UNTRUSTED,
        title="A variable of this process can change which libraries or bytecode are loaded",
        meaning=(
            "LD_LIBRARY_PATH puts other shared libraries before those of the system, and before those of wheels"
            " that rely on the loader's path. PYTHONPYCACHEPREFIX makes Python read bytecode from a place that is"
            " not verified, PYTHONSTARTUP runs a file in interactive sessions, and OPENSSL_CONF, OPENSSL_MODULES and"
            " OPENSSL_ENGINES may name libraries that OpenSSL loads."
        ),
        action="Unset it where it is not needed; common on clusters, where modules set it.",
    ),
    Code(
        code="ENV310",
        name="environment-missing",
        severity=ERROR,
        asks=CHANGED,
        title="There is no Python environment in the image",
        meaning="No interpreter is found by the image's PATH, or the one that is found has no place for packages.",
        action="See what the image is: a base without Python, a distroless image, another stage of the Dockerfile.",
    ),
    Code(
        code="ENV311",
        name="environment-other",
        severity=WARNING,
        asks=UNTRUSTED,
        title="The image has a further environment, which was not verified",
        meaning="Another folder holds installed packages that the base image did not bring.",
        action="Verify it by itself (`--venv DIR` names it), or remove it from the image.",
    ),
    Code(
        code="ENV312",
        name="module-shadowed",
        severity=ERROR,
        asks=UNTRUSTED,
        title="A file of the application hides a locked module",
        meaning=(
            "Python looks for modules in the working folder, in a script's folder and in PYTHONPATH before it looks in"
            " the environment, so the locked module would never be loaded."
        ),
        action="Rename the file, or move it into a package.",
    ),
)
