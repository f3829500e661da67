"""Text as people save it: with byte order marks, in UTF-16, in the code pages of Windows and DOS.

Bytes that are no text become lone surrogates, so that a line with them fails alone.
"""

from __future__ import annotations

import codecs
import io

from bunkerctl.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TextIO

ENCODINGS = (
    *("utf-8", "utf-16", "utf-16le", "utf-16be"),
    *("windows-1250", "windows-1251", "windows-1252", "windows-1253", "windows-1254"),
    *("windows-1257", "iso-8859-1", "iso-8859-2", "iso-8859-15", "macintosh", "cp437", "cp850"),
    *("shift_jis", "gb18030", "big5", "euc-kr"),
)
"""What a file can be told to be in; every name that Python has for one of these will do."""

MARK = codecs.BOM_UTF8
_MARKS = ((MARK, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_LONGEST_MARK = 3
_CODECS = {codecs.lookup(name).name: name for name in ENCODINGS}
_BUFFER = 1 << 16
_NO_TEXT = "\udcff"  # as `surrogateescape` it is the byte 0xFF, which no UTF-8 has
_HANDLER = "bunkerctl.no-text"


class Text:
    """A file of text: `file` are its bytes behind a mark, `codec` is Python's name for them."""

    def __init__(self, file: io.BufferedReader, codec: str, marked: bool) -> None:
        self.file = file
        self.codec = codec
        self.plain = codec == "utf-8" and not marked
        """Whether it is UTF-8 without a mark, as this program writes."""

    def stream(self, newline: str) -> TextIO:
        """Return it as characters; what ends a line is "\\n", or for "" also "\\r" and "\\r\\n"."""
        errors = "surrogateescape" if self.codec == "utf-8" else _HANDLER
        return io.TextIOWrapper(self.file, self.codec, errors, newline)

    def lines(self, limit: int) -> Iterator[tuple[int, str | None]]:
        """Yield (line number, line with its end); None for one of over `limit` characters."""
        stream = self.stream("\n")
        number = 0
        while line := stream.readline(limit + 1):
            number += 1
            if len(line) <= limit:
                yield number, line
                continue
            while line and line[-1] != "\n":
                line = stream.readline(_BUFFER)
            yield number, None

    def encoded(self, text: str, what: str) -> tuple[bytes, Invalid | None]:
        """Return text of this file in UTF-8, and what is wrong with it: bytes that were no text."""
        try:
            return text.encode(), None
        except UnicodeEncodeError:
            wrong = Invalid(f"{what} is not {self.name()}", hint="is it another --encoding?")
            return text.encode("utf-8", "surrogateescape"), wrong

    def name(self) -> str:
        """Return what it is in, in words."""
        return "UTF-8" if self.codec == "utf-8" else f"text in {_CODECS[self.codec]}"


def open_(file: io.BufferedIOBase, encoding: str | None) -> Text:
    """Find out what a file is in: its byte order mark says it, or else the caller, or UTF-8.

    `encoding` is what `check` has returned. UTF-16 without a mark is little-endian, as on Windows.
    """
    head = file.read(_LONGEST_MARK)
    for mark, codec in _MARKS:
        if head.startswith(mark):
            return Text(_rejoined(head[len(mark) :], file), codec, marked=True)
    codec = encoding or "utf-8"
    return Text(_rejoined(head, file), "utf-16-le" if codec == "utf-16" else codec, marked=False)


def check(name: str) -> str:
    """Return Python's name for an encoding; raise Invalid for one that is not of ENCODINGS."""
    try:
        codec = codecs.lookup(name).name
    except (LookupError, ValueError):
        codec = ""
    if codec not in _CODECS:
        raise Invalid("no such encoding", hint=f"one of {', '.join(ENCODINGS)}")
    return codec


def _rejoined(head: bytes, file: io.BufferedIOBase) -> io.BufferedReader:
    return io.BufferedReader(_Rejoined(head, file), _BUFFER)


class _Rejoined(io.RawIOBase):
    """A file whose first bytes have been read, from its start."""

    def __init__(self, head: bytes, file: io.BufferedIOBase) -> None:
        self._head = head
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        size = len(buffer)
        chunk = self._head[:size] or self._file.read1(size)
        self._head = self._head[size:]
        buffer[: len(chunk)] = chunk
        return len(chunk)


def _no_text(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _NO_TEXT, error.end


codecs.register_error(_HANDLER, _no_text)
