"""Which features of a processor the locked wheels cannot do without.

Most wheels look at the processor when they run and choose. Those below were compiled for some features throughout, and
end with an error or an illegal instruction where one is missing. Each row was read from the wheels themselves:

- NumPy 2.4 and later: `numpy._core._multiarray_umath.__cpu_baseline__` is X86_V2; importing it elsewhere is an error.
- Polars: `BUILD_FEATURE_FLAGS` of its runtime package; `polars-runtime-compat` and `polars-lts-cpu` ask for less, and
  where the former is installed it is what Polars loads.
- TensorFlow: its CPU feature guard aborts without AVX, for which its wheels are compiled (`-mavx`).
- jaxlib: `jaxlib.cpu_feature_guard` refuses to be imported without AVX.
- PyArrow: Arrow is compiled for SSE4.2 (`ARROW_SIMD_LEVEL`).

Flags are spelled as in /proc/cpuinfo. Only x86-64 has such differences: every aarch64 wheel runs on ARMv8.0.
"""

from __future__ import annotations

import msgspec

from envctl.doctor.check import Check, ok, problem, skipped, unknown
from envctl.doctor.needs import Needs
from envctl.system.hardware import Processor

_V2 = ("cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3")
_POLARS = ("avx", "avx2", "fma", "bmi1", "bmi2", "abm", "pclmulqdq", "movbe", *_V2)
_SHOWN = {
    "pni": "sse3",
    "abm": "lzcnt",
    "cx16": "cmpxchg16b",
    "sse4_1": "sse4.1",
    "sse4_2": "sse4.2",
    "lahf_lm": "lahf",
}


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    """A distribution, the features that it needs, their best known name, and the first version that needs them."""

    name: str
    flags: tuple[str, ...]
    called: str
    since: str = "0"


_TABLE = (
    _Row(name="numpy", flags=_V2, called="x86-64-v2", since="2.4"),
    _Row(name="polars-runtime-32", flags=_POLARS, called="avx2"),
    _Row(name="polars-runtime-64", flags=_POLARS, called="avx2"),
    _Row(name="polars", flags=_POLARS, called="avx2"),
    _Row(name="polars-u64-idx", flags=_POLARS, called="avx2"),
    _Row(name="tensorflow", flags=("avx",), called="avx", since="1.6"),
    _Row(name="tensorflow-cpu", flags=("avx",), called="avx", since="1.15"),
    _Row(name="jaxlib", flags=("avx",), called="avx", since="0.1.62"),
    _Row(name="pyarrow", flags=("sse4_2", "popcnt"), called="sse4.2", since="1"),
)


def cpu(processor: Processor | None, needs: Needs | None) -> Check:
    """Whether the processor has what the wheels were compiled for."""
    if needs is not None and needs.platform.arch != "amd64":
        return skipped("cpu", f"wheels for {needs.platform} run on every such processor")
    if processor is None:
        return unknown("cpu", "its features cannot be read", hint="/proc/cpuinfo lists them on Linux")
    if needs is None:
        return ok("cpu", f"{processor.name or 'unnamed'}, {processor.cpus} usable, {level(processor.flags)}")
    rows = _rows(needs.packages)
    lacking = [(row, [flag for flag in row.flags if flag not in processor.flags]) for row in rows]
    lacking = [(row, missing) for row, missing in lacking if missing]
    if lacking:
        return problem(
            "cpu",
            f"{processor.name or 'it'} lacks what {_names([row for row, _ in lacking])} wheels need",
            *(
                f"{row.name} {needs.packages[row.name]} needs {row.called}: no {', '.join(map(_shown, missing))}"
                for row, missing in lacking
            ),
            hint=_hint([row.name for row, _ in lacking]),
        )
    if not rows:
        return ok("cpu", f"{level(processor.flags)}; no wheel is known to need more than every x86-64 processor has")
    strongest = max(rows, key=lambda row: len(row.flags))
    return ok(
        "cpu", f"{strongest.called}, which {_names([r for r in rows if r.called == strongest.called])} wheels need"
    )


def level(flags: frozenset[str]) -> str:
    """The level of the x86-64 psABI that a processor has, up to 4."""
    v3 = {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"}
    v4 = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
    reached = 1
    for number, needed in enumerate((set(_V2), v3, v4), start=2):
        if not needed <= flags:
            break
        reached = number
    return "x86-64" if reached == 1 else f"x86-64-v{reached}"


def _rows(packages: dict[str, str]) -> list[_Row]:
    from packaging.version import InvalidVersion, Version

    found = []
    split = any(name.startswith("polars-runtime-") for name in packages)
    for row in _TABLE:
        if row.name not in packages:
            continue
        if row.name.startswith("polars") and "polars-runtime-compat" in packages:
            continue
        if row.name in {"polars", "polars-u64-idx"} and split:
            continue  # the code is in its runtime package
        try:
            if Version(packages[row.name]) >= Version(row.since):
                found.append(row)
        except InvalidVersion:
            continue
    return found


def _names(rows: list[_Row]) -> str:
    return ", ".join(f"{row.name}'s" for row in rows)


def _shown(flag: str) -> str:
    return _SHOWN.get(flag, flag)


def _hint(names: list[str]) -> str:
    hint = "another processor; a virtual machine may hide what its host has (CPU type host)"
    if any(name.startswith("polars") for name in names):
        return f"{hint}; for Polars: polars[rtcompat]"
    return f"{hint}; or numpy<2.4" if names == ["numpy"] else hint
