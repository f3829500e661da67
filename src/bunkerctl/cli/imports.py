"""`user import`."""

from __future__ import annotations

import collections
import os

from bunkerctl import decoding, errors, files, imports, intake, placement, preparation, tabular
from bunkerctl.cli import assignments
from bunkerctl.cli.answers import imports as answers
from bunkerctl.cli.answers import single
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import argument, command, option
from bunkerctl.lean import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from io import BufferedIOBase

    from bunkerctl.intake import Row
    from bunkerctl.model import Progress

LOOK = 100
TABLES = (".csv", ".tsv")
MARKS = {**tabular.DELIMITERS, "\\t": "\t"}


@command(
    "user import",
    option("--format", "FORM", "form of the file; else its name tells", choices=intake.FORMATS),
    option("--encoding", "NAME", "what the file is in: utf-8, utf-16, windows-1252 and others"),
    option("--delimiter", "CHAR", "what parts the cells of CSV: , ; | or tab; else found out"),
    option("--map", "COLUMN=FIELD", "call a column so; an empty FIELD leaves it out", many=True),
    option("--type", "FIELD=TYPE", "int, number, bool, json or text (CSV)", many=True),
    option("--set", "FIELD=TEXT|FIELD:=JSON", "put this into every record", many=True),
    option("--on-conflict", "WHAT", "when an identity is taken", choices=imports.POLICIES),
    option("--rejects", "FILE", "put the rejected lines there, to be mended and run again"),
    option("--dry-run", None, "report what would be done, and do nothing"),
    argument("file", "FILE", "JSON lines, or CSV with a header line; `-` is standard input"),
    answer=single(answers.IMPORTED),
    fails=(errors.Partial, errors.Conflict),
)
def import_(
    call: Call,
    format: str | None,
    encoding: str | None,
    delimiter: str | None,
    map: tuple[str, ...],
    type: tuple[str, ...],
    set: tuple[str, ...],
    on_conflict: str | None,
    rejects: str | None,
    dry_run: bool,
    file: str,
) -> None:
    """Add many people, from JSON lines or from a CSV file.

    A line of JSON is a record, or what `export --all` wrote: then the token is kept if it is free,
    and the person goes on waiting, staying or being held; so is the CSV of `export --all`. A row
    of other CSV is a record whose fields the header line names; an empty cell is an absent
    field. bunkerctl-import(7) says what else a file may be like.

    A bad line is rejected alone: the good ones are in, and the exit code is 3. --rejects keeps the
    bad ones, to be mended and imported with the same options. --on-conflict update merges a
    line's record into the person it is about, and adds a hold; that person's expiration stays as it
    stands. --dry-run tells all of this and changes nothing.

    Examples:
      bunkerctl user import people.jsonl --dry-run
      bunkerctl user import crm.csv --map E-mail=email --type age=int
      bunkerctl user import old.csv --encoding windows-1252 --rejects bad.csv
    """
    wanted = _format(call, file, format, encoding, delimiter)
    if wanted.form == "jsonl" and (delimiter or type):
        raise errors.Usage("--delimiter and --type are for CSV", hint="--format csv")
    shape = intake.Shape(
        names=_names(map), types=_types(type), constants=assignments.read(set, "--set")
    )
    terms = preparation.Terms(
        rules=call.rules(),
        keep=rejects is not None,
        verbatim=wanted.form == "jsonl" and not shape.names and not shape.constants,
    )
    options = imports.Options(on_conflict=on_conflict or "error", dry_run=dry_run, terms=terms)
    tally = imports.Tally()
    with _opened(call, file) as content:
        source = intake.open_(content, wanted, shape)
        vault = call.vault()
        with call.progress(_go_on(options), came=lambda: _came(tally, options)) as progress:
            rows = _counted(source.rows(), content, call.path(file), progress)
            rejected = _told(call, imports.run(vault, rows, options, tally, progress))
            kept = source.again(one.raw for one in rejected if one.raw is not None)
            if rejects is None:
                collections.deque(kept, maxlen=0)
            else:
                placement.write(rejects, kept, force=False, hint="name another file")
    call.show(tally.counts())
    if tally.rejected:
        raise errors.Partial(f"{tally.rejected} of {tally.read} lines were rejected")


def _format(
    call: Call, file: str, form: str | None, encoding: str | None, delimiter: str | None
) -> intake.Format:
    """Return how to read a file: what is not said, its name tells, or later the file itself."""
    name = call.path(file).lower()
    mark = MARKS.get(delimiter, delimiter) if delimiter else None
    if mark is not None and mark not in tabular.DELIMITERS.values():
        raise errors.Usage("--delimiter must be a comma, a semicolon, | or tab")
    if mark is None and name.endswith(".tsv"):
        mark = "\t"
    try:
        codec = decoding.check(encoding) if encoding else None
    except errors.Invalid as error:
        raise errors.Usage(f"--encoding: {error.message}", hint=error.hint) from None
    by_name = "csv" if name.endswith(TABLES) else "jsonl"
    return intake.Format(form=form or by_name, encoding=codec, delimiter=mark)


def _names(words: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for position, word in enumerate(words, 1):
        column, mark, field = word.rpartition("=")
        column = " ".join(column.split())
        if not mark or not column:
            raise errors.Usage(f"--map number {position} is not COLUMN=FIELD")
        if column in found:
            raise errors.Usage(f"--map number {position} names a column again")
        found[column] = field
    return found


def _types(words: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for position, word in enumerate(words, 1):
        field, mark, kind = word.rpartition("=")
        if not mark or not field or kind not in intake.TYPES:
            known = ", ".join(intake.TYPES)
            raise errors.Usage(
                f"--type number {position} is not FIELD=TYPE", hint=f"one of {known}"
            )
        if field in found:
            raise errors.Usage(f"--type number {position} names a field again")
        found[field] = kind
    return found


@contextmanager
def _opened(call: Call, path: str) -> Iterator[BufferedIOBase]:
    if path == "-":
        yield call.stdin()
        return
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed below; here its errors are the import's
    except OSError as error:
        raise files.explain(error, "read", path) from error
    with file:
        yield file


def _told(call: Call, rejected: Iterable[imports.Rejection]) -> Iterator[imports.Rejection]:
    for one in rejected:
        call.warn(f"error: line {one.line}: {one.error.message}")
        yield one


def _counted(
    rows: Iterator[Row], content: BufferedIOBase, path: str, progress: Progress
) -> Iterator[Row]:
    """Pass rows on, and tell their lines; of a file, about how many there will be.

    A file is read in pieces, ahead of its lines: so it is the piece before the last that tells.
    """
    progress.begin("lines")
    size = _size(content)
    before = 0
    try:
        for number, row in enumerate(rows):
            progress.done = row[0]
            if size and number % LOOK == 0 and (here := content.tell()) != before:
                if before:
                    progress.total = max(row[0], round(row[0] * size / before))
                before = here
            yield row
    except OSError as error:
        raise files.explain(error, "read", path) from error


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
