"""The Dockerfile's stages before the last, each as its lines: pure."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path, PurePosixPath

from envctl.errors import InvalidFile
from envctl.model.lockfile import LockedFile
from envctl.render import debs
from envctl.render.context import Context
from envctl.render.escape import absolute, copy_form, inside, shell
from envctl.render.layers import Layer

_FOLDER = "/opt/envctl"
LOCKFILE = f"{_FOLDER}/pylock.toml"
_APP = "/layers/app_files"
_MARK = "# ---- what Dockerfiles carry"
_VERSION = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?")
# Debian's python3-venv seeds environments from it; as it lies there, it is at hand in a tenth of the time.
_DEBIANS_PIP = "/usr/share/python-wheels/pip-*.whl"
_PEP440 = re.compile(r"[0-9][0-9A-Za-z.!+_-]*")
_NETRC = "--mount=type=secret,id=netrc,target=/root/.netrc"
_CA = "--mount=type=secret,id=ca,target=/run/secrets/ca"
_INDEX = "--mount=type=secret,id=index,target=/run/secrets/index"
_WHEELS = "--mount=type=bind,from=wheels,target=/wheels"
_CACHE = "--mount=type=cache,id=envctl-uv,target=/root/.cache/uv"
_TRUST = "if [ -s /run/secrets/ca ]; then export SSL_CERT_FILE=/run/secrets/ca; fi"
_UV = "/opt/uv/bin/uv"
_INSTALLER = "--mount=type=bind,from=installer,source=/opt/uv,target=/opt/uv"
_OTHER = "the lockfile is not the one that this Dockerfile was rendered from"
_UNPINNED = (
    "# OS packages come from the archive as it is on the day of the build: no snapshot of it is pinned, so",
    "# this layer is not reproducible. What this step touched gets one mtime, and no bytecode stays.",
)
_PINNED = (
    "# Exactly the lockfile's OS packages, with all that they need beyond the base. What this step touched gets one",
    "# mtime, and no bytecode stays.",
)
_BUILD_ENV = (
    "HOME=/root",
    "PYTHONDONTWRITEBYTECODE=1",
    "UV_CACHE_DIR=/root/.cache/uv",
    "UV_LINK_MODE=copy",
    "UV_NO_INSTALLER_METADATA=1",
    "UV_PYTHON_DOWNLOADS=never",
)


def base(context: Context) -> list[str]:
    """The base image by digest; one stage a platform only where their digests differ."""
    references = list(dict.fromkeys(context.bases.values()))
    if len(references) == 1:
        return [f"FROM {references[0]} AS base"]
    lines = [f"FROM {ref} AS base-{name.removeprefix('linux/')}" for name, ref in context.bases.items()]
    return [*lines, "FROM base-${TARGETARCH} AS base"]


def system(context: Context) -> list[list[str]]:
    """The OS packages, in the one stage of the image in which something runs."""
    packages, pinned = context.os_packages, context.debs
    if context.before_last == "base":
        return []
    user = ["USER 0"] if context.image.user is not None else []
    names = [f"      {shell(name, 'image.packages')} \\" for name in packages]
    mounts, source = ["--mount=type=tmpfs,target=/tmp"], _UNPINNED
    if pinned is not None:
        mounts = ["--network=none", "--mount=type=bind,from=debs,target=/mnt", *mounts]
        install, source = debs.install(pinned), _PINNED
    elif context.musl:
        install = [" && apk add --no-cache -- \\", *names]
    else:
        install = [
            " && apt-get update \\",
            " && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends -- \\",
            *names,
        ]
    if context.musl:
        remove = " && rm -rf /var/cache/apk/* /var/log/apk.log \\"
    else:
        remove = (
            " && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/cache/ldconfig/* \\\n"
            "      /var/lib/dpkg/*-old /var/log/apt /var/log/alternatives.log /var/log/dpkg.log \\\n"
            "      /var/cache/fontconfig/* \\"  # it holds folders' mtimes, which are other ones afterwards
        )
    mounted = " -o -path /mnt" if pinned is not None else ""
    moved = (
        f"find / -xdev \\( -path /dev -o -path /proc -o -path /sys -o -path /tmp{mounted} \\) -prune \\\n"
        "      -o -newer /tmp/start"
    )
    return [
        *(debs.stages(pinned) if pinned is not None else []),
        [
            *source,
            "FROM base AS system",
            *user,
            *(["ARG TARGETARCH"] if pinned is not None and len(pinned) > 1 else []),
            "RUN " + " ".join(mounts) + " \\",
            "    touch /tmp/start \\",
            *install,
            remove,
            f" && {moved} -type d -name __pycache__ -prune -exec rm -rf {{}} + \\",
            f" && {moved} -exec touch -h -d @{context.epoch} {{}} + \\",
            f" && touch -d @{context.epoch} / /etc",  # where engines put mount points before a step begins
        ],
    ]


def wheels() -> list[str]:
    """Where wheels of this machine come in: an empty stage, in whose place a folder can be given."""
    return [
        "# Empty; `--build-context wheels=DIR` takes its place: where it holds wheels, nothing is downloaded.",
        "FROM scratch AS wheels",
    ]


def standalone(context: Context) -> list[list[str]]:
    """The archives of a standalone Python: the engine fetches one and checks it before anything reads it."""
    if context.python.source != "standalone":
        return []
    lines = ["# Python, where the base image has none: an archive, checked by its sha256."]
    several = len(context.platforms) > 1
    for name in context.platforms:
        build = context.python.builds.get(name)
        url = build.url if build else ""
        if build is None or not debs.URL.fullmatch(url) or not re.search(r"\.(tar\.gz|tgz)$", url):
            raise InvalidFile(
                f"there is no standalone Python for {name} that an image can unpack",
                key="image.python.url",
                found=ascii(url) if build else None,
                expected="the address of an install_only archive, .tar.gz",
            )
        stage = f"archive-{name.removeprefix('linux/')}" if several else "archive"
        place = url.replace("$", "\\$")
        checksum = f"--checksum=sha256:{_hex(build.sha256, 'image.python.sha256')}"
        lines += [f"FROM scratch AS {stage}", f"ADD {checksum} {place} /python.tar.gz"]
    return [[*lines, *(["FROM archive-${TARGETARCH} AS archive"] if several else [])]]


def tools(context: Context) -> list[str]:
    """The interpreter, checked to be the locked one, and the script that makes layers."""
    version, python = context.python.version, context.interpreter
    if not _VERSION.fullmatch(version):
        raise InvalidFile("the Python version is malformed", key="tool.envctl.python.version", found=ascii(version))
    lines = [
        "# What builds: the interpreter, which must be the locked one, and the script that makes layers.",
        f"FROM {context.before_last if context.python.source == 'os' else 'base'} AS tools",
        "USER 0",
        "ENV " + " \\\n    ".join(_BUILD_ENV),
        "RUN --network=none printf '%s\\n' \\",
        *(f"      '{line}' \\" for line in script()),
        "      > /opt/layers.py",
    ]
    steps = []
    if context.python.source == "standalone":
        lines += [
            *(["ARG TARGETARCH"] if len(context.platforms) > 1 else []),
            "RUN --network=none --mount=type=bind,from=archive,target=/mnt \\",
        ]
        steps = [
            *_archive(context),
            "mkdir -p /layers/python_build/opt",
            'tar -xzf "$archive" -C /layers/python_build/opt --no-same-owner',
            "cp -al /layers/python_build/opt/python /opt/python",
        ]
    else:
        lines.append("RUN --network=none \\")
    steps.append(
        f"{python} -I -c 'import platform, sys; v = platform.python_version(); \\\n"
        f'      sys.exit(0 if v == "{version}" else "this is Python " + v + ", the lockfile says {version}")\''
    )
    if context.python.source == "standalone":
        steps.append(f"{python} -I /opt/layers.py 'python_build -'")
    return [*lines, "    " + " \\\n && ".join(steps)]


def _archive(context: Context) -> list[str]:
    """Finds the locked archive by its sha256 in /mnt, as `$archive`: a named context may hold others too."""
    digests = {p.removeprefix("linux/"): context.python.builds[p].sha256 for p in context.platforms}
    wanted = next(iter(digests.values()))
    cases = []
    if len(digests) > 1:
        arms = "".join(f" \\\n      {arch}) sha256={digest} ;;" for arch, digest in digests.items())
        cases, wanted = [f"case $TARGETARCH in{arms} esac"], "$sha256"
    return [
        *cases,
        'for file in /mnt/*; do if [ "$(sha256sum < "$file")" = "' + wanted + '  -" ]; then archive=$file; fi; done',
        "{ [ -n \"$archive\" ] || { echo 'none of these is the locked archive of Python' >&2; exit 1; }; }",
    ]


def _installer(context: Context) -> list[str]:
    """Lines of a requirements file: the installer with a hash for each platform, by address where one is recorded."""
    installer = context.installer
    if installer.name != "uv" or not _PEP440.fullmatch(installer.version):
        raise InvalidFile(
            "the installer is none that a Dockerfile can use", key="tool.envctl.installer", found=ascii(installer.name)
        )
    digests = {}
    for name in context.platforms:
        if name not in installer.sha256:
            raise InvalidFile(f"the installer is not pinned for {name}", key="tool.envctl.installer.sha256")
        digests[name] = _hex(installer.sha256[name], "tool.envctl.installer.sha256")
    hashes = " ".join(f"--hash=sha256:{digest}" for digest in dict.fromkeys(digests.values()))
    return [f"uv=={installer.version} {hashes}"]


def installer(context: Context) -> list[str]:
    """The installer by its sha256, in a stage of its own.

    BuildKit digests the whole file system that a step with secrets begins from, gigabytes of a CUDA base. So all such
    steps begin from `tools`, which seldom changes, and what changes is mounted: it is digested once.
    """
    return [
        "# The installer, in a folder that is thrown away.",
        "FROM tools AS installer",
        f"RUN {_WHEELS} \\",
        *(f"    {mount} \\" for mount in _secrets(context)),
        "    printf '%s\\n' \\",
        *(f"      {shell(line, 'tool.envctl.installer')} \\" for line in _installer(context)),
        "      > /tmp/installer.txt \\",
        f" && {_from_where(context, '--no-index --find-links', '--index-url')} \\",
        ' && if [ -s /run/secrets/ca ]; then set -- "$@" --cert /run/secrets/ca; fi \\',
        f" && with={context.interpreter} pip=$(echo {_DEBIANS_PIP}) \\",
        " && if ! $with -c 'import pip._internal' 2> /dev/null; then \\",
        '      if [ -f "$pip" ]; then export PYTHONPATH="$pip"; \\',
        f"      else {context.interpreter} -m venv /tmp/pip && with=/tmp/pip/bin/python; fi; fi \\",
        ' && $with -m pip --isolated --disable-pip-version-check --no-input install "$@" --no-cache-dir \\',
        "      --no-deps --only-binary :all: --require-hashes --target /opt/uv -r /tmp/installer.txt",
    ]


def packages(context: Context, layers: list[Layer]) -> list[list[str]]:
    """The environment, installed from the lockfile with every hash enforced, in layers."""
    seen = " --system-site-packages" if context.image.provides else ""
    rows = [" ".join([layer.name, str(min(layer.moment, context.epoch)), *layer.packages]) for layer in layers]
    rows[-1] = " ".join(rows[-1].split()[:2])
    python = context.interpreter
    return [
        [
            "# The lockfile, for the step that installs it.",
            "FROM scratch AS lockfile",
            f"COPY {copy_form(str(context.target.lockfile), LOCKFILE, 'tool.envctl.profile')}",
        ],
        [
            "# The environment: exactly the lockfile, wheels only, every hash enforced; then split into layers.",
            "FROM tools AS packages",
            f"RUN {_CACHE} \\",
            f"    --mount=type=bind,from=lockfile,source={_FOLDER},target={_FOLDER} \\",
            f"    {_INSTALLER} \\",
            f"    {_WHEELS} \\",
            *(f"    {mount} \\" for mount in _secrets(context)),
            f"    {_same(LOCKFILE, context.lock_digest, _OTHER, 'lock_digest')} \\",
            f" && {_TRUST} \\",
            f" && {python} -m venv --without-pip{seen} /opt/venv \\",
            f" && {_from_where(context, '--offline --no-index --find-links', '--default-index', locked=False)} \\",
            f" && if [ $# = 0 ]; then set -- {LOCKFILE}; \\",
            f"    else {python} -I /opt/layers.py pins {LOCKFILE} > /tmp/pins.txt \\",
            '      && set -- "$@" /tmp/pins.txt; fi \\',
            f" && {_UV} pip sync --no-config --preview-features pylock --no-build --require-hashes \\",
            '      --python /opt/venv/bin/python "$@" \\',
            " && rm -f /opt/venv/.lock \\",
            f" && {python} -I /opt/layers.py" + "".join(f" \\\n      '{row}'" for row in rows),
        ],
    ]


def _secrets(context: Context) -> tuple[str, ...]:
    """What a step that may download is given. A default index of the lockfile's own has no mirror."""
    return (_NETRC, _CA) if context.default_index is not None else (_NETRC, _CA, _INDEX)


