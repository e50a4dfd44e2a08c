"""The place of a virtual environment: what stands there, one sync at a time, and the swap that kill -9 cannot split.

A new environment is made in a work folder beside its place (`.venv.envctl-XXXXXXXX/new`), so that both are on one file
system, and exchanged with the old one in a single system call (renameat2, RENAME_EXCHANGE; Linux 3.15). Where that
call is missing, the old one is moved into the work folder first (`…/old`); a run that is killed between the two moves
is completed backwards by the next one.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from envctl.errors import ToolFailed, UsageError
from envctl.system.files import cache_dir

CONFIG = "pyvenv.cfg"
_EXCHANGE = 2  # RENAME_EXCHANGE of renameat2(2)
_AT_FDCWD = -100
_OTHER_VENV = "name another place with --venv"


class Place(msgspec.Struct, frozen=True):
    """Where an environment is to stand. `path` is absolute, links followed; `shown` as the user named it."""

    path: Path
    shown: str

    @property
    def work_prefix(self) -> str:
        """How the names of work folders beside it begin; hidden."""
        name = self.path.name
        return f"{name if name.startswith('.') else '.' + name}.envctl-"

    def exists(self) -> bool:
        """Whether a virtual environment stands there."""
        return (self.path / CONFIG).is_file()

    def work_folders(self) -> list[Path]:
        """The work folders of other runs, also killed ones."""
        return sorted(
            entry
            for entry in self.path.parent.iterdir()
            if entry.name.startswith(self.work_prefix) and entry.is_dir() and not entry.is_symlink()
        )


def examine(venv: Path, *, shown: object = None) -> Place:
    """Look at the place without changing anything. A link is followed: the environment it leads to is the one meant.

    Raises:
        UsageError: something stands there that is no virtual environment and not an empty folder; it is not touched.
    """
    shown = str(venv if shown is None else shown)
    if venv.name in ("", "..") or "\0" in str(venv):
        raise UsageError("--venv names no folder", found=shown or "nothing")
    try:
        path = venv.resolve() if venv.is_symlink() else venv.parent.resolve() / venv.name
        mode = path.stat().st_mode
    except FileNotFoundError:
        if venv.is_symlink():
            raise UsageError("is a link that leads nowhere", file=shown, hint=f"remove it, or {_OTHER_VENV}") from None
        return Place(path, shown)
    except (OSError, RuntimeError) as error:
        raise UsageError("cannot be looked at", file=shown, found=str(error), hint=_OTHER_VENV) from error
    if not stat.S_ISDIR(mode):
        raise UsageError("is no folder", file=shown, expected="a virtual environment, or nothing", hint=_OTHER_VENV)
    place = Place(path, shown)
    try:
        empty = not any(path.iterdir())
    except OSError as error:
        raise UsageError("cannot be read", file=shown, found=error.strerror, hint=_OTHER_VENV) from error
    if not empty and not place.exists():
        raise UsageError(
            "is no virtual environment, so it is left alone",
            file=shown,
            expected=f"a folder with {CONFIG}, an empty one, or none",
            hint=_OTHER_VENV,
        )
    return place


def check_replaceable(place: Place) -> None:
    """Refuse what cannot be exchanged, or must not be.

    Raises:
        UsageError: envctl itself runs from this environment, or it is a mount point (a volume of a container).
    """
    if place.exists() and Path(sys.prefix).resolve() == place.path.resolve():
        raise UsageError(
            "envctl itself runs from this environment, which a sync would replace",
            file=place.shown,
            hint=f"install envctl-ml elsewhere (`uv tool install envctl-ml`), or {_OTHER_VENV}",
        )
    if place.path.is_mount():
        raise UsageError(
            "is a mount point, so that no new environment can take its place",
            file=place.shown,
            hint=f"mount the folder above it, or {_OTHER_VENV}, such as a folder inside it",
        )


@contextlib.contextmanager
def alone(place: Place, *, waiting: Callable[[], None]) -> Iterator[int]:
    """Hold the place: of several runs for one folder's environments, one works and the others wait.

    Yields:
        The lock's descriptor. A program that gets it passed keeps the place held until it has ended, so that the next
        run never meets an installer whose envctl was killed.

    Raises:
        ToolFailed: the folder that is to hold the environment cannot be made or opened.
    """
    try:
        place.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _lock(place.path.parent, waiting)
    except OSError as error:
        raise _failed("the place of the environment cannot be used", place, error) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(parent: Path, waiting: Callable[[], None]) -> int:
    """Lock the parent folder itself, which leaves nothing behind; where its file system cannot, a file of the cache."""
    descriptor = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _wait(descriptor, waiting)
    except OSError as error:
        os.close(descriptor)
        if error.errno not in (errno.EBADF, errno.ENOLCK, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
        file = cache_dir("locks", hashlib.sha256(os.fsencode(parent)).hexdigest())
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        _wait(descriptor, waiting)
    return descriptor


def _wait(descriptor: int, waiting: Callable[[], None]) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        waiting()
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def recover(place: Place) -> None:
    """Finish what killed runs left: an environment that was moved away is moved back, their work folders removed.

    To be called while the place is held.
    """
    for folder in place.work_folders():
        old = folder / "old"
        if old.is_dir() and not place.path.exists():
            try:
                old.rename(place.path)
            except OSError as error:
                raise _failed(
                    "the environment that a killed run moved away cannot be put back", place, error
                ) from error
        remove(folder)


@contextlib.contextmanager
def work_folder(place: Place) -> Iterator[Path]:
    """A folder beside the place for making the new environment in; gone afterwards, with all that is in it."""
    folder = place.path.parent / f"{place.work_prefix}{secrets.token_hex(4)}"
    try:  # from here on: an interrupt may come at any moment, also before the next line
        try:
            folder.mkdir(mode=0o700)
            (folder / ".gitignore").write_text("*\n")
        except OSError as error:
            raise _failed("nothing can be written beside the environment", place, error) from error
        yield folder
    finally:
        remove(folder)


def swap(place: Place, new: Path) -> None:
    """Put the new environment in its place; an old one is in the work folder afterwards.

    Args:
        new: the finished environment, directly in a work folder of the place.

    Raises:
        ToolFailed: it cannot be moved there; the old environment stands where it stood.
    """
    try:
        if not place.exists():
            new.rename(place.path)  # replaces an empty folder, and nothing else
        elif not exchange(new, place.path):
            _swap_by_two_moves(place.path, new)
    except OSError as error:
        hint = _OTHER_VENV if error.errno in (errno.EBUSY, errno.EXDEV) else None
        raise _failed("the new environment cannot be put in its place", place, error, hint=hint) from error


def _swap_by_two_moves(path: Path, new: Path) -> None:
    old = new.parent / "old"
    path.rename(old)
    try:
        new.rename(path)
    except BaseException:
        old.rename(path)
        raise


def exchange(one: Path, other: Path) -> bool:
    """Exchange two paths of one file system in one step; False where kernel, C library or file system cannot.

    Raises:
        OSError: it could, and failed.
    """
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    done = renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), ctypes.c_uint(_EXCHANGE))
    if done == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
        return False
    raise OSError(code, os.strerror(code), str(one), None, str(other))


def remove(folder: Path) -> None:
    """Remove a work folder as far as that is possible; what is left, the next run tries again."""
    with contextlib.suppress(OSError):
        shutil.rmtree(folder)
        return
    for name, _, _ in os.walk(folder):  # a folder that a wheel or a user made read-only still goes
        with contextlib.suppress(OSError):
            Path(name).chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _failed(what: str, place: Place, error: OSError, *, hint: str | None = None) -> ToolFailed:
    where = error.filename2 or error.filename
    details = [f"at {where}"] if where and str(where) != str(place.path) else []
    return ToolFailed(what, file=place.shown, details=details, found=error.strerror or str(error), hint=hint)
