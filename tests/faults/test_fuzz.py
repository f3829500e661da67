"""Any bytes, for each parser: what comes out is a value or the documented error."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from bunkerctl import errors
from faults import fuzz

TORTURE = bool(os.environ.get("BUNKERCTL_TORTURE"))
SECONDS = 15 * 60 if TORTURE else 5
KEPT = sorted(path for path in fuzz.CORPUS.rglob("*") if path.is_file())


def test_every_parser_has_seeds_and_every_seed_a_parser() -> None:
    assert {path.name for path in fuzz.CORPUS.iterdir()} == fuzz.TARGETS.keys()
    assert {path.parent.name for path in KEPT} == fuzz.TARGETS.keys()
    assert sum(path.stat().st_size for path in KEPT) < 128 * 1024


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_is_kept_brings_no_fault(path: Path) -> None:
    error = fuzz.fault(fuzz.TARGETS[path.parent.name], path.read_bytes())
    assert error is None, repr(error)


@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_a_parser_takes_at_least_one_seed(name: str) -> None:
    assert any(taken(name, raw) for raw in fuzz.seeds(name))


def taken(name: str, raw: bytes) -> bool:
    try:
        fuzz.TARGETS[name].parse(raw)
    except Exception:
        return False
    return True


@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_a_parser_lets_nothing_out_but_the_documented_errors(name: str, tmp_path: Path) -> None:
    if TORTURE and fuzz.has_atheris():
        found = fuzz.search_with_atheris(name, SECONDS, tmp_path)
    else:
        seed = random.randrange(1 << 32) if TORTURE else 7
        _, found = fuzz.search(name, SECONDS, random.Random(seed))
    if found is not None:
        (tmp_path / "found").write_bytes(found)
        error = fuzz.fault(fuzz.TARGETS[name], found)
        pytest.fail(f"{found[:300]!r}, whole in {tmp_path}/found, brings {error!r}")


def test_a_fault_would_be_found_and_made_small() -> None:
    def breaks(raw: bytes) -> None:
        if b"7" in raw:
            raise ValueError("seven")

    target = fuzz.Target(parse=breaks, allowed=(errors.Invalid,), words=("7",))
    assert isinstance(fuzz.fault(target, b"1789"), ValueError)
    assert fuzz.fault(target, b"189") is None
    assert fuzz.smallest(target, b"123456789") == b"7"