def _from_where(context: Context, folder: str, index: str, *, locked: bool = True) -> str:
    """Sets the shell's arguments to options that say where files come from; none: from the tool's own default.

    Args:
        folder, index: the tool's options.
        locked: whether the lockfile's default index is said where nothing else is.
    """
    branches = [f'if [ -n "$(ls /wheels)" ]; then set -- {folder} /wheels;']
    if context.default_index is None:
        branches.append(f'elif [ -s /run/secrets/index ]; then set -- {index} "$(cat /run/secrets/index)";')
    elif locked:
        branches.append(f"else set -- {index} {shell(context.default_index, 'tool.envctl.indexes')};")
    return " \\\n    ".join([*branches, "fi"])


def project(context: Context) -> list[list[str]]:
    """The team's own package: a wheel, built with the build backend as it was at the cutoff."""
    own = context.lockfile.envctl.project
    if own is None:
        return []
    cutoff = context.lockfile.envctl.resolver.exclude_newer
    newer = (
        [f'[ -n "$(ls /wheels)" ] || set -- "$@" --exclude-newer {cutoff.strftime("%Y-%m-%dT%H:%M:%SZ")}']
        if cutoff
        else []
    )
    source = str(PurePosixPath(inside(own.path, "project.path")))
    steps = [
        f"{context.interpreter} -m venv --without-pip /opt/venv",
        _TRUST,
        _from_where(context, "--offline --no-index --find-links", "--default-index"),
        *newer,
        f'{_UV} build --wheel "$@" --python /opt/venv/bin/python --out-dir /tmp/wheels /src',
        f"{_UV} pip install --no-config --offline --no-deps --python /opt/venv/bin/python \\\n"
        "      --prefix /layers/own_project/opt/venv /tmp/wheels/*.whl",
        "rm -f /layers/own_project/opt/venv/.lock",
        f'{context.interpreter} -I /opt/layers.py "own_project $SOURCE_DATE_EPOCH"',
    ]
    return [
        [
            "# What the project's own package is built from.",
            "FROM scratch AS source",
            f"COPY {copy_form(source, '/src/', 'project.path')}",
        ],
        [
            "# The project's own package, built as a wheel. Its build backend is the newest of the lockfile's cutoff.",
            "FROM tools AS project",
            "ARG SOURCE_DATE_EPOCH",
            f"RUN {_CACHE} \\",
            "    --mount=type=bind,from=source,source=/src,target=/src,rw \\",
            f"    {_INSTALLER} \\",
            f"    {_WHEELS} \\",
            *(f"    {mount} \\" for mount in _secrets(context)),
            "    " + " \\\n && ".join(steps),
        ],
    ]


