"""All keyed primitives, in one place.

The master key M is 32 random bytes. Everything else is derived from it with HKDF-SHA256
(RFC 5869), with the vault's UUID as salt.
"""

from __future__ import annotations

import os

from bunkerctl import hashing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

KEY_BYTES = 32
SALT_BYTES = 16
_NONCE_BYTES, _TAG_BYTES = 12, 16
WRAPPED_BYTES = _NONCE_BYTES + KEY_BYTES + _TAG_BYTES


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
    return hashing.mac(hashing.mac(salt, key), info + b"\x01")


def public_key(seed: bytes) -> bytes:
    """Return the 32 bytes of the Ed25519 public key (RFC 8032) of a random seed."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def sign(seed: bytes, message: bytes) -> bytes:
    """Return the 64 bytes of an Ed25519 signature."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether an Ed25519 signature is good."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def wrap(secret: bytes, vault_id: bytes, master: bytes) -> bytes:
    """Return the master key under a key derived from the secret of a recovery code.

    The secret is random, so it needs no slow derivation.
    """
    return _sealed(hkdf(secret, vault_id, b"bunkerctl/1/recovery"), master, vault_id)


def unwrap(secret: bytes, vault_id: bytes, wrapped: bytes) -> bytes | None:
    """Return the master key that `wrap` has wrapped; None if `secret` is another one."""
    return _opened(hkdf(secret, vault_id, b"bunkerctl/1/recovery"), wrapped, vault_id)


def wrap_backup(master: bytes, vault_id: bytes, backup_id: bytes, key: bytes) -> bytes:
    """Return a backup's own key under one derived from the master key."""
    return _sealed(hkdf(master, vault_id, b"bunkerctl/1/backup"), key, backup_id)


def unwrap_backup(master: bytes, vault_id: bytes, backup_id: bytes, wrapped: bytes) -> bytes | None:
    """Return what `wrap_backup` has wrapped; None if it was by another key."""
    return _opened(hkdf(master, vault_id, b"bunkerctl/1/backup"), wrapped, backup_id)


def backup_keys(key: bytes, backup_id: bytes) -> tuple[bytes, bytes]:
    """Return the raw key of a backup's database, and the one that authenticates its manifest."""
    names = (b"bunkerctl/1/backup-db", b"bunkerctl/1/backup-manifest")
    return hkdf(key, backup_id, names[0]), hkdf(key, backup_id, names[1])


def mac(key: bytes, message: bytes) -> str:
    """Return HMAC-SHA256 (hex)."""
    return hashing.mac(key, message).hex()


def _sealed(key: bytes, plain: bytes, about: bytes) -> bytes:
    """Return a nonce, and AES-256-GCM (NIST SP 800-38D) of `plain`, bound to `about`."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, about)


def _opened(key: bytes, sealed: bytes, about: bytes) -> bytes | None:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about)
    except (InvalidTag, ValueError):
        return None


def identity_tagger(index_key: bytes) -> Callable[[str, str], int]:
    """Return what gives the 64-bit signed integer under which an identity (kind, value) is indexed.

    It is keyed inside the vault, so a stale copy of it says nothing without the vault.
    Two identities may share one: whoever looks up compares the identity itself.
    """
    mac_of = hashing.keyed(index_key)

    def tag(kind: str, value: str) -> int:
        return int.from_bytes(mac_of(f"{kind}\0{value}".encode())[:8], "big", signed=True)

    return tag


def salts(count: int) -> list[bytes]:
    """Return some random salts, for `commitment`."""
    drawn = os.urandom(SALT_BYTES * count)
    return [drawn[at : at + SALT_BYTES] for at in range(0, len(drawn), SALT_BYTES)]


def commitment(salt: bytes, record: bytes) -> str:
    """Return HMAC-SHA256 of a stored record under its salt (hex), for the audit trail.

    The salt is new with each version and is destroyed with it: then nobody can test a
    guess of what the record said.
    """
    return hashing.mac(salt, record).hex()
