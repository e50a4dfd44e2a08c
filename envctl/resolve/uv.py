"""The resolver that uv is: one `uv pip compile` a question, in a folder that is gone afterwards."""

from __future__ import annotations

import functools
import os
import re
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from envctl.errors import IndexFailed, NoResolution, ToolFailed
from envctl.model.profile import Index
from envctl.model.resolution import Candidate, Pin, Resolution
from envctl.resolve import asking
from envctl.resolve.answer import parse
from envctl.resolve.asking import Source, end_of, own_cutoff
from envctl.resolve.binding import Bindings
from envctl.resolve.hints import Asked
from envctl.resolve.interface import Question
from envctl.resolve.retelling import retell
from envctl.resolve.stderr import Told
from envctl.resolve.stderr import parse as parse_stderr
from envctl.system.credentials import index_credentials, split_credentials
from envctl.system.files import scratch_dir
from envctl.system.process import Finished, TookTooLong, run
from envctl.system.uv import binary

if TYPE_CHECKING:
    from envctl.resolve.addresses import Addresses

_DEFAULT = "envctl-default"
_ASKING = "uv_client::cached_client=debug"
_PASSING_OVER = "uv_resolver=warn"
_LOG = ("DEBUG ", "TRACE ", "WARN ")
_CUT = re.compile(r"WARN `([^`]+)` has an invalid package format: Failed to read from zip file")


class UvResolver:
    """Implements `envctl.resolve.interface.Resolver` with the uv that is installed beside envctl.

    Which index answers for what nothing is bound to: the profile's own index without `packages`; else `default_index`;
    else uv's. Safe to use from several threads.

    Args:
        default_index: the mirror that this machine uses in place of uv's default index (http or https).
        environ: the caller's environment; see `asking.environment` for what of it reaches uv.
        timeout: seconds that one resolution may take.
        seen: called with the URL of each wheel as uv asks for its metadata, from any thread; not with bound indexes.
    """

    name = "uv"

    def __init__(
        self,
        *,
        default_index: str | None = None,
        environ: Mapping[str, str] | None = None,
        timeout: float = 900.0,
        seen: Callable[[str], None] | None = None,
    ) -> None:
        self._mirror = default_index
        self._environ = os.environ if environ is None else environ
        self._timeout = timeout
        self._seen = seen

    def default_index(self) -> str:
        """See `Resolver.default_index`; without credentials, without a request."""
        if self._mirror is not None:
            return split_credentials(self._mirror)[0]
        return _own_default_index(str(binary()))

    def resolve(self, question: Question) -> Resolution:
        """See `Resolver.resolve`."""
        asking.check(question)
        bindings = Bindings.of(question.indexes)
        with scratch_dir() as folder, self._routed(bindings, question) as route:
            sources = [*route.sources, *self._default_source(bindings)]
            for name, text in asking.files(question, sources).items():
                (folder / name).write_text(text, encoding="utf-8", newline="\n")
            log = _Log(None if bindings.bound else self._seen)
            done = self._run(question, folder, sources, log)
            if route.failures:
                raise route.failures[0]
            if done.status != 0:
                asked = Asked(question, bindings.owner, frozenset(route.absent), route.shown)
                told = parse_stderr(done.stderr)
                self._look_again(told, asked, sources)
                raise retell(told, asked, done.status)
            try:
                text = (folder / asking.OUTPUT).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise ToolFailed("uv ended well but left no answer", found=str(error)) from error
            log.check(question)
            return _settled(parse(text, question), question, bindings, route)

    def _look_again(self, told: Told, asked: Asked, sources: Sequence[Source]) -> None:
        from envctl.resolve.pages import check_pages

        default = next((source for source in sources if source.default), None)
        index = self.default_index() if default is None else default.url
        credentials = None if default is None else default.credentials
        check_pages(told, asked, index=index, credentials=credentials, environ=self._environ)

    def _run(self, question: Question, folder: Path, sources: Sequence[Source], log: _Log) -> Finished:
        command = asking.arguments(question, uv=str(binary()), python=sys.executable)
        env = asking.environment(self._environ, folder, sources)
        env["RUST_LOG"] = _PASSING_OVER if log.seen is None else f"{_PASSING_OVER},{_ASKING}"
        try:
            return run(command, env=env, cwd=folder, timeout=self._timeout, overhear=log)
        except TookTooLong as error:  # uv itself needs seconds: the rest is waiting for an index
            raise IndexFailed(
                f"{question.label} could not be resolved within {self._timeout:g} s",
                hint="an index answers too slowly; UV_HTTP_TIMEOUT is how many seconds uv waits for a single answer",
            ) from error

    def _default_source(self, bindings: Bindings) -> Iterator[Source]:
        unbound = bindings.unbound
        if unbound is not None:
            url, _ = split_credentials(unbound.url)
            secret = index_credentials({unbound.name: unbound.url}, self._environ).get(url)
            yield Source(key=_DEFAULT, url=url, credentials=secret, default=True, cutoff=own_cutoff(unbound))
        elif self._mirror is not None:
            url, secret = split_credentials(self._mirror)
            yield Source(key=_DEFAULT, url=url, credentials=secret, default=True)

    @contextmanager
    def _routed(self, bindings: Bindings, question: Question) -> Iterator[_Route]:
        if not bindings.bound:
            yield _Route()
            return
        from envctl.resolve.addresses import Addresses

        if question.offline:  # uv reads its cache and asks nobody: the addresses alone matter
            addresses = Addresses(bindings)
            yield _Route(addresses.sources(("offline", "")), addresses)
            return
        from envctl.resolve.router import Router

        with Router.session(bindings, self._environ) as (session, addresses):
            sources = addresses.sources((session.user, session.password))
            yield _Route(sources, addresses, session.failures, session.absent)


