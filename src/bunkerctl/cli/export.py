"""`export ID`, `export --all` and `export verify`."""

from __future__ import annotations

import io

from bunkerctl import errors, escapes, exports, files, jsontext, placement, users
from bunkerctl.cli import output
from bunkerctl.cli.answers import Answer, single
from bunkerctl.cli.answers import export as answers
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import argument, command, option
from bunkerctl.lean import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, BinaryIO

    from bunkerctl.bundles import Bundle
    from bunkerctl.model import Progress
    from bunkerctl.store.records import Stored

FORMATS = ("json", "zip", "html", "csv")


@command(
    "export",
    option("--all", None, "every living person, a line each, as `user import` reads it"),
    option("--fields", "NAMES", "with --all: these fields alone, with commas"),
    option("--format", "FORM", "form of the export of one person", choices=FORMATS),
    option("--out", "FILE", "write there (0600), not to standard output (`-`)"),
    option("--force", None, "replace a file that exists"),
    option(
        "--encrypt-to",
        "KEY",
        "encrypt it for this public key of age (age1...), or for those in a file; can be repeated",
        many=True,
    ),
    argument("identity", "ID", "whose data", "optional"),
    answer=single(answers.PERSON, other=answers.EXPORTED),
    fails=(errors.NotFound, errors.Conflict, errors.Declined),
)
def export(
    call: Call,
    all: bool,
    fields: str | None,
    format: str | None,
    out: str | None,
    force: bool,
    encrypt_to: tuple[str, ...],
    identity: str | None,
) -> None:
    """Export everything held about one person, or with --all everybody's records.

    One person: record, expiration, hold, and the history of who did what with it. json is one
    document, html a page for the person to read, csv a table of names and values. zip has all
    of these, and what Article 15 of the GDPR wants a person to be told besides: the settings
    below `privacy` say it, and those that are missing are named. Its own checksums and manifest
    show that nothing was lost: `export verify`.

    --all needs --yes, or a "yes" on a terminal, and is JSON lines (-o jsonl) or CSV (-o csv), in
    the order in which people were added. --fields takes fields of the record, and token, created_at
    and their kin; data.NAME is the record's, whatever its name.

    --encrypt-to writes the age format (age-encryption.org): `age -d` opens it, and nothing that
    is not encrypted touches the disk.

    The history names who acted, your colleagues among them: read it before you hand it out.

    Examples:
      bunkerctl export email:ann@example.com --format zip --out ann.zip
      bunkerctl export login:ann --format zip --encrypt-to ann.pub --out ann.age
      bunkerctl export --all -o jsonl --yes --out people.jsonl
      bunkerctl export --all -o csv --fields token,email,name --yes
    """
    if all == (identity is not None):
        raise errors.Usage("export takes an ID, or --all")
    form = call.said("output") or "jsonl"
    if all and (format is not None or call.flag("json") or form not in ("jsonl", "csv")):
        raise errors.Usage("--all is JSON lines or CSV: -o jsonl or -o csv")
    if fields is not None and not all:
        raise errors.Usage("--fields goes with --all")
    path = None if out == "-" else out
    keys = _keys(call, encrypt_to)
    if path is None and call.output.terminal and (keys is not None or format == "zip"):
        raise errors.Usage(
            "that is binary, and standard output is a terminal", hint="name a file: --out FILE"
        )

    def check() -> None:
        if path is not None:
            placement.check_writable(path, force=force)

    if identity is not None:
        person = _person(call, identity, format or "json", check)
        call.deliver(person, path, force=force, keys=keys)
        return
    show = _shown(call, form, _names(fields))
    pages = _everyone(call, _names(fields), check, show)
    hint = "what was written is not everybody: run it again"
    shown = path is not None or not call.output.terminal
    with call.progress(hint, shown=shown) as progress:
        progress.begin("people exported", users.count(call.vault()))
        lines = _lines(call, _counted(pages, progress), form, _names(fields))
        call.deliver(lines, path, force=force, keys=keys)


@command(
    "export verify",
    argument("file", "FILE", "what `export ID --format zip` wrote; `-` is standard input"),
    answer=single(answers.CHECKED),
    fails=(errors.IntegrityFailure,),
)
def verify(call: Call, file: str) -> None:
    """Check an export of one person, without the vault: nothing in it is damaged or lost.

    Its structure, its sums, its manifest and what that counts must hold; an archive that would
    harm who unpacks it (paths that lead out, names twice, a bomb) does not. This does not show who
    made it: nothing in it is signed. Decrypt an encrypted one first. One that fails is exit 7.

    Examples:
      bunkerctl export verify ann.zip
    """
    from bunkerctl import bundles, sealing

    with _archive(call, file) as archive:
        if archive.read(len(sealing.MAGIC)) == sealing.MAGIC:
            raise errors.Invalid(
                f"{file} is encrypted",
                hint="decrypt it: age -d -i KEY FILE | bunkerctl export verify -",
            )
        try:
            checked = bundles.check(archive)
        except errors.IntegrityFailure as error:
            raise errors.IntegrityFailure(f"{file}: {error.message}") from error
        except OSError as error:
            raise files.explain(error, "read", file) from error
    call.show({"ok": True, **vars(checked)})


