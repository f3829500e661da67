"""What every call needs of `contextlib`, `functools` and `importlib`, without the rest of them.

Those three and what they import themselves take a cold call a tenth of its time. Here is just what
is used, as the standard library documents it; type checkers are shown the library's own.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import contextmanager, nullcontext, suppress
    from functools import lru_cache, partial
    from importlib import import_module
else:
    try:
        from _functools import _lru_cache_wrapper, partial
    except ImportError:  # a Python that has no such half in C
        from functools import lru_cache, partial
    else:

        def lru_cache(function=None, *, maxsize=128):
            """Keep what a function has returned for the `maxsize` arguments last met."""
            if function is None:
                return lambda function: lru_cache(function, maxsize=maxsize)
            return _lru_cache_wrapper(function, maxsize, False, _counts)

    def _counts(*counts):
        return counts

    def contextmanager(function):
        """Make of a function that yields once what makes a context, to be entered once."""

        def context(*args, **kwargs):
            return _Context(function(*args, **kwargs))

        context.__doc__ = function.__doc__
        return context

    class _Context:
        __slots__ = ("_steps",)

        def __init__(self, steps):
            self._steps = steps

        def __enter__(self):
            for thing in self._steps:
                return thing
            raise RuntimeError("the generator has not yielded")

        def __exit__(self, kind, error, trace):
            if kind is None:
                for _ in self._steps:
                    break
                else:
                    return False
            else:
                try:
                    self._steps.throw(error)
                except StopIteration as end:
                    return end is not error
                except BaseException as raised:
                    # A generator turns the StopIteration of its block into a RuntimeError.
                    turned = isinstance(raised, RuntimeError) and isinstance(error, StopIteration)
                    if raised is not error and not (turned and raised.__cause__ is error):
                        raise
                    error.__traceback__ = trace
                    return False
            try:
                raise RuntimeError("the generator has yielded twice")
            finally:
                self._steps.close()

    class nullcontext:  # noqa: N801 - a name of the standard library
        """A context that does nothing, and gives what it was made with."""

        __slots__ = ("_given",)

        def __init__(self, given=None):
            self._given = given

        def __enter__(self):
            return self._given

        def __exit__(self, *_error):
            pass

    class suppress:  # noqa: N801 - as above
        """A context that ends at one of some exceptions, and swallows it."""

        __slots__ = ("_kinds",)

        def __init__(self, *kinds):
            self._kinds = kinds

        def __enter__(self):
            pass

        def __exit__(self, kind, _error, _trace):
            return kind is not None and issubclass(kind, self._kinds)

    def import_module(name):
        """Return a module by its whole name; it is imported if it was not yet."""
        __import__(name)
        return sys.modules[name]


__all__ = ["contextmanager", "import_module", "lru_cache", "nullcontext", "partial", "suppress"]
