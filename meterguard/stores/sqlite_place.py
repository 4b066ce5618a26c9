"""Where a file of SQLite may be: its path, its directory, its file system and its mode."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import unquote, urlsplit

from ..errors import ConfigurationError
from .purposes import Fault, Purpose

# Locks of these reach other hosts late, or never, and nobody may keep units there.
NETWORK = {
    *("nfs", "nfs4", "cifs", "smb", "smbfs", "smb2", "smb3", "9p", "afs", "ncpfs", "coda", "ceph", "glusterfs"),
    *("lustre", "beegfs", "gpfs", "gfs2", "ocfs2", "orangefs", "pvfs2", "panfs", "davfs", "fhgfs", "wekafs"),
}
NETWORK_FUSE = {
    *("sshfs", "s3fs", "s3backer", "goofys", "geesefs", "mount-s3", "mountpoint-s3", "gcsfuse", "blobfuse"),
    *("blobfuse2", "rclone", "davfs", "glusterfs", "ceph", "ceph-fuse", "juicefs", "seaweedfs", "moosefs", "mfs"),
    *("lizardfs", "curlftpfs", "smbnetfs", "cvmfs", "cvmfs2", "beegfs", "gvfsd-fuse", "vmhgfs-fuse", "grpcfuse"),
}


class Place(NamedTuple):
    """A file, and what it is for."""

    purpose: Purpose
    path: str
    """Absolute."""

    @classmethod
    def at(cls, path: str, purpose: Purpose) -> Self:
        """Return the place that a path means now: the process may change its directory later."""
        return cls(purpose, os.path.abspath(path))  # noqa: PTH100 - of a text, as it is everywhere else

    def __str__(self) -> str:
        return f"{self.purpose.noun} {self.path}"


FORMS = "write sqlite:///relative.db or sqlite:////absolute.db"


def path_of(url: str) -> str:
    """Return the path in ``sqlite:///relative.db`` or ``sqlite:////absolute.db``; ``%20`` and the like are decoded.

    Raises ``ConfigurationError`` for any other form, without showing it: it may hold a password.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ConfigurationError(f"This is no URL: {FORMS}.") from None
    if parts.scheme != "sqlite":
        raise ConfigurationError(f"This is no URL of SQLite: {FORMS}.")
    if parts.netloc:
        raise ConfigurationError(f"A file of SQLite is on no host and has no user, and this URL names one: {FORMS}.")
    if "?" in url or "#" in url:
        raise ConfigurationError(f"A URL of SQLite has no query and no fragment (in a path, ? is %3F): {FORMS}.")
    path = unquote(parts.path.removeprefix("/"))
    if path in {"", ":memory:"} or "\0" in path or path.endswith("/"):
        raise ConfigurationError(f"This URL of SQLite names no file: {FORMS}; memory:// is for one process.")
    return path


def check_place(place: Place) -> None:
    """Check that something can be kept there. Raises ``ConfigurationError`` where it cannot."""
    path, noun = place.path, place.purpose.noun
    directory = os.path.dirname(path)  # noqa: PTH120 - of a text, as it is everywhere else
    if not Path(directory).is_dir():
        raise ConfigurationError(
            f"The {place} has no place: there is no directory {directory}. Make it, for this user alone."
        )
    if Path(path).exists() and not Path(path).is_file():
        raise ConfigurationError(f"The {place} is a directory or a device: name a file.")
    kind = network_file_system(os.path.realpath(path), _mounts())
    if kind is not None:
        raise ConfigurationError(
            f"The {place} is on a network file system ({kind}), whose locks cannot be relied on:"
            f" {place.purpose.risk}. Put it on a disk of this host; for several hosts use a {noun} in Redis."
        )


def _mounts() -> str:
    try:
        return Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    except OSError:
        return ""  # not Linux: nobody can tell


def network_file_system(path: str, mounts: str) -> str | None:
    """Return the kind of the network file system that holds a path; None where it is on none.

    ``mounts`` is the text of ``/proc/self/mountinfo``. The longest mount point counts, of equal ones the last.
    """
    longest, kind = -1, ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        point = _decoded(fields[4]).rstrip("/")
        if (path == point or path.startswith(point + "/")) and len(point) >= longest:
            longest, kind = len(point), after.split(" ")[0]
    family, _, name = kind.partition(".")
    return kind if kind in NETWORK or (family == "fuse" and name in NETWORK_FUSE) else None


def _decoded(field: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, character)
    return field


def make_private(place: Place) -> None:
    """Make an empty file that only its owner may use, or take that right from others. SQLite's own files follow it.

    An existing file is never opened for it: closing that descriptor would take away the locks that this process has
    on the file through other connections.
    """
    path = place.path
    try:
        os.mknod(path, stat.S_IFREG | 0o600)
    except FileExistsError:
        with contextlib.suppress(OSError):  # another user's
            if stat.S_IMODE(Path(path).stat().st_mode) & 0o077:
                Path(path).chmod(0o600)
    except (OSError, AttributeError) as problem:
        _make_by_opening(place, problem)


def _make_by_opening(place: Place, refused: Exception) -> None:
    """Make the file where the system has no ``mknod`` for everybody."""
    if not isinstance(refused, PermissionError | AttributeError):
        raise _not_made(place, refused) from None
    try:
        os.close(os.open(place.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return
    except OSError as problem:
        raise _not_made(place, problem) from None


def _not_made(place: Place, problem: Exception) -> Fault:
    why = problem.strerror if isinstance(problem, OSError) else str(problem)
    return place.purpose.fault(
        f"The {place} could not be made: {why}. Let the process write its directory, and look for a full disk."
    )


def identity(path: str) -> tuple[int, int] | None:
    """Return what tells the file at a path from another one there; None where there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 - in each transaction, so it had better be quick
    except OSError:
        return None
    return status.st_dev, status.st_ino
