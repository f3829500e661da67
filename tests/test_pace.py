"""How many are done at once, from how long the last took."""

from __future__ import annotations

import pytest

from bunkerctl.pace import Pace


def pace(first: int = 500) -> Pace:
    return Pace(0.1, first=first, least=100, most=2000)


def test_it_grows_to_what_keeps_the_time() -> None:
    one = pace()
    sizes = []
    for _ in range(4):
        one.took(one.size, one.size * 0.0001)
        sizes.append(one.size)
    assert sizes == [1000, 1000, 1000, 1000]


def test_it_grows_by_doubling_and_ends_at_the_most() -> None:
    one = pace()
    sizes = []
    for _ in range(4):
        one.took(one.size, 0.001)
        sizes.append(one.size)
    assert sizes == [1000, 2000, 2000, 2000]


@pytest.mark.parametrize("seconds", [10.0, 1000.0])
def test_it_shrinks_at_once_when_the_first_is_slow_and_ends_at_the_least(seconds: float) -> None:
    one = pace()
    one.took(500, seconds)
    assert one.size == 100


def test_one_that_had_to_wait_changes_nothing_and_two_do() -> None:
    one = pace()
    one.took(500, 0.05)
    one.took(1000, 5.0)
    assert one.size == 1000
    one.took(1000, 5.0)
    assert one.size == 100


def test_what_took_no_time_is_no_error() -> None:
    one = pace()
    one.took(1, 0.0)
    assert one.size == 1000
