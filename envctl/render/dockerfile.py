"""Lockfile -> Dockerfile: pure, without network, clock or environment (docs/explanation/dockerfile.md).

It builds with BuildKit's built-in frontend (no `# syntax=`, no here-documents). Stages: `base`, `system` (OS packages),
`tools` (interpreter checked, installer), `packages` (the environment), `project`, `application`; the last one only
copies and sets, and needs no shell.
"""

from __future__ import annotations

import json
import re

from envctl.errors import InvalidFile
from envctl.model.lockfile import Image, Lockfile
from envctl.model.target import NAME, Target
from envctl.render import stages
from envctl.render.context import Context
from envctl.render.escape import absolute, exec_form, word
from envctl.render.layers import Layer, plan

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]*(?:@sha256:[0-9a-f]{64})?")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CUDA = re.compile(r"(\d{1,2})\.\d{1,2}")


def render(lockfile: Lockfile, *, lock_digest: str) -> str:
    """The Dockerfile of a target. `lock_digest` is `sha256:<hex>` of the lockfile's bytes.

    Raises:
        InvalidFile: the lockfile has no `[tool.envctl.image]`, or a value there that no Dockerfile can say.
    """
    context = _context(lockfile, lock_digest)
    layers = plan(lockfile.packages)
    blocks = [
        _header(context),
        stages.base(context),
        stages.wheels(),
        *stages.system(context),
        *stages.standalone(context),
        stages.tools(context),
        stages.installer(context),
        *stages.packages(context, layers),
        *stages.project(context),
        stages.application(context),
        _last(context, layers),
    ]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _context(lockfile: Lockfile, lock_digest: str) -> Context:
    envctl = lockfile.envctl
    if envctl.image is None:
        raise InvalidFile(
            f"{lockfile.target} has no image",
            file=_shown(lockfile),
            key="tool.envctl.image",
            hint=f"add [image] with a base to profiles/{envctl.profile}.toml, then `envctl lock {lockfile.target}`",
        )
    for name in (envctl.profile, envctl.variant or envctl.profile):
        if not NAME.fullmatch(name):
            raise InvalidFile("the lockfile's target is malformed", key="tool.envctl", found=ascii(name))
    if not _DIGEST.fullmatch(lock_digest):
        raise InvalidFile("the lockfile's digest is malformed", found=ascii(lock_digest))
    platforms = tuple(name for name in envctl.platforms if name.startswith("linux/"))
    if not platforms:
        raise InvalidFile(
            f"{lockfile.target} has no Linux platform, so it has no image",
            file=_shown(lockfile),
            key="tool.envctl.platforms",
        )
    if envctl.installer is None:
        raise InvalidFile(
            "the lockfile pins no installer",
            file=_shown(lockfile),
            key="tool.envctl.installer",
            hint=f"`envctl lock {lockfile.target}`",
        )
    return Context(
        lockfile=lockfile,
        target=Target(envctl.profile, envctl.variant),
        image=envctl.image,
        installer=envctl.installer,
        platforms=platforms,
        bases=_bases(envctl.image, {name: envctl.platforms[name].base_digest for name in platforms}),
        lock_digest=lock_digest,
    )


def _shown(lockfile: Lockfile) -> str:
    return str(Target(lockfile.envctl.profile, lockfile.envctl.variant).lockfile)


def _bases(image: Image, digests: dict[str, str | None]) -> dict[str, str]:
    """The base image by digest for each platform. A digest in the reference holds on every platform."""
    bases = {}
    for platform, digest in digests.items():
        base = image.base if "@" in image.base or digest is None else f"{image.base}@{digest}"
        if not _REFERENCE.fullmatch(base) or "@" not in base:
            raise InvalidFile(
                "the base image is not pinned by a digest",
                key="tool.envctl.image.base",
                found=ascii(base),
                expected="NAME[:TAG]@sha256:<64 hex digits>",
            )
        bases[platform] = base
    return bases


def _header(context: Context) -> list[str]:
    target, slug = context.target, context.target.slug
    fetches = context.python.source == "standalone" or any((context.debs or {}).values())
    engine = "Docker 25" if fetches else "Docker 23"
    return [
        f"# The image of {target}, rendered by envctl from {target.lockfile} alone.",
        f"# Do not edit it: change profiles/{target.profile}.toml, then `envctl lock {target}`.",
        "#",
        f"# In the project folder, with BuildKit ({engine} or newer):",
        f"#   docker build --platform {context.platforms[0]} -f {target.dockerfile} -t {slug} .",
        *(f"# or with --platform {name}" for name in context.platforms[1:]),
        "# Credentials, certificates and a mirror's address come as build secrets only: --secret id=netrc,src=FILE,",
        "# id=ca and id=index.",
        "",
        "# By default the newest upload among the pins. With one value, two builds on one engine give one image.",
        f"ARG SOURCE_DATE_EPOCH={context.epoch}",
    ]


