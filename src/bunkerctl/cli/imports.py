"""`user import`."""

from __future__ import annotations

import collections

from bunkerctl import errors, files, imports, jsontext
from bunkerctl.cli import output
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import argument, command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import BufferedIOBase


@command(
    "user import",
    option("--format", "FORM", "form of the file", choices=("jsonl",)),
    option("--on-conflict", "WHAT", "when an identity is taken", choices=imports.POLICIES),
    option("--rejects", "FILE", "put the rejected lines there, to be mended and run again"),
    option("--dry-run", None, "report what would be done, and do nothing"),
    argument("file", "FILE", "JSON lines; `-` is standard input"),
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

    Answer: read, added, updated, skipped, rejected.

    Examples:
      bunkerctl user import people.jsonl --dry-run
      bunkerctl user import people.jsonl --rejects bad.jsonl
    """
    options = imports.Options(
        on_conflict=on_conflict or "error", region=call.region(), dry_run=dry_run
    )
    tally = imports.Tally()
    lines = files.lines(_source(call, file), jsontext.MAX_BYTES)
    rejected = _told(call, imports.run(call.vault(), lines, options, tally))
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
        output.tell(call.shell.stderr, f"error: line {one.line}: {one.error.message}")
        yield one
