"""The lean SHA-256 and HMAC against OpenSSL's, and which of the two a call loads."""

from __future__ import annotations

import hashlib
import hmac
import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunkerctl import hashing

Mac = Callable[[bytes, bytes], bytes]

LEAN = (hashing._digest, hashing._mac)

RFC_4231 = [
    # section 4: key, data, HMAC-SHA-256; keys shorter and longer than a block
    (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    (
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
]


@pytest.mark.parametrize(("key", "message", "wanted"), RFC_4231)
def test_the_mac_gives_what_the_rfc_says(key: bytes, message: bytes, wanted: str) -> None:
    assert LEAN[1](key, message).hex() == wanted


@given(key=st.binary(max_size=200), message=st.binary(max_size=300))
def test_both_ways_of_hashing_are_one(key: bytes, message: bytes) -> None:
    digest, mac = LEAN
    assert digest(message) == hashlib.sha256(message).digest()
    assert mac(key, message) == hmac.digest(key, message, "sha256")


PROBE = """
import sys
from bunkerctl import hashing
known = hashing.digest(b"x"), hashing.mac(b"k", b"x")
lean = "_hashlib" in sys.modules
hashing.many()
assert (hashing.digest(b"x"), hashing.mac(b"k", b"x")) == known
print(lean, "_hashlib" in sys.modules)
"""


def test_openssl_is_loaded_by_whoever_hashes_many_alone() -> None:
    """On a Python that has a SHA-256 of its own, as those of Debian and python.org have."""
    line = [sys.executable, "-c", PROBE]
    found = subprocess.run(line, capture_output=True, text=True, check=True).stdout.split()
    assert found == ["False", "True"]