def _archive(call: Call, path: str) -> BinaryIO:
    """Open what can be read anywhere: standard input is taken whole, and no file made of it."""
    from bunkerctl import bundles

    if path == "-":
        return io.BytesIO(call.read(path, bundles.MOST_BYTES))
    try:
        return open(call.path(path), "rb")
    except OSError as error:
        raise files.explain(error, "read", path) from error


def _keys(call: Call, encrypt_to: tuple[str, ...]) -> list[Any] | None:
    if not encrypt_to:
        return None
    from bunkerctl import sealing

    return sealing.recipients(encrypt_to, lambda path: call.read(path, sealing.FILE_BYTES))


def _person(call: Call, identity: str, form: str, check: Callable[[], None]) -> Iterable[bytes]:
    whose = call.identity(identity)
    found = exports.person(call.vault(), whose, check)
    document = answers.person(found, call.overdue_before(), call.links_base())
    if form == "json":
        return [_line(document)]
    from bunkerctl import bundles

    bundle = _bundle(call, found, document)
    return [{"zip": bundles.zipped, "html": bundles.page, "csv": bundles.table}[form](bundle)]


def _bundle(call: Call, found: exports.Person, document: Answer) -> Bundle:
    from bunkerctl import article15, bundles

    told = article15.notice(call.config().get)
    if told.missing:
        missing = ", ".join(told.missing)
        output.tell(
            call.shell.stderr,
            f"warning: Article 15 asks that the person be told more: set {missing}",
        )
    schema = call.schema()
    wanted = None if schema is None else _line(schema.document)
    return bundles.Bundle(found=found, told=told, document=document, record_schema=wanted)


def _names(fields: str | None) -> list[str] | None:
    if fields is None:
        return None
    names = [name.strip() for name in fields.split(",")]
    if not min(map(len, names)) or len(set(names)) != len(names):
        raise errors.Usage("--fields has a name that is empty, or twice")
    return names


def _everyone(
    call: Call, names: list[str] | None, check: Callable[[], None], show: exports.Show
) -> Iterator[tuple[int, Any]]:
    vault = call.vault()
    check()
    if not call.confirmed("Export everybody's records? Type yes", "yes"):
        declined = errors.Declined(
            "not confirmed: nothing was exported", hint="without a terminal, pass --yes"
        )
        raise vault.refused("export.all", declined)
    return exports.everyone(vault, call.once_more, names, show)


def _shown(call: Call, form: str, names: list[str] | None) -> exports.Show:
    """Return what makes the lines of a page of people; with names, it adds those that somebody has.

    Another process may do it.
    """
    now = call.now()
    if names is not None:
        return partial(_chosen, form=form, names=names, now=now)
    write = answers.csv_line if form == "csv" else answers.line
    return lambda page: "".join([write(found, now) for found in page]).encode()


def _chosen(page: list[Stored], form: str, names: list[str], now: int) -> tuple[bytes, set[str]]:
    rows = [answers.chosen(found, now, names) for found in page]
    seen = {name for name in names if any(row[name] is not None for row in rows)}
    return "".join(output.lines(form, rows, tuple(names), header=False)).encode(), seen


def _lines(call: Call, pages: Iterable[Any], form: str, names: list[str] | None) -> Iterator[bytes]:
    if names is None:
        if form == "csv":
            yield escapes.csv_row(answers.LINE).encode()
        yield from pages
        return
    if form == "csv":
        yield escapes.csv_row(map(escapes.csv_cell, names)).encode()
    unseen = set(names)
    for lines, seen in pages:
        unseen -= seen
        yield lines
    for name in names:
        if name in unseen:
            call.note(f"nobody has the field number {names.index(name) + 1} of --fields")


def _counted(pages: Iterator[tuple[int, Any]], progress: Progress) -> Iterator[Any]:
    for count, shown in pages:
        yield shown
        progress.done += count


def _line(answer: Answer) -> bytes:
    return (jsontext.escaped(jsontext.dumps(answer)) + "\n").encode()
