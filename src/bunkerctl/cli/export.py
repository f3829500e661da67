"""`export ID` and `export --all`."""

from __future__ import annotations

from bunkerctl import errors, exports, files, jsontext, users
from bunkerctl.cli.answers import Answer
from bunkerctl.cli.answers import export as answers
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import argument, command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bunkerctl.model import Progress


@command(
    "export",
    option("--all", None, "every living person, a JSON line each, as `user import` reads it"),
    option("--format", "FORM", "form of the export", choices=("json",)),
    option("--out", "FILE", "write there (0600), not to standard output (`-`)"),
    option("--force", None, "replace a file that exists"),
    argument("identity", "ID", "whose data", "optional"),
)
def export(
    call: Call,
    all: bool,
    format: str | None,
    out: str | None,
    force: bool,
    identity: str | None,
) -> None:
    """Export everything held about one person, or with --all everybody's records.

    One person: record, expiration, hold, and the history of who did what with it, as one JSON
    document. --all needs --yes, or a "yes" on a terminal, and is JSON lines: -o jsonl.

    Answer: schema, vault_id, exported_at, user, expiration, hold, lapsed_hold,
    cancelled_expiration, access_history.

    Examples:
      bunkerctl export email:ann@example.com --out ann.json
      bunkerctl export --all -o jsonl --yes --out people.jsonl
    """
    if all == (identity is not None):
        raise errors.Usage("export takes an ID, or --all")
    if all and (
        format is not None or call.flag("json") or call.said("output") not in (None, "jsonl")
    ):
        raise errors.Usage("--all is JSON lines: -o jsonl")
    path = None if out == "-" else out

    def check() -> None:
        if path is not None:
            files.check_writable(path, force=force)

    if identity is not None:
        call.deliver(_person(call, identity, check), path, force=force)
        return
    everyone = _everyone(call, check)
    hint = "what was written is not everybody: run it again"
    shown = path is not None or not call.output.terminal
    with call.progress(hint, shown=shown) as progress:
        progress.begin("people exported", users.count(call.vault()))
        call.deliver(_counted(everyone, progress), path, force=force)


def _person(call: Call, identity: str, check: Callable[[], None]) -> Iterable[bytes]:
    whose = call.identity(identity)
    found = exports.person(call.vault(), whose, check)
    return [_line(answers.person(found, call.overdue_before(), call.links_base()))]


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
