"""A file of borrowed licences: a signed token a line, and beside it the latest moment that was seen.

A file is replaced as a whole, so that a crash leaves the one before or the one after.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..borrowed_file import BorrowedFault
from ..extras import needed

LONGEST = 1 << 20  # bytes; a signed token has about a thousand
SEEN, LOCK = ".seen", ".lock"
LONGEST_WAIT = 10.0  # seconds for another process that writes
APART = 30.0  # seconds between two moments that are worth to be written
_NUMBER = re.compile(r"[0-9]{1,12}\n")


def place_of(product_sku: str) -> Path:
    """Return the file of a product in this user's state directory. Another product has another."""
    with needed("platformdirs", "trust", by="borrowed="):
        import platformdirs
    number = hashlib.sha256(product_sku.encode()).hexdigest()[:20]
    return platformdirs.user_state_path("meterguard") / f"borrowed-{number}.jwt"


class BorrowedFile:
    """One file of borrowed licences, as ``meterguard.borrowed_file`` has it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = path.with_name(path.name + SEEN)

    def describe(self) -> str:
        """Return the path."""
        return str(self._path)

    def read(self) -> tuple[str, ...]:
        """Return the signed tokens, the oldest first; none where there is no file."""
        text = self._text(self._path)
        if not text:
            return ()
        *lines, rest = text.split("\n")
        # what follows the last line is a token that lost its end
        return tuple(lines) if not rest else (*lines, rest + "\n")

    def prepare(self) -> None:
        """Find out whether it can be written."""
        with self._writing(self._path):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._alone(), self._writing(self._path):
            descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name)
            os.close(descriptor)
            Path(name).unlink()

    def add(self, signed_token: str) -> None:
        """Add a signed token. It is there for good when this returns."""
        with self._alone():
            self._rewrite((*self.read(), signed_token))

    def remove(self, signed_token: str) -> None:
        """Remove a signed token."""
        with self._alone():
            self._rewrite(tuple(one for one in self.read() if one != signed_token))

    def latest(self) -> float:
        """Return the latest moment seen, in seconds of the wall clock; 0.0 where nobody looked."""
        text = self._text(self._seen)
        if text and not _NUMBER.fullmatch(text):
            raise BorrowedFault(f"{self._seen} is damaged: it does not say when the licence was used last")
        return float(text or 0)

    def note(self, wall: float) -> None:
        """Note a moment, if it is the latest. Where that cannot be written, it is not."""
        with contextlib.suppress(BorrowedFault):
            if wall > self.latest() + APART:
                self._write(self._seen, f"{wall:.0f}\n")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let no other thread or process change the file meanwhile."""
        with needed("filelock", "trust", by="borrowing"):
            import filelock
        lock = filelock.FileLock(self._path.with_name(self._path.name + LOCK), timeout=LONGEST_WAIT, mode=0o600)
        try:
            with self._writing(self._path):
                lock.acquire()
        except filelock.Timeout:
            raise BorrowedFault(f"{self._path} cannot be written: another process is at it") from None
        try:
            yield
        finally:
            lock.release()

    def _rewrite(self, tokens: tuple[str, ...]) -> None:
        if tokens:
            self._write(self._path, "".join(f"{one}\n" for one in tokens))
            return
        with self._writing(self._path):  # the moment stays: a clock that is set back does not make it new
            self._path.unlink(missing_ok=True)

    def _write(self, path: Path, text: str) -> None:
        with self._writing(path):
            # such a file has mode 0600
            with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False) as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(file.name).replace(path)

    def _text(self, path: Path) -> str:
        try:
            with path.open("rb") as file:
                data = file.read(LONGEST + 1)
        except FileNotFoundError:
            return ""
        except OSError as problem:
            raise BorrowedFault(f"{path} cannot be read: {problem.strerror}") from None
        if len(data) > LONGEST:
            raise BorrowedFault(f"{path} is too long for a file of borrowed licences")
        return data.decode("latin-1")  # any bytes are text, and only a signature tells whether they are good

    @contextmanager
    def _writing(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as problem:
            raise BorrowedFault(f"{path} cannot be written: {problem.strerror}") from None
