"""`audit list` and `show`."""

from __future__ import annotations

from bunkerctl import errors, events, users
from bunkerctl.cli.answers import audit as answers
from bunkerctl.cli.answers import several, single
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import argument, command, option
from bunkerctl.model import ACTIONS


@command(
    "audit list",
    argument("identity", "ID", "whose events", "optional"),
    option("--since", "D", "from this date on, or from that long ago"),
    option("--until", "D", "before this date, or before that long ago"),
    option("--action", "ACTION", "this action alone", choices=ACTIONS),
    option("--actor", "NAME", "events of this actor alone"),
    option("--limit", "N", "the newest N"),
    answer=several(answers.EVENT),
    fails=(errors.NotFound,),
)
def list_(
    call: Call,
    identity: str | None,
    since: str | None,
    until: str | None,
    action: str | None,
    actor: str | None,
    limit: str | None,
) -> None:
    """List audit events, newest last.

    An event tells who did what to whom and when: a token and the names of fields, never a
    value. Looking at the trail is no event itself. At a terminal each is told as a sentence;
    `audit show` has everything that an event says.

    Examples:
      bunkerctl audit list --since 7d
      bunkerctl audit list --action exp.erase --json
    """
    count = call.count("--limit", limit)
    from_, to = call.moment(since), call.moment(until)
    whose = None if identity is None else call.identity(identity)
    vault = call.vault()
    wanted = events.Filter(
        token=None if whose is None else users.token_of(vault, whose),
        since=from_,
        until=to,
        action=action,
        actor=actor,
        limit=count,
    )
    whole = call.output.form == "table"
    rows = (answers.event(one, whole=whole) for one in events.listing(vault, wanted))
    call.show_list(rows, answers.EVENT, noun="event", view="audit")


@command(
    "audit show",
    argument("seq", "SEQ", "number of the event"),
    answer=single(answers.EVENT, optional=answers.EVENT_MORE),
    fails=(errors.NotFound,),
)
def show(call: Call, seq: str) -> None:
    """Show one event, with everything it says.

    Examples:
      bunkerctl audit show 1
    """
    number = call.number("SEQ", seq)
    call.show(answers.event(events.show(call.vault(), number), whole=True), "audit")
