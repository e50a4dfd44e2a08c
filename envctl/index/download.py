"""Wheels on this disk, each checked in full against its sha256 and its content digest before anything uses it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import BinaryIO

import msgspec

from envctl.errors import EnvctlError, IndexFailed, ToolFailed
from envctl.index.archive import TOTAL_LIMIT
from envctl.index.cache import ContentCache
from envctl.index.contents import WheelRef
from envctl.index.pages import project_page
from envctl.index.wheel import ReadWheel, read_file
from envctl.model.simple_api import SimpleFile
from envctl.system.credentials import origin, redact
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
    """Wheels of the user's cache, by sha256: `<folder>/<first two digits>/<the others>.whl`; read-only files."""

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
        problems: list[IndexFailed] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if _sha256_of(goal) == sha256:
                self._check(goal, wanted, shown=goal)
                return goal
            with _beside(goal) as (file, temporary):
                for shown in self._places(wheel, sha256, file, problems):
                    self._check(temporary, wanted, shown=shown)
                    temporary.replace(goal)
                    return goal
        except OSError as error:
            raise ToolFailed("could not be written", file=goal, found=error.strerror) from error
        raise _nowhere(wheel, problems)

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
            self._client.close()  # nobody waits for what the others still download
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        return places

    def _places(self, wheel: WheelRef, sha256: str, file: BinaryIO, problems: list[IndexFailed]) -> Iterator[object]:
        """Fill the file from one place after the other; each place that had a file with the sha256 is yielded."""
        for folder in self._local:
            place = folder / wheel.filename
            if place.is_file():
                found = _copy(place, file)
                if found == sha256:
                    yield place
                else:
                    problems.append(_other(wheel, place, found, sha256))
        stored = self._store.place(sha256)
        if stored.is_file():
            if _copy(stored, file) == sha256:
                yield redact(wheel.url)
            else:
                with contextlib.suppress(OSError):
                    stored.unlink()
        for url in self._urls(wheel, sha256, problems):
            try:
                got = self._client.stream_to(url, file, limit=_limit(wheel))
            except IndexFailed as error:
                problems.append(error)
                continue
            file.flush()
            if got.sha256 == sha256:
                self._keep(file, sha256)
                yield redact(url)
            else:
                problems.append(_other(wheel, redact(url), got.sha256, sha256))

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

    def _keep(self, file: BinaryIO, sha256: str) -> None:
        """Put a copy into the store; where that cannot be, the next download is a download again."""
        goal = self._store.place(sha256)
        with contextlib.suppress(OSError):
            goal.parent.mkdir(parents=True, exist_ok=True)
            with _beside(goal) as (copy, temporary):
                file.seek(0)
                shutil.copyfileobj(file, copy, _CHUNK)
                copy.flush()
                temporary.chmod(0o444)
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


@contextlib.contextmanager
def _beside(goal: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A temporary file in the same folder, gone afterwards unless it was renamed."""
    descriptor, name = tempfile.mkstemp(prefix=".envctl-", suffix=".part", dir=goal.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            temporary.chmod(0o644)
            yield file, temporary
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def _copy(source: Path, file: BinaryIO) -> str:
    """Copy a file over another and return the sha256 of what was copied; empty when it could not be read."""
    digest = hashlib.sha256()
    file.seek(0)
    file.truncate()
    try:
        with source.open("rb") as opened:
            while chunk := opened.read(_CHUNK):
                digest.update(chunk)
                file.write(chunk)
    except OSError:
        return ""
    file.flush()
    return digest.hexdigest()


def _sha256_of(path: Path) -> str | None:
    digest = hashlib.sha256()
    try:
        if not path.is_file():
            return None
        with path.open("rb") as opened:
            while chunk := opened.read(_CHUNK):
                digest.update(chunk)
    except OSError:
        return None
    return digest.hexdigest()


def _limit(wheel: WheelRef) -> int:
    return TOTAL_LIMIT if wheel.size is None else wheel.size


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


def _other(wheel: WheelRef, where: object, found: str, expected: str) -> IndexFailed:
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