def _last(context: Context, layers: list[Layer]) -> list[str]:
    image = context.image
    lines = [
        "# The image: nothing runs here. What is heavy and stable lies below what changes often.",
        f"FROM {context.before_last}",
    ]
    if context.python.source == "standalone":
        lines.append("COPY --link --from=tools /layers/python_build/ /")
    lines += [f"COPY --link --from=packages /layers/{layer.name}/ /" for layer in layers]
    if context.lockfile.envctl.project is not None:
        lines.append("COPY --link --from=project /layers/own_project/ /")
    lines.append("COPY --link --from=application /layers/app_files/ /")
    lines += _instruction("ENV", _environment(context))
    if image.workdir is not None:
        lines.append(f"WORKDIR {word(absolute(image.workdir, 'image.workdir'), 'image.workdir')}")
    if image.user is not None:
        lines.append(f"USER {_user(image.user)}")
    if image.ports:
        lines.append("EXPOSE " + " ".join(str(port) for port in image.ports))
    if image.command:
        # the base's entrypoint would run before the command, and is not in the lockfile
        lines += ["ENTRYPOINT []", f"CMD {exec_form(image.command, 'image.command')}"]
    return [*lines, *_instruction("LABEL", _labels(context))]


def _user(user: int | str) -> str:
    text = str(user)
    if not text or text != text.strip():
        raise InvalidFile("image.user is no user", key="image.user", found=ascii(text))
    return word(text, "image.user")


def _environment(context: Context) -> dict[str, str]:
    """Variable -> word. The environment's own first; what the profile says wins, and nothing in it expands."""
    words = {"PATH": '"/opt/venv/bin:$PATH"', "PYTHONDONTWRITEBYTECODE": "1"}
    words |= {name: word(value, name) for name, value in _nvidia(context).items()}
    for name, value in sorted(context.image.env.items()):
        key = f"image.env.{name}"
        if not _KEY.fullmatch(name):
            raise InvalidFile("a variable of image.env has no usable name", key="image.env", found=ascii(name))
        words[name] = word(value, key)
    return words


def _nvidia(context: Context) -> dict[str, str]:
    """NVIDIA's variables, where the lockfile is for CUDA or its wheels bring the libraries.

    `cuda` of the profile also sets the condition on the driver. It only has to run the first release of the same CUDA
    major version (minor-version compatibility); the base image's own condition would refuse drivers that work.
    """
    cuda, packages = context.lockfile.envctl.cuda, context.lockfile.packages
    if cuda is None and not any(package.name.startswith("nvidia-") for package in packages):
        return {}
    variables = {"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}
    if cuda is not None:
        match = _CUDA.fullmatch(cuda)
        if match is None:
            raise InvalidFile(
                "the CUDA version is malformed", key="tool.envctl.cuda", found=ascii(cuda), expected="X.Y"
            )
        variables["NVIDIA_REQUIRE_CUDA"] = f"cuda>={match[1]}.0"
    return variables


def _labels(context: Context) -> dict[str, str]:
    """Label -> word: OCI's (image specification, annotations), then our own."""
    envctl = context.lockfile.envctl
    base, _, _ = context.image.base.partition("@")
    digests = {reference.partition("@")[2] for reference in context.bases.values()}
    labels = {
        "org.opencontainers.image.title": str(context.target),
        "org.opencontainers.image.base.name": base,
        "org.opencontainers.image.base.digest": digests.pop() if len(digests) == 1 else None,
        "envctl.target": str(context.target),
        "envctl.lockfile.digest": context.lock_digest,
    }
    for platform in context.platforms:
        labels[f"envctl.package-set.{platform.replace('/', '-')}"] = envctl.package_set.get(platform)
    code = sorted(file.target for file in context.image.files if file.digest is None)
    if code:
        labels["envctl.application"] = json.dumps(code, ensure_ascii=False, separators=(",", ":"))
    return {name: word(value, name) for name, value in labels.items() if value is not None}


def _instruction(name: str, words: dict[str, str]) -> list[str]:
    return [f"{name} " + " \\\n    ".join(f"{key}={value}" for key, value in words.items())]
