"""`user import`."""

from __future__ import annotations

import collections
import os

from bunkerctl import errors, files, imports, jsontext
from bunkerctl.cli.answers import imports as answers
from bunkerctl.cli.answers import single
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import argument, command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import BufferedIOBase

    from bunkerctl.model import Progress


@command(
    "user import",
    option("--format", "FORM", "form of the file", choices=("jsonl",)),
    option("--on-conflict", "WHAT", "when an identity is taken", choices=imports.POLICIES),
    option("--rejects", "FILE", "put the rejected lines there, to be mended and run again"),
    option("--dry-run", None, "report what would be done, and do nothing"),
    argument("file", "FILE", "JSON lines; `-` is standard input"),
    answer=single(answers.IMPORTED),
    fails=(errors.Partial, errors.Conflict),
)
def import_(
    call: Call,
    format: str | None,
    on_conflict: str | None,
    rejects: str | None,
    dry_run: bool,
    file: str,
) -> None:
    """Add many people, a JSON object a line.

    A line is a record, or what `export --all` wrote: then the token is kept if it is free, and
    the person goes on waiting, staying or being held. A bad line is rejected alone: the good ones
    are in, and the exit code is 3. --on-conflict update merges a line's record into the person it
    is about, and adds a hold; that person's expiration stays as it stands.

    Examples:
      bunkerctl user import people.jsonl --dry-run
      bunkerctl user import people.jsonl --rejects bad.jsonl
    """
    options = imports.Options(
        on_conflict=on_conflict or "error", region=call.region(), dry_run=dry_run
    )
    tally = imports.Tally()
    source = _source(call, file)
    vault = call.vault()
    with call.progress(_go_on(options), came=lambda: _came(tally, options)) as progress:
        lines = _counted(files.lines(source, jsontext.MAX_BYTES), source, progress)
        rejected = _told(call, imports.run(vault, lines, options, tally))
        kept = (one.raw + b"\n" for one in rejected if one.raw is not None)
        if rejects is None:
            collections.deque(kept, maxlen=0)
        else:
            files.write(rejects, kept, force=False, hint="name another file")
    call.show(tally.counts())
    if tally.rejected:
        raise errors.Partial(f"{tally.rejected} of {tally.read} lines were rejected")


def _source(call: Call, path: str) -> BufferedIOBase:
    if path == "-":
        return call.stdin()
    try:
        return open(call.path(path), "rb")
    except OSError as error:
        raise files.explain(error, "read", path) from error


def _told(call: Call, rejected: Iterable[imports.Rejection]) -> Iterator[imports.Rejection]:
    for one in rejected:
        call.warn(f"error: line {one.line}: {one.error.message}")
        yield one


def _counted(
    lines: Iterator[tuple[int, bytes | None]], source: BufferedIOBase, progress: Progress
) -> Iterator[tuple[int, bytes | None]]:
    """Pass lines on, and tell how many; of a file, about how many there will be."""
    progress.begin("lines")
    size = _size(source)
    read = 0
    for number, raw in lines:
        read += len(raw or b"") + 1
        progress.done = number
        if size:
            progress.total = max(number, round(number * size / read))
        yield number, raw


def _size(source: BufferedIOBase) -> int:
    """Return how many bytes there are to read; 0 if that cannot be told."""
    if not source.seekable():
        return 0
    here = source.tell()
    size = source.seek(0, os.SEEK_END) - here
    source.seek(here)
    return size


def _came(tally: imports.Tally, options: imports.Options) -> str:
    if options.dry_run:
        return "nothing was changed"
    return f"{tally.added} added and {tally.updated} updated, of the first {tally.read} lines"


def _go_on(options: imports.Options) -> str:
    if options.dry_run or options.on_conflict != "error":
        return "run it again"
    return "run it again with --on-conflict skip: who is in by then is passed over"
