"""`report`: the vault in figures, for an audit."""

from __future__ import annotations

from bunkerctl import errors, jsontext, placement, reports
from bunkerctl.cli.answers import Answer, single
from bunkerctl.cli.answers import report as answers
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import command, option


@command(
    "report",
    option("--since", "D", "from this date on, or from that long ago; else from the first event"),
    option("--until", "D", "before this date, or before that long ago; else up to now"),
    option("--out", "FILE", "write the page (HTML, 0600) there; `-` is standard output"),
    option("--force", None, "replace a file that exists; let --out - write to a terminal"),
    answer=single(answers.REPORT),
    fails=(errors.Conflict, errors.IntegrityFailure),
)
def report(call: Call, since: str | None, until: str | None, out: str | None, force: bool) -> None:
    """Show what the vault has kept, erased and shown: for a data protection officer, at an audit.

    --out makes one page that runs nothing and loads nothing, with charts, tables and how to check
    them: people by state over time; expirations started, kept, removed and swept per month; what
    falls due per week; who is overdue or held, and since when; erasures, with how to get their
    receipts; reads by actor, and who was read unusually often; key, backup, sweep and clock; and
    the audit trail, proven while it is counted, with its signed head. --json gives the same
    figures, and with --out writes them there; without either, the main ones are shown.

    There are tokens in it and the names of actors, but nothing personal of the people in the vault:
    like `status`, it is no audit event. Events that `audit prune` has deleted are not counted, and
    it says so. A trail that is not whole is exit 7; the report is written all the same.

    Examples:
      bunkerctl report --since 1y
      bunkerctl report --since 1y --out report.html
      bunkerctl report --json
    """
    typed = "json" if call.typed("json") else call.typed("output")
    if out is not None and typed not in (None, "json"):
        raise errors.Usage("--out writes a page, or with --json the figures")
    if out == "-" and typed is None and call.output.terminal and not force:
        raise errors.Usage("a page is not for a terminal", hint="--out FILE, or --force")
    path = None if out == "-" else out
    if path is not None:
        placement.check_writable(path, force=force)
    from_, to = call.moment(since), call.moment(until)
    vault, overdue = call.vault(), call.overdue_before()
    with call.progress("nothing was written: run it again") as progress:
        found = reports.read(vault, call.once_more, overdue, from_, to, progress)
    fields = answers.report(found)
    if out is not None:
        call.deliver([_whole(fields, typed).encode()], path, force=force)
    elif call.output.form in ("json", "jsonl"):
        call.show(fields)
    else:
        call.show(answers.brief(fields))
    if not found.trail.ok:
        raise errors.IntegrityFailure(
            found.trail.problem or "the audit trail is damaged",
            hint="compare with a backup and with heads kept elsewhere",
        )


def _whole(fields: Answer, form: str | None) -> str:
    """Return what a file has: the page, or the figures if JSON was asked for."""
    if form == "json":
        return jsontext.escaped(jsontext.dumps(fields)) + "\n"
    from bunkerctl.cli import reportpage

    return reportpage.page(fields)
