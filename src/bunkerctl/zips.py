"""ZIP archives: the same content gives the same bytes, and nothing is believed of a foreign one.

APPNOTE.TXT 6.3 (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT). The same bytes as
far as zlib is the same.
"""

from __future__ import annotations

import io
import stat
import struct
import time
import zipfile
import zlib

from bunkerctl.errors import IntegrityFailure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    Moment = tuple[int, int, int, int, int, int]

UNIX = 3
FIRST_YEAR = 1980
LAST_YEAR = 2107
CHUNK = 1 << 16
CENTRAL = struct.Struct("<4s4B4HL2L5H2L")  # section 4.3.12
END = struct.Struct("<4s4H2LH")  # section 4.3.16
MOST_BYTES = 1 << 30
"""What a foreign archive and what it unpacks to may have, together."""


def pack(members: dict[str, bytes], at: int) -> bytes:
    """Return an archive of files in their order, all of one time (Unix seconds), all 0600."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(_entry(name, moment(at)), content, compresslevel=9)
    return packed.getvalue()


def moment(at: int) -> Moment:
    """Return a time as an archive keeps it, in UTC: of 1980 to 2107, to two seconds."""
    found = time.gmtime(at)
    year = min(max(found.tm_year, FIRST_YEAR), LAST_YEAR)
    return year, found.tm_mon, found.tm_mday, found.tm_hour, found.tm_min, found.tm_sec // 2 * 2


class Archive:
    """A foreign archive that is laid out as `pack` does it, byte for byte but for what is packed.

    So each file is there once, they lie side by side, and there is nothing else: no link, no
    directory, nothing around or between them. Overlapping files are how a small archive unpacks to
    petabytes (https://www.usenix.org/conference/woot19/presentation/fifield).
    """

    def __init__(self, file: BinaryIO, names: tuple[str, ...]) -> None:
        """Read the directory of a seekable file; it may have these names, in this order.

        Raises:
            IntegrityFailure: it is no archive, or not one that `pack` would make.
        """
        try:
            self._entries = zipfile.ZipFile(file).infolist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise IntegrityFailure("it is not a whole ZIP archive") from error
        self._file = file
        self.names = [entry.filename for entry in self._entries]
        if not set(self.names) <= set(names):
            raise IntegrityFailure("it has a file that no export has")
        if self.names != [name for name in names if name in self.names]:
            raise IntegrityFailure("it has a file twice, or not in its place")
        if sum(entry.file_size + entry.compress_size for entry in self._entries) > MOST_BYTES:
            raise IntegrityFailure(f"it would unpack to about {MOST_BYTES >> 20} MiB or more")
        self._check_layout(file)
        self.moment = self._entries[0].date_time if self._entries else None

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield a file's content, unpacked, a piece at a time.

        Raises:
            IntegrityFailure: it is damaged.
        """
        entry = next(entry for entry in self._entries if entry.filename == name)
        unpack = zlib.decompressobj(-zlib.MAX_WBITS)
        size, crc, left = 0, 0, entry.compress_size
        self._file.seek(entry.header_offset + len(entry.FileHeader(zip64=False)))
        try:
            while not unpack.eof:
                packed = unpack.unconsumed_tail
                if not packed:
                    packed = self._file.read(min(left, CHUNK))
                    left -= len(packed)
                chunk = unpack.decompress(packed, CHUNK)
                if not packed and not chunk:
                    break
                size, crc = size + len(chunk), zlib.crc32(chunk, crc)
                yield chunk
        except zlib.error as error:
            raise IntegrityFailure(f"{name} is damaged") from error
        whole = unpack.eof and not left and not unpack.unused_data
        if not whole or (size, crc) != (entry.file_size, entry.CRC):
            raise IntegrityFailure(f"{name} is damaged")

    def start(self, name: str, most: int) -> bytes:
        """Return the first bytes of a file, unpacked."""
        content = bytearray()
        for chunk in self.chunks(name):
            content += chunk
            if len(content) >= most:
                break
        return bytes(content[:most])

    def _check_layout(self, file: BinaryIO) -> None:
        place, directory = 0, b""
        for entry in self._entries:
            made = _entry(entry.filename, self._entries[0].date_time)
            made.CRC, made.file_size = entry.CRC, entry.file_size
            made.compress_size, made.header_offset = entry.compress_size, place
            local = made.FileHeader(zip64=False)
            file.seek(place)
            if file.read(len(local)) != local:
                raise IntegrityFailure("it is not laid out as an export is")
            place += len(local) + entry.compress_size
            directory += _central(made)
        count = len(self._entries)
        end = END.pack(b"PK\5\6", 0, 0, count, count, len(directory), place, 0)
        file.seek(place)
        if file.read(len(directory) + len(end) + 1) != directory + end:
            raise IntegrityFailure("it is not laid out as an export is")


def _entry(name: str, at: Moment) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, at)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = UNIX
    entry.external_attr = (stat.S_IFREG | 0o600) << 16
    return entry


def _central(entry: zipfile.ZipInfo) -> bytes:
    """Return a file's entry in the directory at the archive's end."""
    year, month, day, hour, minute, second = entry.date_time
    name = entry.filename.encode()
    return (
        CENTRAL.pack(
            b"PK\1\2",
            entry.create_version,
            entry.create_system,
            entry.extract_version,
            entry.reserved,
            entry.flag_bits,
            entry.compress_type,
            hour << 11 | minute << 5 | second // 2,
            (year - FIRST_YEAR) << 9 | month << 5 | day,
            entry.CRC,
            entry.compress_size,
            entry.file_size,
            len(name),
            0,
            0,
            0,
            entry.internal_attr,
            entry.external_attr,
            entry.header_offset,
        )
        + name
    )