class _Log:
    """Listens to uv's log, which names each wheel that it asks for, and each one that it cannot read.

    Args:
        seen: called with the URL of each wheel that is asked for.
    """

    def __init__(self, seen: Callable[[str], None] | None) -> None:
        self.seen = seen
        self.cut: list[str] = []

    def __call__(self, line: str) -> bool:
        """True for every line of the log, which is no message."""
        if not line.startswith(_LOG):
            return False
        cut = _CUT.match(line)
        if cut is not None:
            self.cut.append(cut[1])
        _, _, url = line.rpartition(" ")
        if self.seen is not None and url.startswith(("https://", "http://")) and url.endswith(".whl"):
            self.seen(url)
        return True

    def check(self, question: Question) -> None:
        """uv passes over a version whose wheel ends too early, and takes an older one: nobody asked for that."""
        if self.cut:
            name, _, version = self.cut[0].partition("==")
            raise IndexFailed(
                f"the index has {name} {version}, but its wheel cannot be read to its end ({question.label})",
                hint=f'try again; where it stays so, constraints = ["{name}!={version}"] leaves that version out',
            )


class _Route(msgspec.Struct, frozen=True):
    """What a resolution needs to know of its router; without bound indexes there is none."""

    sources: Sequence[Source] = ()
    addresses: Addresses | None = None
    failures: Sequence[Exception] = ()
    absent: Collection[str] = ()

    def shown(self, url: str) -> str:
        """The address as users know it."""
        real = self.addresses.real(url) if self.addresses is not None else None
        return url if real is None else real[0]

    def found(self, wheel: Candidate) -> tuple[Candidate, Index | None]:
        """A wheel as its index has it, and that index where it is a bound one."""
        found = self.addresses.found(wheel) if self.addresses is not None else None
        return (wheel, None) if found is None else found


def _settled(resolution: Resolution, question: Question, bindings: Bindings, route: _Route) -> Resolution:
    """The pins with their real addresses, each from the index that it is bound to and no other.

    uv was asked so that nothing else can come out; this is the proof, because a mistake here is an attack there.
    """
    pins = []
    for pin in resolution.pins:
        owner = bindings.owner(pin.name)
        found = [route.found(wheel) for wheel in pin.wheels]
        if any(index is not owner for _, index in found):
            raise _elsewhere(pin, owner, question)
        _check_cutoff(pin, owner or bindings.unbound, question)
        wheels = tuple(wheel for wheel, _ in found)
        pins.append(msgspec.structs.replace(pin, wheels=wheels, index=None if owner is None else owner.name))
    return Resolution(pins=tuple(pins))


def _check_cutoff(pin: Pin, index: Index | None, question: Question) -> None:
    own = True if index is None else own_cutoff(index)
    cutoff = question.cutoff if own is True else own
    if isinstance(cutoff, datetime):
        late = [w.filename for w in pin.wheels if w.upload_time is not None and w.upload_time >= end_of(cutoff)]
        if late:
            raise ToolFailed(f"uv pinned {late[0]}, which was uploaded after the cutoff {cutoff.isoformat()}")


def _elsewhere(pin: Pin, owner: Index | None, question: Question) -> Exception:
    if owner is None:
        return ToolFailed(f"uv took {pin.name} from an index that it is not bound to")
    if question.offline:
        return IndexFailed(
            f"{question.label} cannot be resolved offline",
            details=[f"{pin.name} is bound to the index {owner.name!r}, whose page is not in uv's cache"],
            hint="lock once with a network; what was read then stays in uv's cache",
        )
    direct = [r for r in question.requirements if "@" in r.text and pin.wheels and pin.wheels[0].url in r.text]
    if direct:
        return NoResolution(
            f"{pin.name} is asked for by address, but is bound to the index {owner.name!r}",
            file=direct[0].file,
            line=direct[0].line,
            key=direct[0].key,
            hint=f"ask for a version of {pin.name}, or take it out of the index's `packages`",
        )
    return ToolFailed(f"uv took {pin.name} from elsewhere than the index {owner.name!r}, to which it is bound")


_lock = threading.Lock()


def _own_default_index(uv: str) -> str:
    with _lock:
        return _ask_default_index(uv)


@functools.lru_cache
def _ask_default_index(uv: str) -> str:
    command = [uv, "pip", "compile", "-", "--emit-index-url", "--no-header", "--offline", "--color", "never"]
    command += ["--no-config", "--no-python-downloads", "--python", sys.executable]
    with scratch_dir() as folder:
        done = run(command, env=asking.environment(os.environ, folder), cwd=folder, timeout=60)
    words = done.stdout.split()
    if done.status != 0 or len(words) != 2 or words[0] != "--index-url" or not words[1].startswith("https://"):
        raise ToolFailed(
            "uv does not say which index it uses by default", found=(done.stderr or done.stdout).strip()[:200] or None
        )
    return words[1]
