"""A question as uv understands it: files, arguments and environment. Pure.

uv sees a project of ours, a configuration file of ours (`--config-file` ends every search for others, the system's
included), and of the caller's environment only what decides how a network is reached, never what is found there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from envctl.errors import InvalidFile
from envctl.model.names import normalise
from envctl.model.platform import Libc, Platform
from envctl.model.profile import Index
from envctl.resolve.interface import Question
from envctl.system.credentials import redact, split_credentials

PROJECT = "envctl-asks-on-behalf-of-a-profile"
"""Name of the project that uv is asked about; retelling turns it into "you"."""

OUTPUT = "pylock.toml"
_GLIBC = (17, 28, *range(31, 41))
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_PASSED = (
    *("HOME", "USERPROFILE", "LOCALAPPDATA", "APPDATA", "SYSTEMROOT", "TMPDIR", "TMP", "TEMP"),
    *("XDG_CACHE_HOME", "XDG_DATA_HOME", "UV_CACHE_DIR", "UV_CREDENTIALS_DIR", "NETRC"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "SSL_CLIENT_CERT", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS"),
    *("UV_HTTP_TIMEOUT", "UV_REQUEST_TIMEOUT", "UV_HTTP_CONNECT_TIMEOUT", "UV_HTTP_READ_TIMEOUT", "UV_HTTP_RETRIES"),
    *("UV_CONCURRENT_DOWNLOADS",),
)


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """An index as uv is to use it.

    Attributes:
        key: how uv's configuration and environment call it.
        url: without credentials.
        credentials: user name and password.
        default: whether it takes the place of uv's default index.
        local: on the loopback, where no proxy may come between.
        cutoff: True where the question's cutoff holds, False for none, or a moment of its own.
    """

    key: str
    url: str
    credentials: tuple[str, str] | None = None
    default: bool = False
    cutoff: bool | datetime = True
    local: bool = False


def python_platform(platform: Platform, libc: Libc, label: str) -> str:
    """The value of `--python-platform`: the newest C library that uv offers and that is not newer than asked for."""
    if platform.os == "darwin":
        return f"{'x86_64' if platform.arch == 'amd64' else 'aarch64'}-apple-darwin"
    machine = _MACHINES[platform.arch]
    if libc.family == "musl":
        if (libc.major, libc.minor) < (1, 2):
            raise _too_old(libc, "musl 1.2", label)
        return f"{machine}-unknown-linux-musl"
    fitting = [minor for minor in _GLIBC if (2, minor) <= (libc.major, libc.minor)]
    if not fitting:
        raise _too_old(libc, f"glibc 2.{_GLIBC[0]}", label)
    return f"{machine}-manylinux_2_{fitting[-1]}"


def _too_old(libc: Libc, oldest: str, label: str) -> InvalidFile:
    return InvalidFile(
        f"{label}: uv cannot resolve for {libc}",
        key="libc",
        found=str(libc),
        expected=f"{oldest} or newer",
        hint=f'write libc = "{oldest}"; a wheel for an older C library runs there too',
    )


def end_of(cutoff: datetime) -> datetime:
    """The first moment that a cutoff hides. uv's bound is exclusive and upload times are recorded in whole seconds, so
    this is the end of the cutoff's second: what was uploaded at the recorded moment stays visible.
    """
    return cutoff.astimezone(timezone.utc).replace(microsecond=0) + timedelta(seconds=1)


def _written(cutoff: datetime) -> str:
    return end_of(cutoff).strftime("%Y-%m-%dT%H:%M:%SZ")


def own_cutoff(index: Index) -> bool | datetime:
    """An index's own cutoff as `Source` has it; InvalidFile for a text that is no moment with its offset to UTC."""
    text = index.exclude_newer
    if isinstance(text, bool):
        return text
    text = re.sub(r"\.\d+", "", text)  # whole seconds, as everywhere
    try:
        date = re.fullmatch(r"\d{4}-\d\d-\d\d", text.strip()) is not None
        found = datetime.fromisoformat(
            f"{text.strip()}T00:00:00+00:00" if date else re.sub("[zZ]$", "+00:00", text.strip())
        )
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InvalidFile(
            f"the index {index.name!r} has a cutoff that is no moment",
            key="resolver.index",
            found=f'exclude-newer = "{text}"',
            expected='a moment such as "2026-11-01T00:00:00Z" (a span would mean another one tomorrow), or false',
        )
    return found


