"""UUIDs: the short way says what the standard library says."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunkerctl import uuids


@given(st.binary(min_size=16, max_size=16))
def test_text_and_bytes_are_those_of_the_standard_library(raw: bytes) -> None:
    text = uuids.to_text(raw)
    assert text == str(uuid.UUID(bytes=raw))
    assert uuids.to_bytes(text) == uuids.to_bytes(text.upper()) == raw
    assert uuids.checked(text.upper()) == text


def test_a_new_one_is_random_and_of_version_4() -> None:
    drawn = {uuids.new() for _ in range(1000)}
    assert len(drawn) == 1000
    assert {(uuid.UUID(text).version, uuid.UUID(text).variant) for text in drawn} == {
        (4, uuid.RFC_4122)
    }


@given(st.text(alphabet="0123456789abcdefABCDEFgG- \t-\u0664", min_size=30, max_size=40))
def test_nothing_else_is_one(text: str) -> None:
    try:
        standing = str(uuid.UUID(text)) == text.lower()
    except ValueError:
        standing = False
    assert uuids.is_uuid(text) == standing
    if not standing:
        with pytest.raises(ValueError, match="not a UUID"):
            uuids.to_bytes(text)
