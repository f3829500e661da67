"""`audit head`, `checkpoint`, `key`, `verify`, `export` and `prune`."""

from __future__ import annotations

from bunkerctl import audit, checkpoints, commitments, errors, events, placement, pruning
from bunkerctl.cli import output
from bunkerctl.cli.answers import Answer, several, single
from bunkerctl.cli.answers import audit as answers
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from bunkerctl.model import Progress


@command("audit head", answer=single(answers.HEAD))
def head(call: Call) -> None:
    """Print the head of the audit trail: keep it elsewhere, for `audit verify --against`.

    Examples:
      bunkerctl audit head --json
    """
    call.show(answers.head(audit.head(call.vault())))


@command("audit checkpoint", answer=single(answers.CHECKPOINT))
def checkpoint(call: Call) -> None:
    """Print the head of the audit trail, signed by the vault: keep it elsewhere.

    It is a note as C2SP's signed-note and tlog-checkpoint say, for tools of transparency logs. The
    setting audit.anchor has one taken at each sweep and backup.

    Examples:
      bunkerctl audit checkpoint > people.checkpoint
      bunkerctl audit checkpoint --json
    """
    signed = checkpoints.take(call.vault())
    if call.output.form in ("plain", "table"):
        call.output.text(signed.note)
    else:
        call.show({**answers.head(signed.head), "checkpoint": signed.note})


@command("audit key", answer=single(answers.KEY))
def key(call: Call) -> None:
    """Print the public key that checkpoints and receipts are checked with.

    It is written as C2SP's signed-note says. Publish it, or give it to whoever is to check a
    receipt: a rotation of the master key does not change it.

    Examples:
      bunkerctl audit key
    """
    vault = call.vault()
    text = checkpoints.verifier(vault).text()
    if call.output.form in ("plain", "table"):
        call.line(text)
    else:
        call.show({"vault_id": vault.header.vault_id, "key": text})


@command(
    "audit verify",
    option("--against", "FILE", "a head, checkpoint or anchor that was kept elsewhere"),
    option("--deep", None, "also compare each living record with what the trail says of it"),
    answer=single(answers.VERIFICATION),
    fails=(errors.Conflict, errors.IntegrityFailure),
)
def verify(call: Call, against: str | None, deep: bool) -> None:
    """Recompute the audit trail, and with --against prove that it continues an earlier head.

    Without a head kept elsewhere, a tail that was cut or a trail built anew cannot be told from
    a whole one. --deep finds an old page or an old file that was played back: a record that is not
    what its newest event committed to, or a row of somebody erased; and an event that is filed
    under somebody else, where nobody would find it. A broken, shortened or rolled-back trail is
    exit 7.

    Examples:
      bunkerctl audit verify
      bunkerctl audit verify --deep
    """
    kept = None
    if against is not None:
        kept = checkpoints.parse(call.read_end(against, checkpoints.MAX_BYTES), call.now())
    vault = call.vault()
    with call.progress("nothing is proven: run it again") as progress:
        found = audit.verify(vault, kept, progress, call.once_more)
        rows = commitments.check(vault, progress) if deep else None
    call.show(answers.verification(found, rows), "verification")
    if not found.ok:
        raise errors.IntegrityFailure(
            found.problem or "", hint="compare with a backup and with heads kept elsewhere"
        )
    if rows is not None and not rows.ok():
        raise errors.IntegrityFailure(
            f"{len(rows.bad)} records are not what the audit trail says of them"
            if rows.bad
            else "the number of people is not what the vault has counted",
            hint="an old page or an old file was put back: compare with a backup",
        )


@command(
    "audit export",
    option("--since", "D", "from this date on, or from that long ago"),
    option("--until", "D", "before this date, or before that long ago"),
    option("--out", "FILE", "write there (0600), not to standard output (`-`)"),
    option("--force", None, "replace a file that exists"),
    answer=several(answers.EVENT, optional=answers.EVENT_MORE),
    fails=(errors.Conflict,),
)
def export(call: Call, since: str | None, until: str | None, out: str | None, force: bool) -> None:
    """Export audit events with everything they say, as JSON lines or CSV.

    -o jsonl has every event word for word, with its hash; -o csv the fields that `audit list` has.

    Examples:
      bunkerctl audit export --since 1y -o jsonl --out trail.jsonl
      bunkerctl audit export -o csv > trail.csv
    """
    form = call.said("output") or "jsonl"
    if call.flag("json") or form not in ("jsonl", "csv"):
        raise errors.Usage("an export of the trail is -o jsonl or -o csv")
    wanted = events.Filter(
        token=None,
        since=call.moment(since),
        until=call.moment(until),
        action=None,
        actor=None,
        limit=None,
    )
    path = None if out in (None, "-") else out
    if path is not None:
        placement.check_writable(path, force=force)
    vault = call.vault()
    hint = "what was written is not the whole trail: run it again"
    shown = path is not None or not call.output.terminal
    with call.progress(hint, shown=shown) as progress:
        progress.begin("events exported", events.count(vault, wanted))
        rows = _counted(events.listing(vault, wanted), form, progress)
        chunks = (chunk.encode() for chunk in output.lines(form, rows, answers.EVENT))
        call.deliver(chunks, path, force=force)


@command(
    "audit prune",
    option("--before", "D", "events from before this date, or so long ago"),
    answer=single(answers.PRUNED),
    fails=(errors.Declined,),
)
def prune(call: Call, before: str | None) -> None:
    """Delete old events; the tree over them and its signed checkpoint stay.

    The trail verifies as before, and heads from after that point still prove it. Heads from before
    it, and receipts of erasures among the events, can no longer be made: export them first. It
    needs --yes, or a "yes" on a terminal.

    Examples:
      bunkerctl audit prune --before 5y --yes
    """
    if before is None:
        raise errors.Usage("audit prune needs --before", hint="for example --before 5y")
    moment = call.moment(before)
    vault = call.vault()
    if not call.confirmed("Delete those events? Type yes", "yes"):
        declined = errors.Declined(
            "not confirmed: nothing was pruned", hint="without a terminal, pass --yes"
        )
        raise vault.refused(pruning.ACTION, declined)
    with call.progress("nothing was deleted: run it again") as progress:
        done = pruning.prune(vault, moment or 0, call.once_more, progress)
    call.show(answers.pruned(done))


def _counted(found: Iterator[events.Event], form: str, progress: Progress) -> Iterator[Answer]:
    for event in found:
        yield answers.event(event, whole=form == "jsonl")
        progress.done += 1
