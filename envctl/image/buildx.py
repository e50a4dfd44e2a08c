"""Builds with BuildKit, through the docker command and its plugin: `docker buildx build`.

The command line and not the Docker SDK, whose build API is that of the builder before BuildKit.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from envctl.errors import IndexFailed, InvalidFile, ToolFailed
from envctl.image.failures import failure
from envctl.image.interface import BuildRequest, Built, Line
from envctl.system.docker import client
from envctl.system.files import read_bytes, scratch_dir
from envctl.system.process import Finished, run

_VARIABLE = "BUILD_SECRET_"
_PUSHED = re.compile(r"digest: (sha256:[0-9a-f]{64})")
_MINUTE = 60
_LAYOUT = "oci-layout://"


class Buildx:
    """Implements `envctl.image.interface.Builder`.

    Args:
        say: told each line of the build's progress.
        shown: whether the tool itself shows its progress on this process's standard error, as on a terminal.

    Raises:
        ToolFailed: there is no docker command, or none that builds with BuildKit.
    """

    def __init__(self, *, say: Line, shown: bool = False, environ: Mapping[str, str] | None = None) -> None:
        self._say, self._shown = say, shown
        self._environ = dict(os.environ if environ is None else environ)
        self._environ |= {"DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1", "DOCKER_CLI_HINTS": "false"}
        found = client(self._environ)
        if found is None:
            raise ToolFailed(
                "there is no docker command",
                expected="docker on PATH, with its buildx plugin",
                hint="the Dockerfile in profiles/locked builds wherever there is one",
            )
        self._docker = found
        self._command = self._checked()

    def build(self, request: BuildRequest) -> Built:
        """See `envctl.image.interface.Builder`."""
        secret = {_VARIABLE + name.upper(): text for name, text in request.secrets.texts.items()}
        network = [] if request.network or _says_network(request.arguments) else self._network()
        heard: list[str] = []

        def hear(line: str) -> bool:
            heard.append(line)
            self._say(line)
            return True

        with scratch_dir() as work:
            metadata = work / "metadata.json"
            request = msgspec.structs.replace(request, contexts=_sayable(request.contexts, work))
            command = [*self._command, *arguments(request), *network, "--metadata-file", str(metadata)]
            command += ["--progress", "auto" if self._shown else "plain", *request.arguments, str(request.context)]
            done = run(
                command,
                env={**self._environ, **secret},
                cwd=request.context,
                overhear=None if self._shown else hear,
                show_stderr=self._shown,
            )
            if done.status != 0:
                if self._shown:  # the tool has said the rest on the terminal
                    raise ToolFailed("the image could not be built", found=f"docker ended with status {done.status}")
                raise failure(heard)
            return _built(metadata)

    def push(self, tag: str) -> str | None:
        """See `envctl.image.interface.Builder`."""
        done = run([self._docker, "push", tag], env=self._environ, show_stderr=self._shown)
        if done.status != 0:
            said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
            raise IndexFailed(
                f"{tag} could not be pushed",
                found=said[-1].strip() if said else f"docker ended with status {done.status}",
                hint="`docker login`, and a tag that names the registry",
            )
        digests = _PUSHED.findall(done.stdout)
        return digests[-1] if digests else None

    def _checked(self) -> list[str]:
        docker = str(self._docker)
        if self._ask("buildx", "version").status == 0:
            return [docker, "buildx", "build"]
        version = self._ask("version", "--format", "{{.Client.Version}}").stdout.strip()
        raise ToolFailed(
            "docker cannot build with BuildKit here",
            found=f"docker {version or 'of an unknown version'} without its buildx plugin",
            expected="docker-buildx-plugin (Debian and Ubuntu: docker-buildx)",
            hint="install the plugin; the builder before BuildKit cannot build this Dockerfile",
        )

    def _network(self) -> list[str]:
        """The machine's network for the steps, where the engine has no bridge to give them one of their own."""
        asked = self._ask("network", "inspect", "bridge")
        return ["--network=host"] if asked.status != 0 and "not found" in asked.stderr else []

    def _ask(self, *words: str) -> Finished:
        return run([self._docker, *words], env=self._environ, timeout=_MINUTE)


def arguments(request: BuildRequest) -> list[str]:
    """The words that say a request on the command line. No secret is among them."""
    words = ["--file", str(request.context / request.dockerfile), "--platform", request.platform]
    for tag in request.tags:
        words += ["--tag", tag]
    words += ["--build-arg", f"SOURCE_DATE_EPOCH={request.epoch}"]
    for name in request.proxies:
        words += ["--build-arg", name]  # without a value: taken from the environment, where users of ps do not see it
    for name in sorted(request.secrets.texts):
        words += ["--secret", f"id={name},env={_VARIABLE}{name.upper()}"]
    for name, path in sorted(request.secrets.files.items()):
        words += ["--secret", f'"id={name}","src={path}"' if "," in str(path) else f"id={name},src={path}"]
    for name, source in sorted(request.contexts.items()):
        words += ["--build-context", f"{name}={source}"]
    if request.network is not None:
        words.append(f"--network={request.network}")
    if request.no_cache:
        words.append("--no-cache")
    words += ["--load"] if request.output is None else ["--output", request.output]
    return words


def _sayable(contexts: Mapping[str, str], work: Path) -> dict[str, str]:
    """The contexts, where layouts whose paths hold `@` or `:` have a link in `work`: buildx cuts paths there."""
    said = dict(contexts)
    for name, source in contexts.items():
        path, at, digest = source.removeprefix(_LAYOUT).rpartition("@")
        if source.startswith(_LAYOUT) and at and ("@" in path or ":" in path):
            link = work / f"context-{name}"
            link.symlink_to(path)
            said[name] = f"{_LAYOUT}{link}@{digest}"
    return said


def _says_network(words: tuple[str, ...]) -> bool:
    return any(word == "--network" or word.startswith("--network=") for word in words)


def _built(metadata: Path) -> Built:
    """What the metadata file says (buildx's reference, --metadata-file)."""
    try:
        said = json.loads(read_bytes(metadata))
    except (FileNotFoundError, ValueError, InvalidFile):
        return Built()
    digests = {key: said.get(f"containerimage.{key}") for key in ("digest", "config.digest")}
    return Built(manifest=digests["digest"], config=digests["config.digest"])
