"""Lines of a pipe: none waits for the next, and as many as are there come together."""

from __future__ import annotations

import fcntl
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunkerctl import files, pipes

LIMIT = 20


@contextmanager
def pipe() -> Iterator[tuple[io.BufferedReader, int]]:
    reading, writing = os.pipe()
    with open(reading, "rb") as file:
        yield file, writing


@given(
    content=st.lists(st.sampled_from([b"\n", b"\r\n", b"x", b"y" * LIMIT, b"z" * 70_000])),
    most=st.integers(1, 5),
)
def test_they_are_those_of_a_file(content: list[bytes], most: int) -> None:
    whole = b"".join(content)
    groups = list(pipes.lines_at_hand(io.BytesIO(whole), LIMIT, lambda: most))
    found = [line for group in groups for line in group]
    assert found == list(files.lines(io.BytesIO(whole), LIMIT))
    assert all(0 < len(group) <= most for group in groups)


def test_each_comes_before_the_next_is_written() -> None:
    with pipe() as (file, writing):
        groups = pipes.lines_at_hand(file, LIMIT, lambda: 1000)
        for number in range(1, 4):
            os.write(writing, b"ann\nbob\n")
            assert next(groups) == [(2 * number - 1, b"ann"), (2 * number, b"bob")]
        os.write(writing, b"carl")
        os.close(writing)
        assert list(groups) == [[(7, b"carl")]]


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="Linux can widen a pipe")
def test_more_than_a_pipe_holds_by_itself_come_together() -> None:
    lines = [b"%036d\n" % number for number in range(5000)]
    with pipe() as (file, writing):
        groups = pipes.lines_at_hand(file, 100, lambda: 2000)
        os.write(writing, lines[0])
        assert next(groups) == [(1, lines[0][:-1])]
        os.set_blocking(writing, False)
        assert os.write(writing, b"".join(lines[1:])) == 37 * 4999 > 1 << 16
        os.close(writing)
        assert [len(group) for group in groups] == [2000, 2000, 999]


def test_long_ones_are_not_gathered_without_a_bound() -> None:
    whole = (b"x" * 60_000 + b"\n") * 50
    sizes = [len(group) for group in pipes.lines_at_hand(io.BytesIO(whole), 1 << 16, lambda: 1000)]
    assert sum(sizes) == 50
    assert max(sizes) * 60_000 <= pipes.GROUP_BYTES + 2 * pipes.CHUNK_BYTES
