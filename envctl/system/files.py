"""Files: read with limits, write so that a killed process leaves the old file or the new one."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import signal
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from envctl.errors import InvalidFile, ToolFailed, UsageError

TEXT_LIMIT = 64 * 2**20


def read_bytes(path: Path, *, shown: object = None, limit: int = TEXT_LIMIT) -> bytes:
    """The content of a regular file of at most `limit` bytes.

    Raises:
        FileNotFoundError: it does not exist.
        InvalidFile: it is no regular file, too large, or unreadable.
    """
    shown = path if shown is None else shown
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InvalidFile("cannot be read", file=shown, found=error.strerror) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)  # before a file object is made of it: a folder cannot become one
        raise InvalidFile("is not a regular file", file=shown)
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise InvalidFile("is too large", file=shown, expected=f"at most {limit:,} bytes")
    return data


def read_text(path: Path, *, shown: object = None, limit: int = TEXT_LIMIT) -> str:
    """The same as `read_bytes`, decoded as UTF-8 without a byte order mark; InvalidFile names the line that is not."""
    data = read_bytes(path, shown=shown, limit=limit)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidFile(
            "is not UTF-8", file=path if shown is None else shown, line=line, found=f"byte 0x{data[error.start]:02x}"
        ) from error


def write_atomically(files: Mapping[Path, bytes], *, durable: bool = True) -> None:
    """Write several files: all are written and flushed beside their places first, then renamed in the order given.

    Caches, whose entries prove themselves when they are read, need not be `durable`: nothing waits for the disk.

    Modes follow the umask, as an editor's would. Missing folders are made. No signal comes between the renames.
    """
    staged: list[tuple[Path, Path]] = []
    try:
        with contextlib.ExitStack() as written:  # closed when all is renamed: an open file is one that is in use
            for path, data in files.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                if path.is_dir() and not path.is_symlink():
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
                descriptor, temporary = _temporary(path)
                staged.append((temporary, path))
                file = written.enter_context(os.fdopen(descriptor, "wb"))
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), 0o666 & ~_umask())
                if durable:
                    os.fsync(file.fileno())
                if os.name == "nt":  # where an open file cannot be renamed
                    file.close()
            with uninterrupted():
                for temporary, path in staged:
                    temporary.replace(path)
    except OSError as error:
        raise ToolFailed(
            "could not be written", file=error.filename2 or error.filename, found=error.strerror
        ) from error
    finally:
        for temporary, _ in staged:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()


def _temporary(path: Path) -> tuple[int, Path]:
    """A new file beside the path, open and locked, so that `sweep` tells it from what a killed process left."""
    while True:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        if _lock(descriptor) is not False and Path(name).exists():
            return descriptor, Path(name)
        os.close(descriptor)  # swept before it was locked


def sweep(path: Path) -> None:
    """Remove what a killed process left of writing this path: temporary files that nobody has open."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with contextlib.suppress(OSError):
            descriptor = os.open(left, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if _lock(descriptor):
                    left.unlink()
            finally:
                os.close(descriptor)


@contextlib.contextmanager
def exclusive(folder: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Only one process at a time, for as long as this is open; `waiting` is called where another one has it.

    It ends with the process, however that ends. Where the file system knows no locks, there is none.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _lock(descriptor) is False:
            waiting()
            _lock(descriptor, wait=True)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, *, wait: bool = False) -> bool | None:
    """Whether the file is ours now; False where another has it, None where that cannot be known."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait until this is closed. Threads other than the first, where none arrives, get nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    ours = [number for number, handler in before.items() if handler is not None]
    for number in ours:
        signal.signal(number, lambda found, _: arrived.append(found))
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])
        for found in arrived[:1]:
            signal.raise_signal(found)


_umask_lock = threading.Lock()


def _umask() -> int:
    # Asking by setting it is the only way that every system has; two threads doing so would leave a wrong one.
    with _umask_lock:
        mask = os.umask(0o077)
        os.umask(mask)
    return mask


def cache_dir(*parts: str) -> Path:
    """A folder of the user's cache: ENVCTL_CACHE_DIR, else `envctl` under XDG_CACHE_HOME or ~/.cache. Not yet made."""
    own = os.environ.get("ENVCTL_CACHE_DIR")
    if own:
        root = Path(own)
    else:
        xdg = os.environ.get("XDG_CACHE_HOME")
        root = (Path(xdg) if xdg and Path(xdg).is_absolute() else home_dir() / ".cache") / "envctl"
    if not root.is_absolute():
        raise UsageError("ENVCTL_CACHE_DIR is not an absolute path", found=str(root))
    return root.joinpath(*parts)


def home_dir() -> Path:
    """The user's folder; a place that does not exist where a container's user has none."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/nonexistent")


@contextlib.contextmanager
def scratch_dir() -> Iterator[Path]:
    """A private temporary folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="envctl-") as name:
        yield Path(name)
