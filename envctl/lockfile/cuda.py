"""The profile's `cuda` is an assertion: the nvidia-* pins must agree with it. Pure."""

from __future__ import annotations

import re

from envctl.errors import NoResolution
from envctl.lockfile.assemble import Sets
from envctl.model.profile import Inputs

_MAJOR = re.compile(r"nvidia-.*-cu(\d+)")
_RUNTIME = re.compile(r"nvidia-cuda-runtime(?:-cu\d+)?")


def check_cuda(inputs: Inputs, sets: Sets) -> None:
    """NoResolution when a pin carries libraries of another CUDA than the profile asserts.

    The suffix `-cuNN` gives the major version; nvidia-cuda-runtime's own version gives the minor one.
    """
    asserted = inputs.profile.cuda
    if asserted is None:
        return
    wrong = set()
    for resolved in sets.values():
        for package in resolved:
            suffix = _MAJOR.fullmatch(package.name)
            if suffix is not None and suffix[1] != asserted.partition(".")[0]:
                wrong.add(f"{package.name} {package.version} is for CUDA {suffix[1]}")
            elif _RUNTIME.fullmatch(package.name) and package.version.split(".")[:2] != asserted.split("."):
                wrong.add(f"{package.name} {package.version} is CUDA {'.'.join(package.version.split('.')[:2])}")
    if wrong:
        file, line = inputs.line_of.get("cuda", (f"profiles/{inputs.target.profile}.toml", None))
        raise NoResolution(
            f"{inputs.target}: the NVIDIA libraries are not those of CUDA {asserted}",
            file=file,
            line=line,
            key="cuda",
            details=sorted(wrong),
            hint="constrain the packages that bring them, bind them to the index of that CUDA, or change `cuda`",
        )