def application(context: Context) -> list[str]:
    """The lockfile and the files of the image, with modes and mtimes that no checkout decides."""
    image = context.image
    lines = [
        "# The application: its files, and the lockfile that the image was made from.",
        "FROM tools AS application",
        "ARG SOURCE_DATE_EPOCH",
        f"COPY {copy_form(str(context.target.lockfile), _APP + LOCKFILE, 'tool.envctl.profile')}",
    ]
    steps = []
    for number, file in enumerate(image.files):
        key = f"image.files[{number}]"
        target = absolute(file.target, f"{key}.target")
        if not target.strip("/"):
            raise InvalidFile(f"{key}.target is the whole image", key=f"{key}.target", found=target)
        lines.append(f"COPY {copy_form(file.source, _APP + target, f'{key}.source')}")
        if file.digest is not None:
            steps.append(_locked(file, context, key))
    if image.workdir is not None:
        steps.append(f"mkdir -p {shell(_APP + absolute(image.workdir, 'image.workdir'), 'image.workdir')}")
    steps.append(f'{context.interpreter} -I /opt/layers.py "app_files $SOURCE_DATE_EPOCH"')
    return [*lines, "RUN --network=none " + " \\\n && ".join(steps)]


def _locked(file: LockedFile, context: Context, key: str) -> str:
    """Refuse a file or folder that is not the locked one."""
    target = _APP + file.target
    if target.endswith("/"):
        target += PurePosixPath(file.source).name
    digest = _hex((file.digest or "").removeprefix("sha256:"), key)
    words = f"sha256:{digest} {shell(target, key)} {shell(file.source, key)}"
    return f"{context.interpreter} -I /opt/layers.py locked \\\n      {words}"


def _same(place: str, digest: str, otherwise: str, key: str) -> str:
    """A check of one file's sha256 that ends the build with a message; `place` is a word for the shell."""
    expected = _hex(digest.removeprefix("sha256:"), key)
    return (
        f"{{ [ \"$(sha256sum < {place})\" = '{expected}  -' ] \\\n"
        f"   || {{ printf '%s\\n' {shell(otherwise, key)} >&2; exit 1; }}; }}"
    )


def _hex(digest: str, key: str) -> str:
    if not debs.HEX.fullmatch(digest):
        raise InvalidFile("a digest is malformed", key=key, found=ascii(digest), expected="64 hex digits")
    return digest


@lru_cache(maxsize=1)
def script() -> tuple[str, ...]:
    """The lines of `trees.py` that the Dockerfile carries."""
    source = Path(__file__).with_name("trees.py").read_text(encoding="utf-8").partition(_MARK)[2]
    lines = [line for line in source.splitlines()[1:] if line.strip()]
    return (*lines, 'main("/opt/venv", "/layers", sys.argv[1:])')
