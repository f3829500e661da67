"""The Bloom filter: it never misses, and seldom errs."""

from __future__ import annotations

import copy
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


@pytest.mark.parametrize(
    ("added", "least", "most"), [(23_000, 2, 20), (78_000, 100, 170), (230_000, 1100, 1600)]
)
def test_others_are_seldom_met(
    monkeypatch: pytest.MonkeyPatch, added: int, least: int, most: int
) -> None:
    """As many for their words as three, ten and thirty million are: 1 of 1,000, of 75, of 7."""
    monkeypatch.setattr(bloom, "BITS", 15)
    chance = random.Random(1)
    numbers = [chance.getrandbits(64) - (1 << 63) for _ in range(added + 10_000)]
    met = bloom.Bloom()
    met.add(numbers[:added])
    found = sum(len(copy.deepcopy(met).add([number])) for number in numbers[added:])
    assert least < found < most
