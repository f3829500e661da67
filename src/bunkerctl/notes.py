"""Signed checkpoints of the audit trail: what a tree's head looks like to the outside.

A checkpoint is the text of C2SP tlog-checkpoint (https://c2sp.org/tlog-checkpoint), in a note
that is signed with Ed25519 as C2SP signed-note says (https://c2sp.org/signed-note):

    bunkerctl/5d1c8f0e-4a43-4a39-9f7b-0d1a5b2f9a10
    42
    <root in base64>

    — bunkerctl/5d1c8f0e-... <base64 of 4 bytes of the key's hash and the signature>
"""

from __future__ import annotations

import base64
import binascii
from hashlib import sha256

from bunkerctl import crypto
from bunkerctl.errors import IntegrityFailure, Invalid
from bunkerctl.merkle import HASH_BYTES
from bunkerctl.model import Value

ORIGIN = "bunkerctl/"
MAX_BYTES = 4096
_ED25519 = b"\x01"
_HASH_BYTES = 4
_PUBLIC_BYTES = 32
_MOST = str(2**63 - 1)
_LEAST_LINES = 3  # size, root, and what follows the last newline
_SIGNED_BY = "\u2014 "


class Checkpoint(Value):
    """The head of a log: `size` leaves under `root`."""

    origin: str
    size: int
    root: bytes


class Verifier(Value):
    """A public key that signs notes under a name."""

    name: str
    public: bytes

    def text(self) -> str:
        """Return the key as signed-note writes it: name, hash and key, joined with +."""
        key = base64.b64encode(_ED25519 + self.public).decode()
        return f"{self.name}+{self.hash().hex()}+{key}"

    def hash(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:_HASH_BYTES]


def origin_of(vault_id: str) -> str:
    return ORIGIN + vault_id


def sign(checkpoint: Checkpoint, seed: bytes) -> str:
    """Return a checkpoint as a note, signed under the log's own name."""
    root = base64.b64encode(checkpoint.root).decode()
    text = f"{checkpoint.origin}\n{checkpoint.size}\n{root}\n"
    verifier = Verifier(name=checkpoint.origin, public=crypto.public_key(seed))
    signature = verifier.hash() + crypto.sign(seed, text.encode())
    return f"{text}\n{_SIGNED_BY}{verifier.name} {base64.b64encode(signature).decode()}\n"


def open_(note: str, verifier: Verifier) -> Checkpoint:
    """Return the checkpoint that a note has, if that key has signed it.

    Lines of other signers are passed over, as signed-note says.

    Raises:
        Invalid: it is not a checkpoint.
        IntegrityFailure: the key has not signed it.
    """
    text, mark, signatures = note.rpartition("\n\n")
    if not mark or not signatures.endswith("\n"):
        raise _malformed()
    text += "\n"
    checkpoint, good = read(text), False
    for line in signatures[:-1].split("\n"):
        name, raw = _signature(line)
        if name != verifier.name or raw[:_HASH_BYTES] != verifier.hash():
            continue
        if not crypto.is_signed(verifier.public, text.encode(), raw[_HASH_BYTES:]):
            raise IntegrityFailure("the signature of the checkpoint is not good")
        good = True
    if not good:
        raise IntegrityFailure("the checkpoint is not signed by that key")
    return checkpoint


def read(text: str) -> Checkpoint:
    """Read the text of a checkpoint, signed or not; lines behind the third are extensions.

    Raises:
        Invalid: it is not a checkpoint.
    """
    origin, *rest = text.split("\n")
    if len(rest) < _LEAST_LINES or rest[-1] or not all([origin, *rest[:-1]]):
        raise _malformed()
    size, root = rest[0], _decoded(rest[1])
    if _has_control(text) or not (size.isascii() and size.isdigit()):
        raise _malformed()
    if (size[:1] == "0" and size != "0") or len(size) > len(_MOST) or int(size) > int(_MOST):
        raise _malformed()
    if len(root) != HASH_BYTES:
        raise _malformed()
    return Checkpoint(origin=origin, size=int(size), root=root)


def _signature(line: str) -> tuple[str, bytes]:
    """Return who signed, and the hash of the key and the signature."""
    if not line.startswith(_SIGNED_BY) or _has_control(line):
        raise _malformed()
    name, mark, encoded = line.removeprefix(_SIGNED_BY).partition(" ")
    raw = _decoded(encoded)
    if not mark or not _is_name(name) or len(raw) <= _HASH_BYTES:
        raise _malformed()
    return name, raw


def _is_name(name: str) -> bool:
    """Tell whether a signer may be called so (signed-note, "Format")."""
    return bool(name) and "+" not in name and not any(letter.isspace() for letter in name)


def _has_control(text: str) -> bool:
    return any((letter < " " and letter != "\n") or letter == "\x7f" for letter in text)


def _malformed() -> Invalid:
    return Invalid("that is not a signed checkpoint")


def verifier(text: str) -> Verifier:
    """Read a public key as signed-note writes it.

    Raises:
        Invalid: it is not an Ed25519 key, or its hash is another one's.
    """
    name, _, rest = text.strip().partition("+")
    said, _, encoded = rest.partition("+")
    raw = _decoded(encoded)
    found = Verifier(name=name, public=raw[1:])
    if (
        not _is_name(name)
        or raw[:1] != _ED25519
        or len(found.public) != _PUBLIC_BYTES
        or said != found.hash().hex()
    ):
        raise Invalid("that is not a public key as `audit key` prints it")
    return found


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _malformed() from None
