"""Files: read with limits, write so that a killed process leaves the old file or the new one."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import threading
from collections.abc import Iterator, Mapping
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

    Modes follow the umask, as an editor's would. Missing folders are made.
    """
    staged: list[tuple[Path, Path]] = []
    try:
        for path, data in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
            staged.append((Path(name), path))
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), 0o666 & ~_umask())
                if durable:
                    os.fsync(file.fileno())
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
        root = (Path(xdg) if xdg and Path(xdg).is_absolute() else Path.home() / ".cache") / "envctl"
    if not root.is_absolute():
        raise UsageError("ENVCTL_CACHE_DIR is not an absolute path", found=str(root))
    return root.joinpath(*parts)


@contextlib.contextmanager
def scratch_dir() -> Iterator[Path]:
    """A private temporary folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="envctl-") as name:
        yield Path(name)
