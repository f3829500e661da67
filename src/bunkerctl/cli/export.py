"""`export ID`, `export --all` and `export verify`."""

from __future__ import annotations

import io

from bunkerctl import errors, exports, files, jsontext, users
from bunkerctl.cli import output
from bunkerctl.cli.answers import Answer
from bunkerctl.cli.answers import export as answers
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import argument, command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, BinaryIO

    from bunkerctl.bundles import Bundle
    from bunkerctl.model import Progress

FORMATS = ("json", "zip", "html", "csv")


@command(
    "export",
    option("--all", None, "every living person, a JSON line each, as `user import` reads it"),
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
)
def export(
    call: Call,
    all: bool,
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

    --all needs --yes, or a "yes" on a terminal, and is JSON lines: -o jsonl.

    --encrypt-to writes the age format (age-encryption.org): `age -d` opens it, and nothing that
    is not encrypted touches the disk.

    The history names who acted, your colleagues among them: read it before you hand it out.

    Answer: schema, vault_id, exported_at, user, expiration, hold, lapsed_hold,
    cancelled_expiration, access_history.

    Examples:
      bunkerctl export email:ann@example.com --format zip --out ann.zip
      bunkerctl export login:ann --format zip --encrypt-to ann.pub --out ann.age
      bunkerctl export --all -o jsonl --yes --out people.jsonl
    """
    if all == (identity is not None):
        raise errors.Usage("export takes an ID, or --all")
    if all and (
        format is not None or call.flag("json") or call.said("output") not in (None, "jsonl")
    ):
        raise errors.Usage("--all is JSON lines: -o jsonl")
    path = None if out == "-" else out
    keys = _keys(call, encrypt_to)
    if path is None and call.output.terminal and (keys is not None or format == "zip"):
        raise errors.Usage(
            "that is binary, and standard output is a terminal", hint="name a file: --out FILE"
        )

    def check() -> None:
        if path is not None:
            files.check_writable(path, force=force)

    if identity is not None:
        person = _person(call, identity, format or "json", check)
        call.deliver(person, path, force=force, keys=keys)
        return
    everyone = _everyone(call, check)
    hint = "what was written is not everybody: run it again"
    shown = path is not None or not call.output.terminal
    with call.progress(hint, shown=shown) as progress:
        progress.begin("people exported", users.count(call.vault()))
        call.deliver(_counted(everyone, progress), path, force=force, keys=keys)


@command(
    "export verify",
    argument("file", "FILE", "what `export ID --format zip` wrote; `-` is standard input"),
)
def verify(call: Call, file: str) -> None:
    """Check an export of one person, without the vault: nothing in it is damaged or lost.

    Its structure, its sums, its manifest and what that counts must hold; an archive that would
    harm who unpacks it (paths that lead out, names twice, a bomb) does not. This does not show who
    made it: nothing in it is signed. Decrypt an encrypted one first. One that fails is exit 7.

    Answer: ok, vault_id, token, exported_at, version, files.

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
    return bundles.Bundle(found=found, told=told, document=document, record_schema=None)


def _everyone(call: Call, check: Callable[[], None]) -> Iterator[bytes]:
    vault = call.vault()
    check()
    if not call.confirmed("Export everybody's records? Type yes", "yes"):
        declined = errors.Declined(
            "not confirmed: nothing was exported", hint="without a terminal, pass --yes"
        )
        raise vault.refused("export.all", declined)
    now = call.now()
    return (_line(answers.exported_user(user, now)) for user in users.everyone(vault))


def _counted(chunks: Iterator[bytes], progress: Progress) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk
        progress.done += 1


def _line(answer: Answer) -> bytes:
    return (jsontext.escaped(jsontext.dumps(answer)) + "\n").encode()
