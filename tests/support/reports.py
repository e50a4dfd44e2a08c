"""Reports as values: of every verdict, ugly ones, and large ones."""

from __future__ import annotations

import hashlib
from typing import Any

from envctl.model.codes import named, verdict_of
from envctl.model.finding import (
    Counts,
    Finding,
    LockReference,
    PackageSet,
    PackageState,
    Report,
    Signature,
    Subject,
    Verdict,
)

SCOPE = ("packages", "files", "scripts", "startup-hooks", "bytecode", "configuration", "environment")
SIZES = {
    "torch": ("2.9.0+cpu", 11_204, 742_000_000),
    "scipy": ("1.14.0", 1_402, 121_000_000),
    "pandas": ("2.2.0", 2_871, 66_000_000),
    "numpy": ("2.1.0", 1_310, 58_000_000),
    "scikit-learn": ("1.6.0", 1_466, 43_000_000),
    "sympy": ("1.13.3", 1_590, 39_000_000),
    "matplotlib": ("3.9.0", 820, 24_000_000),
    "pillow": ("11.0.0", 190, 17_000_000),
    "networkx": ("3.4.2", 980, 9_800_000),
    "fonttools": ("4.55.0", 340, 9_100_000),
    "setuptools": ("80.9.0", 610, 7_200_000),
    "jinja2": ("3.1.6", 60, 1_300_000),
    "joblib": ("1.4.0", 130, 1_900_000),
    "pytz": ("2024.2", 615, 1_000_000),
    "contourpy": ("1.3.1", 40, 900_000),
    "kiwisolver": ("1.4.7", 20, 4_100_000),
    "fsspec": ("2024.10.0", 110, 1_100_000),
    "packaging": ("24.2", 40, 410_000),
    "threadpoolctl": ("3.5.0", 9, 62_000),
    "six": ("1.16.0", 8, 58_000),
    "typing-extensions": ("4.12.2", 7, 190_000),
}


def sha(text: str) -> str:
    """A digest that stands for the text."""
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def state(name: str, *, verdict: Verdict = Verdict.OK, **values: Any) -> PackageState:
    """A package as it is locked, unless said otherwise."""
    made = {"expected": "1.0", "found": "1.0", "files": 10, "bytes": 10_000}
    return PackageState(name=name, verdict=verdict, **{**made, **values})


def make_report(findings: tuple[Finding, ...] = (), *, strict: bool = False, **values: Any) -> Report:
    """A report of these findings; packages, verdict and digests follow from them."""
    about: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.package is not None:
            about.setdefault(finding.package, []).append(finding)
    known = {name: state(name, expected=v, found=v, files=f, bytes=b) for name, (v, f, b) in SIZES.items()}
    for name, found in about.items():
        before = known.get(name) or state(name)
        known[name] = PackageState(
            name=name,
            expected=before.expected,
            found=before.found,
            files=before.files,
            bytes=before.bytes,
            verdict=verdict_of(found, strict=strict),
        )
    verdict = verdict_of(findings, strict=strict)
    packages = tuple(sorted(known.values(), key=lambda item: item.name))
    made: dict[str, Any] = {
        "verdict": verdict,
        "scope": SCOPE,
        "target": "train:cpu",
        "platform": "linux/amd64",
        "subject": Subject(kind="venv", name=".venv"),
        "lock": LockReference(file="profiles/locked/pylock.train-cpu.toml", digest=sha("lock")),
        "package_set": PackageSet(expected=sha("set"), found=sha("set" if not about else "other")),
        "findings": findings,
        "counts": Counts(
            packages=len(packages), files=sum(p.files for p in packages), bytes=sum(p.bytes for p in packages)
        ),
        "packages": packages,
        "strict": strict,
        "seconds": 1.934,
    }
    return Report(**{**made, **values})


def changed_report(**values: Any) -> Report:
    """What an attack on an environment looks like, with warnings and notes."""
    found = (
        named("file-changed").finding(
            "content differs from the wheel's, RECORD was made to agree",
            package="scikit-learn",
            path="sklearn/metrics/_classification.py",
            expected=sha("a"),
            found=sha("b"),
        ),
        named("file-changed").finding(
            "content differs from the wheel's",
            package="numpy",
            path="numpy/__init__.py",
            expected=sha("c"),
            found=sha("d"),
        ),
        named("file-removed").finding("is missing", package="numpy", path="numpy/py.typed", expected=sha("e")),
        named("package-version").finding(
            "1.15.0 is installed, 1.16.0 is locked", package="six", expected="1.16.0", found="1.15.0"
        ),
        named("startup-hook-added").finding(
            "runs at every start of Python: import os; os.system('curl …')",
            path="lib/python3.11/site-packages/zz_boot.pth",
            found=sha("f"),
        ),
        named("file-added").finding(
            "belongs to no locked wheel", path="lib/python3.11/site-packages/nump\u0443/core.so", found=sha("g")
        ),
        named("package-seeded").finding(
            "23.0 is not locked; it equals the interpreter's own", package="pip", found="23.0"
        ),
    )
    return make_report(found, **values)


