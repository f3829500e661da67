"""All keyed primitives, in one place.

The master key M is 32 random bytes. Everything else is derived from it with HKDF-SHA256
(RFC 5869), with the vault's UUID as salt.
"""

from __future__ import annotations

import hmac
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
SALT_BYTES = 16
_NONCE_BYTES = 12


def new_master_key() -> bytes:
    """Return 32 random bytes from the operating system."""
    return os.urandom(KEY_BYTES)


def random_bytes(count: int) -> bytes:
    return os.urandom(count)


def database_key(master: bytes, vault_id: bytes) -> bytes:
    """Return the raw 256-bit key of the SQLCipher file."""
    return hkdf(master, vault_id, b"bunkerctl/1/db")


def key_id(master: bytes, vault_id: bytes) -> str:
    """Return 16 hexadecimal digits that tell one master key from another, and nothing of it."""
    return hkdf(master, vault_id, b"bunkerctl/1/kcv")[:8].hex()


def hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
    """Return 32 bytes of HKDF-SHA256 (RFC 5869): one output block, so two HMAC calls."""
    return hmac.digest(hmac.digest(salt, key, "sha256"), info + b"\x01", "sha256")


def wrap(secret: bytes, vault_id: bytes, master: bytes) -> bytes:
    """Return the master key under a key derived from `secret`: nonce, AES-256-GCM, tag.

    `secret` is random, so it needs no slow derivation (NIST SP 800-38D for the mode).
    """
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + _recovery_cipher(secret, vault_id).encrypt(nonce, master, vault_id)


def unwrap(secret: bytes, vault_id: bytes, wrapped: bytes) -> bytes | None:
    """Return the master key that `wrap` has wrapped; None if `secret` is another one."""
    from cryptography.exceptions import InvalidTag

    nonce, sealed = wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:]
    try:
        return _recovery_cipher(secret, vault_id).decrypt(nonce, sealed, vault_id)
    except InvalidTag:
        return None


def _recovery_cipher(secret: bytes, vault_id: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(hkdf(secret, vault_id, b"bunkerctl/1/recovery"))


def identity_tag(index_key: bytes, kind: str, value: str) -> int:
    """Return the 64-bit signed integer under which an identity is indexed.

    It is keyed inside the vault, so a stale copy of it says nothing without the vault.
    Two identities may share one: whoever looks up compares the identity itself.
    """
    digest = hmac.digest(index_key, f"{kind}\0{value}".encode(), "sha256")
    return int.from_bytes(digest[:8], "big", signed=True)


def commitment(salt: bytes, record: bytes) -> str:
    """Return HMAC-SHA256 of a stored record under its salt (hex), for the audit trail.

    The salt is new with each version and is destroyed with it: then nobody can test a
    guess of what the record said.
    """
    return hmac.digest(salt, record, "sha256").hex()
