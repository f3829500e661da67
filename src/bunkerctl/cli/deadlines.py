"""`exp list`."""

from __future__ import annotations

from bunkerctl import deadlines, errors, times
from bunkerctl.cli.answers import exp as answers
from bunkerctl.cli.answers import several
from bunkerctl.cli.call import Call
from bunkerctl.cli.exp import standing
from bunkerctl.cli.grammar import command, option
from bunkerctl.lean import partial


@command(
    "exp list",
    option("--due", None, "who is due now"),
    option("--within", "DUR", "who is due within this time"),
    option("--limit", "N", "at most N"),
    answer=several(answers.EXPIRATION),
)
def list_(call: Call, due: bool, within: str | None, limit: str | None) -> None:
    """List who waits, soonest due first.

    At a terminal, bars below the list show how many fall due in each of the coming weeks.

    Examples:
      bunkerctl exp list --within 7d
    """
    until = call.now() if due else None
    if within is not None:
        if due:
            raise errors.Usage("--due and --within: choose one")
        until = times.after(call.now(), times.parse_duration(within))
    count = call.count("--limit", limit)
    vault = call.vault()
    found = deadlines.waiting(vault, until, count)
    rows = (standing(call, user) for user in found)
    ahead = None if due else partial(deadlines.ahead, vault)
    whole = "`bunkerctl exp list` lists all who wait"
    hint = "`bunkerctl exp start ID` begins an expiration" if until is None else whole
    call.show_list(rows, answers.EXPIRATION, noun="person", view="exp", beside=ahead, hint=hint)
