"""Each mutant of the program is found by the check that is there for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from faults import mutants

CHECKS = sorted({mutant.check for mutant in mutants.MUTANTS.values()})


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program as it is."""
    return mutants.copy_source(tmp_path_factory.mktemp("original"))


@pytest.mark.parametrize("check", CHECKS)
def test_a_check_passes_with_the_program_as_it_is(original: Path, check: str) -> None:
    code, said = mutants.run_check(check, original)
    assert code == 0, said


@pytest.mark.parametrize("name", mutants.MUTANTS)
def test_a_mutant_is_found_by_its_check(tmp_path: Path, name: str) -> None:
    mutant = mutants.MUTANTS[name]
    place = mutants.copy_source(tmp_path)
    mutants.apply(mutant.patches, place)
    code, said = mutants.run_check(mutant.check, place)
    assert code == (1 if "::" in mutant.check else mutants.CAUGHT), said
    assert mutant.says in said


def test_a_check_runs_with_the_copy_and_not_with_the_program(tmp_path: Path) -> None:
    place = mutants.copy_source(tmp_path)
    (place / "bunkerctl" / "__init__.py").write_text("raise ImportError('the copy')")
    for check in (mutants.DURABLE, "writers_take_turns"):
        code, said = mutants.run_check(check, place)
        assert code and "ImportError: the copy" in said


@pytest.mark.parametrize("old", ["no such text", "import"])
def test_a_patch_that_does_not_fit_in_one_place_is_told(tmp_path: Path, old: str) -> None:
    place = mutants.copy_source(tmp_path)
    with pytest.raises(mutants.Unpatchable):
        mutants.apply((mutants.patched("vault.py", old),), place)


def test_every_function_that_checks_is_used() -> None:
    assert {check for check in CHECKS if "::" not in check} == mutants.CHECKS.keys()
