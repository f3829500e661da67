"""`user list`."""

from __future__ import annotations

from bunkerctl import identities, listings
from bunkerctl.cli.answers import several
from bunkerctl.cli.answers import user as answers
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import command, option
from bunkerctl.model import EXPSTATUSES


@command(
    "user list",
    option("--expstatus", "S", "who stands so", choices=EXPSTATUSES),
    option("--created-before", "D", "created before this date, or before that long ago"),
    option("--updated-before", "D", "updated before this date, or before that long ago"),
    option("--held", None, "under a legal hold"),
    option("--limit", "N", "at most N"),
    option("--after", "TOKEN", "only tokens behind this one: the last of the previous page"),
    option("--reveal", None, "show personal values; an audit event for each person"),
    answer=several(answers.USER),
)
def list_(
    call: Call,
    expstatus: str | None,
    created_before: str | None,
    updated_before: str | None,
    held: bool,
    limit: str | None,
    after: str | None,
    reveal: bool,
) -> None:
    """List people in the order of their tokens, personal values masked.

    Where `record.schema` is set, `x-mask` in the schema says how a field is masked:
    bunkerctl-import(7) explains it.

    Examples:
      bunkerctl user list --expstatus wait
      bunkerctl user list --updated-before 2y -o jsonl
    """
    wanted = listings.Listing(
        expstatus=expstatus,
        created_before=call.moment(created_before),
        updated_before=call.moment(updated_before),
        held=held,
        after=None if after is None else _token(after),
        limit=call.count("--limit", limit),
    )
    mask = None if reveal else call.mask()
    vault = call.vault()
    now = call.now()
    found = listings.listing(vault, wanted, reveal=reveal)
    rows = (answers.user(user, now, mask) for user in found)
    chosen = held or any((expstatus, created_before, updated_before, after))
    hint = "`bunkerctl user list` lists everybody" if chosen else "`bunkerctl user add` adds people"
    call.show_list(rows, answers.USER, noun="person", view="user", hint=hint)


def _token(text: str) -> str:
    return identities.parse_uuid(text.removeprefix("token:"), "--after")