def check(question: Question) -> None:
    """InvalidFile for a requirement that names a file which cannot stand in a lockfile, or uv's project itself."""
    for requirement in (*question.requirements, *question.constraints):
        direct = _DIRECT.fullmatch(requirement.text)
        name, url = (direct[1], direct[3]) if direct is not None else ("", "")
        if url and not (url.startswith(("http://", "https://")) and _plain_wheel(url)):
            raise InvalidFile(
                f"{name} is asked for by an address that cannot stand in a lockfile",
                file=requirement.file,
                line=requirement.line,
                key=requirement.key,
                found=redact(url),
                expected="a version from an index, or `NAME @ https://…/FILE.whl` without credentials",
            )
        if normalise(re.split(r"[^\w.-]", requirement.text.strip(), maxsplit=1)[0]) == PROJECT:
            raise InvalidFile(f"{PROJECT} cannot be asked for", file=requirement.file, line=requirement.line)


_DIRECT = re.compile(r"\s*([\w.-]+)\s*(\[[^\]]*\])?\s*@\s*(\S+)(?:\s.*)?", re.DOTALL)


def _plain_wheel(url: str) -> bool:
    return urlsplit(url).path.endswith(".whl") and split_credentials(url)[1] is None


def files(question: Question, sources: Iterable[Source]) -> dict[str, str]:
    """What uv reads, by file name: the project, the configuration, and the pins to keep."""
    written = {
        "pyproject.toml": f'[project]\nname = "{PROJECT}"\nversion = "0"\n'
        + _array("dependencies", (r.text for r in question.requirements)),
        "uv.toml": _array("constraint-dependencies", (r.text for r in question.constraints))
        + _array("override-dependencies", question.overrides)
        + _array("exclude-dependencies", question.exclude)
        + "".join(_index(source) for source in sources),
    }
    if question.preferences:
        written[OUTPUT] = 'lock-version = "1.0"\ncreated-by = "envctl"\n' + "".join(
            f"[[packages]]\nname = {_string(name)}\nversion = {_string(version)}\n"
            for name, version in sorted(question.preferences.items())
        )
    return written


def _string(text: str) -> str:
    # A JSON string is a TOML basic string, but for DEL, which TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _array(key: str, values: Iterable[str]) -> str:
    return f"{key} = [{', '.join(_string(value) for value in values)}]\n"


def _index(source: Source) -> str:
    lines = ["[[index]]", f"name = {_string(source.key)}", f"url = {_string(source.url)}"]
    if source.default:
        lines.append("default = true")
    if source.credentials is not None:
        lines.append('authenticate = "always"')
    if isinstance(source.cutoff, datetime):
        lines.append(f"exclude-newer = {_string(_written(source.cutoff))}")
    elif not source.cutoff:
        lines.append("exclude-newer = false")
    return "\n".join(lines) + "\n"


def arguments(question: Question, *, uv: str, python: str) -> list[str]:
    """The command line. `python` only answers for itself: nothing is built, and `--python-version` decides."""
    command = [
        *(uv, "pip", "compile", "pyproject.toml", "--config-file", "uv.toml", "--format", "pylock.toml", "-o", OUTPUT),
        *("--no-header", "--only-binary", ":all:", "--python", python, "--no-python-downloads"),
        *("--python-version", question.python),
        *("--python-platform", python_platform(question.platform, question.libc, question.label)),
        *("--preview-features", "index-exclude-newer", "--no-progress", "--color", "never"),
    ]
    if question.cutoff is not None:
        command += ["--exclude-newer", _written(question.cutoff)]
    if question.offline:
        command.append("--offline")
    return command


def variable(key: str, what: str) -> str:
    """The environment variable in which uv looks for an index's USERNAME or PASSWORD."""
    return f"UV_INDEX_{re.sub('[^A-Z0-9]', '_', key.upper())}_{what}"


def environment(environ: Mapping[str, str], folder: Path, sources: Iterable[Source] = ()) -> dict[str, str]:
    """The whole environment of uv: how to reach a network from `environ`, the credentials of the sources, no more."""
    env = {name: environ[name] for name in _PASSED if name in environ}
    empty = str(folder / "none")
    env |= {"XDG_CONFIG_HOME": empty, "XDG_CONFIG_DIRS": empty, "MACOSX_DEPLOYMENT_TARGET": "14.0"}
    sources = list(sources)
    if any(source.local for source in sources):
        direct = [env[name] for name in ("NO_PROXY", "no_proxy") if env.get(name)]
        env["NO_PROXY"] = env["no_proxy"] = ",".join([*direct, "127.0.0.1"])
    for source in sources:
        if source.credentials is not None:
            user, password = source.credentials
            env |= {variable(source.key, "USERNAME"): user, variable(source.key, "PASSWORD"): password}
    return env
