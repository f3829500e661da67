"""What every refusal looks like."""

from __future__ import annotations

from conftest import Result


def check_refusal(result: Result, code: int, *words: str) -> None:
    """Check a refusal: nothing on standard output, one line with these words, perhaps a hint."""
    lines = result.err.splitlines()
    assert (result.code, result.out) == (code, ""), result
    assert lines[0].startswith("bunkerctl: error: "), result
    assert all(line.startswith("bunkerctl: hint: ") for line in lines[1:]), result
    assert len(lines) <= 2, result
    assert all(word in lines[0] for word in words), result
