"""The engine, its builder, and the platforms that they reach."""

from __future__ import annotations

from envctl.doctor.check import Check, ok, problem, skipped, unknown, warning
from envctl.doctor.needs import Needs
from envctl.oci.engine import EngineInfo
from envctl.system.docker import BuilderInfo, numbers

_OLDEST = 23
_OLDEST_STANDALONE = 25  # ADD --checksum


def engine(info: EngineInfo | None, failure: str | None, needs: Needs | None) -> Check:  # noqa: PLR0911  # one for each answer
    """Whether an engine answers, and is new enough for the target's Dockerfile.

    Args:
        failure: why there is no `info`.
    """
    if needs is not None and not needs.image:
        return skipped("engine", f"{needs.target} has no image")
    if info is None:
        hint = "start Docker, or set DOCKER_HOST; verifying an image in a registry needs no engine"
        if failure is not None and "Permission denied" in failure:
            hint = "join the engine's group: `sudo usermod -aG docker $USER`, then log in again"
        elif failure is not None and "SDK" in failure:
            hint = "pip install 'envctl-ml[containers]'"
        return problem("engine", failure or "no container engine answers", hint=hint)
    name = f"{info.product} {info.version.partition('+')[0]}"
    if info.os != "linux":
        return problem("engine", f"{name} runs {info.os} containers", hint="switch it to Linux containers")
    if info.product != "Docker":
        return warning(
            "engine", f"{name}, which builds without BuildKit", hint="a docker command with buildx builds for it"
        )
    oldest = _OLDEST_STANDALONE if needs is not None and needs.standalone else _OLDEST
    found = numbers(info.version)
    if not found:
        return unknown("engine", f"{name}, a version that says nothing", hint=f"Docker {oldest} or newer is needed")
    if found[0] < oldest:
        reason = " for a standalone Python (ADD --checksum)" if oldest == _OLDEST_STANDALONE else ""
        return problem("engine", f"{name} is too old: Docker {oldest} is needed{reason}", hint="upgrade the engine")
    store = "containerd store" if info.containerd_store else f"{info.driver} store"
    details = [] if not info.rootless else ["rootless"]
    return ok("engine", ", ".join([name, store, *details]))


def builder(info: BuilderInfo, needs: Needs | None) -> Check:
    """Whether the docker command builds with BuildKit."""
    if needs is not None and not needs.image:
        return skipped("builder", f"{needs.target} has no image")
    if info.docker is None:
        return problem(
            "builder", "there is no docker command on PATH", hint="install Docker's command line and its buildx plugin"
        )
    if info.buildx is not None:
        return ok("builder", f"BuildKit, by buildx {info.buildx}")
    version = numbers(info.docker)
    if version and version[0] < _OLDEST:
        return ok("builder", f"BuildKit, by docker {info.docker}")
    return problem(
        "builder",
        f"docker {info.docker.partition('+')[0]} has no buildx plugin, and builds without BuildKit",
        hint="install docker-buildx-plugin (Debian and Ubuntu: docker-buildx)",
    )


def platform(
    needs: Needs | None, host: str, info: EngineInfo | None, built: tuple[str, ...], emulated: frozenset[str]
) -> Check:
    """Whether the target's platforms run here: natively, emulated, or not at all.

    Args:
        host: this machine, by its OCI name.
        built: what the builder says that it builds for.
        emulated: what this machine's kernel hands to an emulator.
    """
    if needs is None:
        return ok("platform", host)
    if not needs.image:
        if needs.here:
            return ok("platform", f"{host}, for which {needs.target} is locked")
        hint = f'add "{host}" to platforms, then `envctl lock {needs.target}`'
        return problem("platform", f"{needs.target} is not locked for {host}", hint=hint)
    native = host if info is None else f"{info.os}/{info.architecture}"
    wanted = [name for name in needs.platforms if name.startswith("linux/")]
    slow = [name for name in wanted if name != native and (name in built or name in emulated)]
    never = [name for name in wanted if name != native and name not in slow]
    details = [f"{name} runs emulated: many times slower" for name in slow]
    details += [f"{name} neither builds nor runs here" for name in never]
    arches = ",".join(name.partition("/")[2] for name in never)
    hint = f"a machine of that kind, or QEMU: docker run --privileged --rm tonistiigi/binfmt --install {arches}"
    if native in wanted:
        message = f"{native}, native"
        return warning("platform", message, *details, hint=hint) if never else ok("platform", message, *details)
    if slow:
        return warning("platform", f"{native} is not what {needs.target} is locked for", *details, hint="it works")
    return problem("platform", f"{native} cannot run {', '.join(wanted)}", *details, hint=hint)
