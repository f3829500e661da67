"""The Bloom filter: it never misses, and seldom errs."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bunkerctl import bloom

NUMBERS = st.lists(st.integers(min_value=-(1 << 63), max_value=(1 << 63) - 1), max_size=50)


@given(NUMBERS)
@settings(max_examples=20)
def test_what_was_added_is_met_again(numbers: list[int]) -> None:
    met = bloom.Bloom()
    known = met.add(numbers)
    assert met.add(numbers) == numbers
    assert len(known) >= len(numbers) - len(set(numbers))


def test_others_are_seldom_met(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bloom, "BITS", 20)
    monkeypatch.setattr(bloom, "_MASK", (1 << 20) - 1)
    chance = random.Random(1)
    numbers = [chance.getrandbits(64) - (1 << 63) for _ in range(43_000)]
    met = bloom.Bloom()
    met.add(numbers[:23_000])  # as many for their bits as three million
    assert len(met.add(numbers[23_000:])) < 20_000 / 500
