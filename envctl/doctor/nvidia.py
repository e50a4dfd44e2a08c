"""NVIDIA: driver, GPUs and the way into containers, against the CUDA that a target carries."""

from __future__ import annotations

import collections
import re

from envctl.doctor.check import Check, ok, problem, skipped, unknown, warning
from envctl.doctor.needs import Needs
from envctl.doctor.resources import size
from envctl.model import cuda as rules
from envctl.model.cuda import Cuda, Support, show_driver, show_release
from envctl.oci.engine import EngineInfo
from envctl.system.gpu import CDI_KIND, Gpu, Nvidia

# Forward compatibility works on NVIDIA's data-center GPUs alone (CUDA Compatibility, "Forward Compatibility").
_DATA_CENTER = re.compile(
    r"\b(?:Tesla|[APV]100|A[0-9]{1,2}|A800|H[0-9]{2,3}|GH200|GB?[23]00|B[123]00|L4|L40S?|T4|P40?)\b"
)


def driver(found: Nvidia, needs: Needs | None) -> Check:
    """Whether the driver runs the CUDA that the target carries: in full, without new features, or not at all."""
    cuda = None if needs is None else needs.cuda
    if needs is not None and cuda is None:
        return skipped("driver", f"{needs.target} carries no CUDA")
    carries = "" if needs is None else f"{needs.target} carries CUDA {cuda}"
    if found.driver is None and found.cuda is None:
        return _no_driver(found, cuda, carries)
    if found.smi is not None:
        return problem(
            "driver",
            f"{found.driver} is loaded, and does not answer",
            f"nvidia-smi: {found.smi}",
            hint="after an upgrade of the driver: load its module anew, or restart the machine",
        )
    if needs is None or cuda is None:
        newest = "" if found.cuda is None else f", CUDA {show_release(found.cuda)}"
        return ok("driver", f"{found.driver}{newest}{_where(found)}")
    return _judged(found, cuda, carries)


def _no_driver(found: Nvidia, cuda: Cuda | None, carries: str) -> Check:
    wanted = rules.full_from(cuda) if cuda is not None else None
    install = "install NVIDIA's driver" + (f", {show_driver(wanted)} or newer" if wanted is not None else "")
    if found.smi is not None:
        return problem("driver", "NVIDIA's driver does not answer", f"nvidia-smi: {found.smi}", hint=install)
    if found.cards:
        return problem(
            "driver", f"none is loaded for {_gpus(found.cards)} of NVIDIA", *filter(None, [carries]), hint=install
        )
    if found.wsl and cuda is not None:
        return warning("driver", "none in WSL2", carries, hint="install NVIDIA's driver in Windows, none in Linux")
    if cuda is None:
        return skipped("driver", "there is no NVIDIA GPU")
    return warning(
        "driver",
        f"there is no NVIDIA GPU; {carries}",
        "it builds and installs here, and runs on the processor where its programs can",
        hint="run it on a machine with a GPU; `envctl doctor` there checks the driver",
    )


def _judged(found: Nvidia, cuda: Cuda, carries: str) -> Check:
    # WSL2 shows the version of Windows' driver, which counts otherwise
    number = None if found.wsl or found.driver is None else rules.parse_driver(found.driver)
    support = rules.support(cuda, number, found.cuda)
    full, oldest = rules.full_from(cuda), rules.runs_from(cuda)
    newest = found.cuda or (rules.newest_in_full(number) if number is not None else None)
    runs = (
        f"{found.driver}{_where(found)} runs CUDA {show_release(newest)} in full"
        if newest is not None
        else found.driver
    )
    source = f"CUDA {cuda} by {cuda.source}" + (f"; cuDNN {cuda.cudnn}" if cuda.cudnn is not None else "")
    upgrade = f"upgrade the driver to {show_driver(full)}" if full is not None else "upgrade the driver"
    if support is Support.FULL:
        return ok(
            "driver",
            f"{found.driver}{_where(found)} runs CUDA {cuda}{'' if cuda.minor is not None else '.x'}{_all(cuda)}",
            source,
        )
    if support is Support.MINOR:
        when = f"; full from {show_driver(full)}" if full is not None and not found.wsl else ""
        return warning(
            "driver", f"{runs}; {carries}", f"works without new features (same major version){when}", source,
            hint=f"{upgrade}, where a program asks for more than that",
        )  # fmt: skip
    if support is Support.NONE:
        details = (
            []
            if oldest is None or found.wsl
            else [f"CUDA {cuda.major} runs from {show_driver(oldest)}" + _full(full, oldest)]
        )
        details += _forward(found.gpus, cuda)
        return problem("driver", f"{runs}; {carries}", *details, source, hint=upgrade)
    return unknown(
        "driver", f"{found.driver}{_where(found)}; {carries}, which is newer than what is known here",
        source, hint="NVIDIA's release notes of that CUDA name the driver",
    )  # fmt: skip


