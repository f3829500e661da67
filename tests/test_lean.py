"""The lean half of `contextlib`, `functools` and `importlib` against the library's own."""

from __future__ import annotations

import contextlib
import functools
import importlib
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bunkerctl import lean

Made = Callable[[list[str]], Any]


def plain(seen: list[str]) -> Iterator[str]:
    seen.append("begun")
    yield "given"
    seen.append("ended")


def final(seen: list[str]) -> Iterator[str]:
    try:
        yield "given"
    finally:
        seen.append("ended")


def swallowing(seen: list[str]) -> Iterator[str]:
    with contextlib.suppress(ValueError, StopIteration):
        yield "given"
    seen.append("swallowed")


def renaming(seen: list[str]) -> Iterator[str]:
    try:
        yield "given"
    except ValueError as error:
        seen.append("renamed")
        raise KeyError("another") from error


def renaming_any(seen: list[str]) -> Iterator[str]:
    try:
        yield "given"
    except (StopIteration, RuntimeError) as error:
        seen.append("renamed")
        raise KeyError("another") from error


def refusing(_seen: list[str]) -> Iterator[str]:
    raise ValueError("at the begin")
    yield "never"


def failing(_seen: list[str]) -> Iterator[str]:
    yield "given"
    raise ValueError("at the end")


def silent(_seen: list[str]) -> Iterator[str]:
    yield from ()


def twice(seen: list[str]) -> Iterator[str]:
    try:
        yield "given"
        yield "again"
    finally:
        seen.append("ended")


def stubborn(seen: list[str]) -> Iterator[str]:
    try:
        yield "given"
    except ValueError:
        yield "again"
    finally:
        seen.append("ended")


class Own(Exception):
    pass


THROWN = (None, ValueError, Own, StopIteration, RuntimeError, KeyboardInterrupt)
MADE = (
    plain,
    final,
    swallowing,
    renaming,
    renaming_any,
    refusing,
    failing,
    silent,
    twice,
    stubborn,
)


def course(library: Any, made: Made, kind: type[BaseException] | None) -> tuple[Any, ...]:
    """Return all that can be seen of a context: what it gives, does, raises, and from where."""
    seen: list[str] = []
    thrown = None if kind is None else kind("x")
    try:
        with library.contextmanager(made)(seen) as given:
            seen.append(f"block with {given}")
            if thrown is not None:
                raise thrown
            seen.append("block done")
    except BaseException as error:
        same = error is thrown
        words = error.args if not isinstance(error, RuntimeError) or same else ()
        where = [one.name for one in traceback.extract_tb(error.__traceback__)]
        steps = where if same else []
        return seen, type(error), words, type(error.__cause__), same, steps
    return seen, None


@pytest.mark.parametrize("thrown", THROWN)
@pytest.mark.parametrize("made", MADE, ids=lambda one: one.__name__)
def test_a_context_takes_the_same_course(made: Made, thrown: type[BaseException] | None) -> None:
    wanted = course(contextlib, made, thrown)
    assert course(lean, made, thrown) == wanted
    assert wanted[0] or wanted[1]


@pytest.mark.parametrize("library", [lean, contextlib], ids=["lean", "library"])
def test_what_is_suppressed_is_that_alone(library: Any) -> None:
    with library.suppress(ValueError, LookupError):
        raise KeyError("x")
    with pytest.raises(OSError), library.suppress(ValueError, LookupError):
        raise OSError
    with library.suppress(ValueError):
        pass
    with library.nullcontext("given") as given:
        assert given == "given"
    with library.nullcontext() as given:
        assert given is None
    with pytest.raises(ValueError, match="x"), library.nullcontext():
        raise ValueError("x")


@pytest.mark.parametrize("library", [lean, functools], ids=["lean", "library"])
def test_what_was_returned_is_kept_up_to_a_bound(library: Any) -> None:
    asked: list[int] = []

    def square(number: int) -> int:
        asked.append(number)
        return number * number

    squared = library.lru_cache(maxsize=2)(square)
    assert [squared(number) for number in (1, 2, 1, 3, 1, 2)] == [1, 4, 1, 9, 1, 4]
    assert asked == [1, 2, 3, 2]
    assert tuple(squared.cache_info()) == (2, 4, 2, 2)
    unbound = library.lru_cache(square)
    assert unbound(5) == 25
    assert unbound.cache_info()[2] == 128


def test_modules_are_those_of_the_library() -> None:
    assert lean.import_module("xml.dom.minidom") is importlib.import_module("xml.dom.minidom")
    with pytest.raises(ModuleNotFoundError):
        lean.import_module("bunkerctl.no_such_module")


def test_nothing_of_the_library_is_loaded() -> None:
    """On a Python that has the C half of `functools`, as CPython has."""
    probe = "import sys, bunkerctl.lean; print({'contextlib', 'functools'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-Ic", probe], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
