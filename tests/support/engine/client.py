"""The engine as tests hold it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from support.engine import packages, registry
from support.engine.place import State


def default_work(environ: Mapping[str, str]) -> Path:
    """Its folder: the project's own, one for each release of the engine, or the one that ENVCTL_ENGINE_WORK names."""
    if environ.get("ENVCTL_ENGINE_WORK"):
        return Path(environ["ENVCTL_ENGINE_WORK"])
    suite = packages.suite(environ)
    name = "engine" if suite == packages.PROVEN else f"engine-{suite}"
    return Path(__file__).resolve().parents[3] / ".build" / name


class Engine:
    """A running engine, its registry and base images.

    `bases` is name -> REGISTRY/…:TAG@sha256:…; `env` what a user's shell would have; `prefix` begins every name that
    `name` gives, and what has such a name is removed at the end.
    """

    def __init__(self, state: State, environ: Mapping[str, str], prefix: str) -> None:
        self.state = state
        self.docker = state.docker
        self.registry = state.registry
        self.bases = state.bases
        self.standalone = Path(state.standalone)
        self.version = state.version
        self.prefix = prefix
        self.settings = {"DOCKER_HOST": state.host, "DOCKER_CONFIG": state.config}
        self.settings["PATH"] = f"{state.bin}:{environ.get('PATH', os.defpath)}"
        self.env = {key: value for key, value in environ.items() if not key.startswith("DOCKER_")} | self.settings

    def run(
        self, *args: object, check: bool = True, stdin: str | None = None, timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run the docker client; with `check`, a failure is an AssertionError with what it said."""
        argv = [self.docker, *map(str, args)]
        # An empty standard input, not the caller's own.
        done = subprocess.run(
            argv, env=self.env, check=False, capture_output=True, text=True, timeout=timeout, input=stdin or ""
        )
        assert not check or done.returncode == 0, f"docker {' '.join(argv[1:])}: {done.returncode}\n{done.stderr}"
        return done

    def name(self, stem: str, *, pushed: bool = False) -> str:
        """A name of this session's own for an image or a container; `pushed`: one under the registry."""
        return f"{self.registry}/{self.prefix}/{stem}" if pushed else f"{self.prefix}-{stem}"

    def build(
        self, context: Path, dockerfile: str, tag: str, *args: object, packed: bool = False, timeout: float = 300
    ) -> str:
        """Build a Dockerfile's text and tag the image; returns its id. `args` go to `docker buildx build`.

        `packed`: layers are compressed, as by default they are; it takes longer than all else.
        """
        kept = ("--load", "--tag", tag) if packed else ("--output", f"type=docker,name={tag},compression=uncompressed")
        words = ("--provenance=false", "--progress=plain", *kept, *args, "--file", "-", context)
        self.run("buildx", "build", *words, stdin=dockerfile, timeout=timeout)
        return self.image_id(tag)

    def image_id(self, reference: str) -> str:
        """The id of a local image."""
        return self.run("image", "inspect", "--format", "{{.Id}}", reference).stdout.strip()

    def push(self, tag: str) -> str:
        """Push a tag of the local registry; returns NAME:TAG@DIGEST."""
        self.run("push", "--quiet", tag)
        return f"{tag}@{self.digest(tag)}"

    def digest(self, reference: str) -> str:
        """The digest that the local registry has for NAME[:TAG][@DIGEST]."""
        name, _, digest = reference.removeprefix(f"{self.registry}/").partition("@")
        repository, _, tag = name.partition(":")
        found = registry.digest_of(self.registry, repository, digest or tag or "latest")
        assert found is not None, f"{reference} is not in the registry"
        return found

    def remove(self, *names: str) -> None:
        """Remove containers and images, running or not, there or not."""
        for name in names:
            if "/" not in name:
                self.run("rm", "--force", "--volumes", name, check=False)
            self.run("image", "rm", "--force", name, check=False)

    def clean(self) -> None:
        """Remove what has a name of this session."""
        containers = self.run(
            "ps", "--all", "--quiet", "--filter", f"name=^/?{self.prefix}", check=False
        ).stdout.split()
        if containers:
            self.run("rm", "--force", "--volumes", *containers, check=False)
        listed = self.run("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", check=False).stdout.split()
        ours = (f"{self.prefix}-", f"{self.registry}/{self.prefix}/")
        images = [name for name in listed if name.startswith(ours)]
        if images:
            self.run("image", "rm", "--force", *images, check=False)
