"""The pages of a vault's files, decrypted one by one: what is really there, live or not.

For the demo and the tests, which look for what must be gone. The layout is SQLCipher 4's
(https://www.zetetic.net/sqlcipher/design/): AES-256-CBC, the last 80 bytes of a page are its
IV and HMAC, the first 16 bytes of the file are a salt.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = 4096
RESERVE = 80
SALT = 16
WAL_HEADER = 32
FRAME_HEADER = 24


def decrypted(directory: str, key: bytes) -> Iterator[tuple[str, int, bytes]]:
    """Yield (file name, number, content) of every page of the database, its WAL and journal.

    Free pages and what an emptied file would still hold are among them; `key` is the raw
    database key.
    """
    for name in sorted(os.listdir(directory)):
        if not name.startswith("vault.db") or name.endswith("-shm"):
            continue
        with open(os.path.join(directory, name), "rb") as file:
            content = file.read()
        first, step, skip = 0, PAGE, 0
        if name.endswith("-wal"):
            first, step, skip = WAL_HEADER, FRAME_HEADER + PAGE, FRAME_HEADER
        for number, start in enumerate(range(first, len(content), step), 1):
            page = content[start + skip : start + skip + PAGE]
            if len(page) == PAGE:
                yield name, number, _decrypt(page, key)


def _decrypt(page: bytes, key: bytes) -> bytes:
    """Decrypt a page; a page that begins with the file's salt is number 1, and is told by that."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    body, reserve = page[: PAGE - RESERVE], page[PAGE - RESERVE :]
    plain = b""
    for start in (0, SALT):
        decryptor = Cipher(algorithms.AES(key), modes.CBC(reserve[:16])).decryptor()
        plain += decryptor.update(body[start:]) + decryptor.finalize()
    return plain
