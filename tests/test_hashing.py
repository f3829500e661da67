"""The lean SHA-256 and HMAC against OpenSSL's, and which of the two a call loads."""

from __future__ import annotations

import hashlib
import hmac
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bunkerctl import hashing


@pytest.fixture(
    params=[vars(hashing)["sha256"], hashlib.sha256], ids=["CPython's own", "OpenSSL's"]
)
def hashed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash with one of the two, whatever was loaded before."""
    monkeypatch.setattr(hashing, "_made", request.param)


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


@pytest.mark.usefixtures("hashed")
@pytest.mark.parametrize(("key", "message", "wanted"), RFC_4231)
def test_the_mac_gives_what_the_rfc_says(key: bytes, message: bytes, wanted: str) -> None:
    assert hashing.mac(key, message).hex() == wanted
    assert hashing.keyed(key)(message).hex() == wanted


@pytest.mark.usefixtures("hashed")
@given(key=st.binary(max_size=200), messages=st.lists(st.binary(max_size=300), max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_all_ways_of_hashing_are_one(key: bytes, messages: list[bytes]) -> None:
    keyed = hashing.keyed(key)
    for message in messages:
        assert hashing.digest(message) == hashlib.sha256(message).digest()
        wanted = hmac.digest(key, message, "sha256")
        assert hashing.mac(key, message) == keyed(message) == wanted


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
