"""Lockfile -> the ignore file beside its Dockerfile: nothing is in the build context but what the image takes. Pure."""

from __future__ import annotations

from envctl.model.lockfile import Lockfile
from envctl.model.target import Target
from envctl.render.escape import ignore_pattern

# Where the whole project folder is asked for, what never belongs into an image: secrets, history, environments, caches.
_NEVER = (
    ".git",
    ".hg",
    ".svn",
    ".docker",
    ".aws",
    ".ssh",
    "**/.env",
    "**/.env.*",
    "**/.netrc",
    "**/.pypirc",
    "**/*.pem",
    "**/*.key",
    "**/.venv",
    "venv",
    "**/node_modules",
    "**/.tox",
    "**/.nox",
    "**/.ipynb_checkpoints",
    "**/.*_cache",
    "**/.hypothesis",
    "profiles/locked",
)
_BYTECODE = ("**/__pycache__", "**/*.pyc")


def render(lockfile: Lockfile) -> str:
    """The text of `Dockerfile.<target>.dockerignore`.

    Raises:
        InvalidFile: a path of the image leaves the project folder, or holds a control character.
    """
    envctl = lockfile.envctl
    target = Target(envctl.profile, envctl.variant)
    sources = (
        [(file.source, f"image.files[{n}].source") for n, file in enumerate(envctl.image.files)] if envctl.image else []
    )
    if envctl.project is not None:
        sources.append((envctl.project.path, "project.path"))
    patterns = sorted({ignore_pattern(path, key) for path, key in sources})
    lines = [f"# The build context of {target}: nothing but what its Dockerfile copies.", "*"]
    if "." in patterns:
        lines += ["!**", *_NEVER]
        patterns.remove(".")
    lines += [f"!{pattern}" for pattern in patterns]
    files = envctl.image.files if envctl.image else ()
    # What is locked is locked whole: also where it holds bytecode, or looks like a secret. `**` says it of each file:
    # readers carry over from folders only what changed the result there.
    locked = {ignore_pattern(file.source, "image.files") for file in files if file.digest is not None}
    whole = [f"!{pattern}{under}" for pattern in sorted(locked) for under in ("", "/**")]
    lines += [*_BYTECODE, *whole, f"!{target.lockfile}"]
    return "\n".join(lines) + "\n"
