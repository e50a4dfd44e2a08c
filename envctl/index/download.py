"""Wheels on this disk, each checked in full against its sha256 and its content digest before anything uses it."""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path

import msgspec

from envctl.errors import EnvctlError, IndexFailed, ToolFailed
from envctl.index.archive import TOTAL_LIMIT
from envctl.index.cache import ContentCache
from envctl.index.contents import WheelRef
from envctl.index.pages import project_page
from envctl.index.wheel import ReadWheel, read_file
from envctl.model.simple_api import SimpleFile
from envctl.system.credentials import origin, redact
from envctl.system.digests import sha256_file
from envctl.system.files import cache_dir
from envctl.system.http import Client

THREADS = 8
_CHUNK = 2**20
_HEX = re.compile(r"[0-9a-f]{64}")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A locked wheel. `content`: its content digest, `sha256:<hex>`, None where only the file's sha256 is known."""

    wheel: WheelRef
    content: str | None = None


class Store:
    """Wheels of the user's cache, by sha256: `<folder>/<first two digits>/<the others>.whl`."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = cache_dir("wheels", "v1") if folder is None else folder

    def place(self, sha256: str) -> Path:
        """Where the wheel with that sha256 is, or would be."""
        return self.folder / sha256[:2] / f"{sha256[2:]}.whl"


class Downloader:
    """Brings wheels from wherever they are to be had: given folders, the store, mirrors, the recorded URL.

    Args:
        mirrors: URLs of simple indexes, asked first, by name and sha256: who configured one may not reach another.
        local: folders with wheels by their file names.
        store: the cache of wheels; None for none.
        contents: what is known of wheels that were read whole before.
    """

    def __init__(
        self,
        client: Client,
        *,
        mirrors: Sequence[str] = (),
        local: Sequence[Path] = (),
        store: Store | None = None,
        contents: ContentCache | None = None,
    ) -> None:
        self._client = client
        self._mirrors, self._local = tuple(mirrors), tuple(local)
        self._store = Store() if store is None else store
        self._contents = ContentCache() if contents is None else contents
        self._pages: dict[tuple[str, str], tuple[SimpleFile, ...] | None] = {}
        self._locks: dict[tuple[str, str], threading.Lock] = {}

    def download(self, wanted: Wanted, folder: Path) -> Path:
        """Put a wheel into a folder, under its own name, atomically, and return its place.

        Raises:
            IndexFailed: nowhere is a file with that sha256, or it has not that content; every place is named.
        """
        wheel = wanted.wheel
        sha256 = wheel.sha256
        if sha256 is None or not _HEX.fullmatch(sha256):
            raise IndexFailed(f"{wheel.filename} has no sha256 to check it with", file=redact(wheel.url))
        goal = folder / wheel.filename
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if _sha256_of(goal) == sha256:
                self._check(goal, wanted, shown=goal)
            else:
                self._bring(wanted, sha256, goal)
        except OSError as error:
            raise ToolFailed("could not be written", file=goal, found=error.strerror) from error
        return goal

    def download_all(
        self, wanted: Sequence[Wanted], folder: Path, *, progress: Callable[[int, int], None] | None = None
    ) -> dict[str, Path]:
        """Put many wheels into a folder, several at a time; their places by file name.

        Args:
            progress: told (done, all) after each, in the calling thread.
        """
        places: dict[str, Path] = {}
        # Large ones first, so that the last to arrive is not the largest.
        ordered = sorted(wanted, key=lambda want: (-(want.wheel.size or 0), want.wheel.filename))
        pool = ThreadPoolExecutor(max(1, min(THREADS, len(ordered))), thread_name_prefix="envctl-download")
        try:
            running = {pool.submit(self.download, want, folder): want.wheel.filename for want in ordered}
            for done in as_completed(running):
                places[running[done]] = done.result()
                if progress is not None:
                    progress(len(places), len(ordered))
        except BaseException:
            self._client.cancel()  # nobody waits for what the others still download
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        return places

    def _bring(self, wanted: Wanted, sha256: str, goal: Path) -> None:
        """Try one place after the other until a file has the sha256; then its content must be right too."""
        problems: list[IndexFailed] = []
        for shown, fill in self._places(wanted.wheel, sha256, problems):
            temporary = goal.with_name(f".envctl-{secrets.token_hex(8)}.part")
            try:
                try:
                    found = fill(temporary)
                except IndexFailed as error:
                    problems.append(error)
                    continue
                if found != sha256:
                    problems.append(_other(wanted.wheel, shown, found, sha256))
                    continue
                self._check(temporary, wanted, shown=shown)
                self._keep(temporary, sha256)
                temporary.replace(goal)
                return
            finally:
                temporary.unlink(missing_ok=True)
        raise _nowhere(wanted.wheel, problems)

    def _places(
        self, wheel: WheelRef, sha256: str, problems: list[IndexFailed]
    ) -> Iterator[tuple[object, Callable[[Path], str | None]]]:
        """Each place by its name for messages, with what brings the file from there and tells its sha256."""
        for folder in self._local:
            place = folder / wheel.filename
            if place.is_file():
                yield place, partial(_copy, place)
        stored = self._store.place(sha256)
        if stored.is_file():
            yield stored, partial(_link, stored)
        for url in self._urls(wheel, sha256, problems):
            yield redact(url), partial(self._stream, url, limit=TOTAL_LIMIT if wheel.size is None else wheel.size)

    def _stream(self, url: str, goal: Path, *, limit: int) -> str:
        with goal.open("xb") as file:
            return self._client.stream_to(url, file, limit=limit).sha256

    def _urls(self, wheel: WheelRef, sha256: str, problems: list[IndexFailed]) -> Iterator[str]:
        recorded = wheel.url
        if any(_origin(mirror) == _origin(recorded) for mirror in self._mirrors):
            yield recorded  # locked against this very mirror: no page has to be asked
        for mirror in self._mirrors:
            try:
                files = self._page(mirror, wheel.filename.partition("-")[0]) or ()
            except IndexFailed as error:
                problems.append(error)
                continue
            for file in files:
                if file.filename == wheel.filename and file.sha256 in (None, sha256) and file.url != recorded:
                    yield _with_credentials(file.url, mirror)
        if recorded and not any(_origin(mirror) == _origin(recorded) for mirror in self._mirrors):
            yield recorded

    def _page(self, mirror: str, name: str) -> tuple[SimpleFile, ...] | None:
        key = (mirror, name)
        with self._locks.setdefault(key, threading.Lock()):
            if key not in self._pages:
                self._pages[key] = project_page(self._client, mirror, name)
            return self._pages[key]

    def _check(self, path: Path, wanted: Wanted, *, shown: object) -> None:
        """Compare the wheel, whose sha256 is right, with the content digest."""
        wheel = wanted.wheel
        sha256 = str(wheel.sha256)
        known = self._contents.get(sha256, filename=wheel.filename, whole=True)
        if known is None:
            content = read_file(path, filename=wheel.filename, shown=shown)
            known = ReadWheel(content=content, sha256=sha256, size=path.stat().st_size)
            self._contents.put(known)
        found = known.content.manifest.digest()
        if wanted.content is not None and found != wanted.content:
            raise IndexFailed(
                f"{wheel.filename} does not install what was locked",
                file=shown,
                found=f"content {found}",
                expected=f"content {wanted.content}",
                hint="the wheel's RECORD and its files disagree with what was read when locking: do not use it",
            )

    def _keep(self, file: Path, sha256: str) -> None:
        """Link a checked file into the store, in place of what may be wrong there.

        A link costs nothing, and whoever changes the file changes the store's with it: therefore what the store holds
        is hashed again whenever it is used. Where no link can be, the next time is a download again.
        """
        goal = self._store.place(sha256)
        with contextlib.suppress(OSError):
            if goal.exists() and goal.samefile(file):
                return
            goal.parent.mkdir(parents=True, exist_ok=True)
            temporary = goal.with_name(f".envctl-{secrets.token_hex(8)}.part")
            temporary.hardlink_to(file)
            temporary.replace(goal)


def download(
    wheel: WheelRef,
    folder: Path,
    *,
    client: Client,
    content_digest: str | None,
    mirrors: Sequence[str] = (),
    local: Sequence[Path] = (),
) -> Path:
    """One wheel; see `Downloader.download`."""
    return Downloader(client, mirrors=mirrors, local=local).download(
        Wanted(wheel=wheel, content=content_digest), folder
    )


def _link(source: Path, goal: Path) -> str | None:
    """The file itself under another name where the file system allows it, else a copy; and its sha256."""
    try:
        goal.hardlink_to(source)
    except OSError:
        return _copy(source, goal)
    return _sha256_of(goal)


def _copy(source: Path, goal: Path) -> str | None:
    """Copy a file and return the sha256 of what was copied, None when it could not be read."""
    digest = hashlib.sha256()
    with goal.open("xb") as file:
        try:
            with source.open("rb") as opened:
                while chunk := opened.read(_CHUNK):
                    digest.update(chunk)
                    file.write(chunk)
        except OSError as error:
            if error.filename != str(source):
                raise
            return None
    return digest.hexdigest()


def _sha256_of(path: Path) -> str | None:
    try:
        return sha256_file(path) if path.is_file() else None
    except OSError:
        return None


def _origin(url: str) -> tuple[str, str, int | None] | None:
    try:
        return origin(url)
    except ValueError:
        return None


def _with_credentials(url: str, mirror: str) -> str:
    """The file's URL with the user and password of the mirror's, where both have one origin."""
    userinfo, at, _ = mirror.partition("://")[2].partition("/")[0].rpartition("@")
    if not at or _origin(url) != _origin(mirror):
        return url
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{userinfo}@{rest}"


def _other(wheel: WheelRef, where: object, found: str | None, expected: str) -> IndexFailed:
    return IndexFailed(
        f"{wheel.filename} is another file than the one that was locked",
        file=where,
        found=f"sha256 {found}" if found else "a file that cannot be read",
        expected=f"sha256 {expected}",
    )


def _nowhere(wheel: WheelRef, problems: Sequence[IndexFailed]) -> EnvctlError:
    if len(problems) == 1:
        return problems[0]
    details = [line for problem in problems for line in str(problem).splitlines() if not line.startswith("hint:")]
    return IndexFailed(
        f"{wheel.filename} is nowhere to be had",
        file=redact(wheel.url),
        details=details,
        expected=f"a file with sha256 {wheel.sha256}",
        hint=next((problem.hint for problem in problems if problem.hint), None),
    )