def _all(cuda: Cuda) -> str:
    return " in full" if cuda.minor is not None else ", as every driver of that major version"


def _full(full: rules.Driver | None, oldest: rules.Driver) -> str:
    return "" if full is None or full == oldest else f" without new features, in full from {show_driver(full)}"


def _forward(gpus: tuple[Gpu, ...], cuda: Cuda) -> list[str]:
    if not any(_DATA_CENTER.search(gpu.name) for gpu in gpus):
        return []
    package = f"cuda-compat-{cuda.major}-{cuda.minor}" if cuda.minor is not None else f"cuda-compat-{cuda.major}-x"
    return [
        f"or, on these data-center GPUs, {package} in the image (nvidia/cuda bases bring it): forward compatibility"
    ]


def gpus(found: Nvidia, needs: Needs | None) -> Check:
    """Whether the CUDA libraries have code for the GPUs that are here."""
    cuda = None if needs is None else needs.cuda
    if needs is not None and cuda is None:
        return skipped("gpu", f"{needs.target} carries no CUDA")
    if not found.gpus:
        return skipped("gpu", "no GPU answers")
    counted = collections.Counter((gpu.name, gpu.capability, gpu.memory) for gpu in found.gpus)
    shown = ", ".join(_one(*key, count) for key, count in counted.items())
    if cuda is None:
        return ok("gpu", shown)
    oldest = rules.oldest_gpu(cuda)
    old = [gpu for gpu in found.gpus if gpu.capability is not None and oldest is not None and gpu.capability < oldest]
    if old and oldest is not None:
        say = problem if len(old) == len(found.gpus) else warning
        lowest = f"CUDA {cuda.major} has code for compute capability {show_release(oldest)} and later"
        return say("gpu", f"{shown}: too old for CUDA {cuda}", lowest, hint=f"lock packages for CUDA {cuda.major - 1}")
    for gpu in found.gpus:
        first = rules.first_for_gpu(gpu.capability) if gpu.capability is not None else None
        if first is not None and cuda.minor is not None and (cuda.major, cuda.minor) < first:
            return warning(
                "gpu",
                f"{gpu.name} is newer than CUDA {cuda}, which has no code of its own for it",
                f"such code comes with CUDA {show_release(first)}; until then what can be compiled at start runs",
                hint=f"lock packages for CUDA {show_release(first)} or newer",
            )
    return ok("gpu", shown)


def toolkit(found: Nvidia, info: EngineInfo | None, needs: Needs | None) -> Check:  # noqa: PLR0911  # one for each answer
    """Whether the engine can hand GPUs to containers."""
    name = "toolkit"
    if needs is not None and (needs.cuda is None or not needs.image):
        return skipped(name, f"{needs.target} has no image that carries CUDA")
    if found.driver is None and found.cuda is None:
        return skipped(name, "there is no driver to hand on")
    if info is None:
        return unknown(name, "no engine says whether it hands GPUs to containers", hint="start the engine")
    if "nvidia" in info.runtimes:
        return ok(name, "the engine has the runtime nvidia")
    if any(device.startswith(CDI_KIND) for device in info.devices):
        return ok(name, "the engine knows the GPUs by CDI")
    if found.cdi:
        return warning(
            name, f"the engine lists no GPU, though {found.cdi[0]} describes them",
            hint='Docker 28.3 reads it by itself; before, set {"features": {"cdi": true}} in its daemon.json',
        )  # fmt: skip
    return problem(
        name, "the engine cannot hand GPUs to containers: NVIDIA's container toolkit is missing, or not configured",
        hint="install nvidia-container-toolkit, then `nvidia-ctk runtime configure`, and restart the engine",
    )  # fmt: skip


def _one(name: str, capability: tuple[int, int] | None, memory: int | None, count: int) -> str:
    facts = [f"compute capability {show_release(capability)}"] if capability is not None else []
    facts += [size(memory)] if memory is not None else []
    return f"{f'{count} x ' if count > 1 else ''}{name}" + (f" ({', '.join(facts)})" if facts else "")


def _gpus(count: int) -> str:
    return "a GPU" if count == 1 else f"{count} GPUs"


def _where(found: Nvidia) -> str:
    return " of Windows (WSL2)" if found.wsl else ""
