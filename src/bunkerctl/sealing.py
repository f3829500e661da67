"""Exports encrypted for who is to read them, in the age format: the one door to `pyrage`.

https://age-encryption.org/v1. Plain text goes in and cipher text comes out piece by piece: it is
never whole in one place, and never in a file.
"""

from __future__ import annotations

import signal

from bunkerctl.errors import Internal, Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

MAGIC = b"age-encryption.org/v1\n"
KIND = "age1"
SECRET = "AGE-SECRET-KEY-"  # noqa: S105 - what a secret begins with, to be refused
FILE_BYTES = 1 << 16


def recipients(texts: Iterable[str], read: Callable[[str], bytes]) -> list[Any]:
    """Return public keys: each text is one, several with commas, or a file of them.

    `read` returns a file's bytes. A file has one a line; lines with # are comments, as in `age -R`.

    Raises:
        Usage: malformed, or none. What was typed is not repeated: it may be a secret key.
    """
    import pyrage

    found = []
    for number, text in enumerate(_single(texts, read), 1):
        if text.upper().startswith(SECRET):
            raise Usage(
                "--encrypt-to is given a secret key",
                hint="it takes the public one: `age-keygen -y` prints it",
            )
        try:
            found.append(pyrage.x25519.Recipient.from_str(text))
        except pyrage.RecipientError:
            raise Usage(
                f"key {number} of --encrypt-to is not a public key of age",
                hint="it begins with age1: `age-keygen` makes one",
            ) from None
    if not found:
        raise Usage("--encrypt-to has no key")
    return found


def seal(chunks: Iterable[bytes], write: Callable[[bytes], object], keys: list[Any]) -> None:
    """Write chunks encrypted; whoever has the secret key of one of the public `keys` can read them.

    What the source or `write` raises comes out as it was raised: the library would make a text
    of it. Signals are heeded while a chunk is fetched alone, so that theirs comes out, too.
    """
    import pyrage

    source, target = _Source(chunks), _Target(write)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HEEDED)
    source.mask = before
    try:
        pyrage.encrypt_io(source, target, keys)
    except pyrage.EncryptError as error:
        failure = source.failure or target.failure
        if failure is None:
            raise Internal("the export could not be encrypted") from error
        raise failure from None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


HEEDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)


class _Source:
    """What the library reads from: chunks of any size, joined."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._buffer = bytearray()
        self.failure: BaseException | None = None
        self.mask: Any = ()

    def read(self, size: int) -> bytes:
        try:
            while len(self._buffer) < size:
                chunk = self._next()
                if chunk is None:
                    break
                self._buffer += chunk
        except BaseException as failure:
            self.failure = failure
            raise
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _next(self) -> bytes | None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)
        try:
            return next(self._chunks, None)
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, HEEDED)


class _Target:
    """What the library writes to."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self.failure: BaseException | None = None

    def write(self, data: bytes) -> int:
        try:
            self._write(data)
        except BaseException as failure:
            self.failure = failure
            raise
        return len(data)

    def flush(self) -> None:
        """Leave it to whoever opened the file."""


def _single(texts: Iterable[str], read: Callable[[str], bytes]) -> Iterator[str]:
    for text in texts:
        if text.startswith(KIND) or text.upper().startswith(SECRET):
            yield from (one.strip() for one in text.split(","))
            continue
        lines = read(text).decode("utf-8", "replace").splitlines()
        yield from (line.strip() for line in lines if line.strip() and line.strip()[0] != "#")