def reports() -> dict[str, Report]:
    """One of every verdict, and of every kind of subject."""
    unread = named("unreadable").finding("Permission denied", package="numpy", path="numpy/secret.py")
    bytecode = named("bytecode-unverified").finding("there is no Python 3.12 here", path=None)
    added = named("file-added").finding("belongs to no locked wheel", path="share/x.txt", found=sha("x"))
    mild = named("package-seeded").finding("23.0 is not locked", package="pip", found="23.0")
    image = Subject(kind="image", name="registry.example/team/train:1", digest=sha("image"))
    layer = named("base-changed").finding("its lowest layer is another", expected=sha("1"), found=sha("2"))
    foreign = named("platform-other").finding("is for linux/arm64, locked is linux/amd64", expected="linux/amd64")
    unsigned = named("lockfile-unsigned").finding("there is no such signature", path="pylock.train-cpu.toml.sig")
    signed = Signature(
        kind="ssh", file="pylock.train-cpu.toml.sig", identity="alice@example.com", key="ED25519 SHA256:abc"
    )
    nothing = {"packages": (), "counts": Counts(packages=0, files=0, bytes=0)}
    return {
        "ok": make_report(),
        "warning": make_report((mild,)),
        "strict": make_report((mild,), strict=True),
        "changed": changed_report(),
        "untrusted": make_report((added,)),
        "unverifiable": make_report((unread, bytecode), scope=tuple(word for word in SCOPE if word != "bytecode")),
        "self": make_report(
            scope=("self",), verdict=Verdict.UNVERIFIABLE, packages=(state("numpy", verdict=Verdict.UNVERIFIABLE),)
        ),
        "image": make_report((layer,), subject=image, scope=(*SCOPE, "image-settings")),
        "container": make_report(subject=Subject(kind="container", name="web", digest=sha("c"))),
        "foreign": make_report((foreign,), subject=image, platform="linux/arm64", scope=("platform",), **nothing),
        "unsigned": make_report((unsigned,), scope=("signature",), **nothing),
        "signed": make_report(scope=(*SCOPE, "signature"), signature=signed),
        "empty": make_report(**nothing),
    }


NAMES = (
    "new\nline.py",
    "tab\tand\x00null\x1b[31m.py",
    "bad\udcff\udc80.py",
    "num\u0440y/look-alike.py",
    "evil\u202efdp.exe",
    "sep\u2028arated\u0085\ufffe.py",
    "d/" * 2000 + "deep.py",
    "]]>&<!--",
    "</script><script>alert(1)</script><img src=x onerror=alert(1)>",
    "\"'><svg onload=alert(1)>",
    "{{7*7}}${x}`x`%s%d\\n\\",
    "\U0001f600\U0010ffff\ue000.py",
    " leading and trailing ",
    "",
    "a" * 100_000,
)


def ugly_report() -> Report:
    """Everything that could be taken for something else, everywhere it can stand."""
    found = tuple(
        named("file-changed").finding(f"says {name}", package=package, path=name, expected=name, found=name)
        for name in NAMES
        for package in (None, "numpy", name)
    )
    return make_report(
        found,
        target="train:cpu",
        subject=Subject(kind="venv", name="</title><b>x\udcff\x1b]0;owned\x07"),
        lock=LockReference(file='profiles/locked/py lock<&".toml', digest=sha("lock")),
    )


def large_report(findings: int = 50_000, packages: int = 1_000) -> Report:
    """Very many findings, over very many packages, some of them over one."""
    kinds = ("file-changed", "file-removed", "script-changed", "record-changed")
    found = [
        named(kinds[number % len(kinds)]).finding(
            "content differs from the wheel's",
            package=f"package-{number % packages:04}" if number % 2 or number < packages else "package-0000",
            path=f"package_{number % packages}/sub/module_{number}.py",
            expected=sha(str(number)),
            found=sha(f"{number}!"),
        )
        for number in range(findings)
    ]
    found.sort(key=lambda finding: finding.package or "")
    names = [f"package-{number:04}" for number in range(packages)]
    known = tuple(
        state(name, verdict=Verdict.CHANGED, files=100, bytes=1_000 * (number + 1)) for number, name in enumerate(names)
    )
    return make_report(tuple(found), packages=known)
