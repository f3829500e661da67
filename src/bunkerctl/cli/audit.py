"""`audit list`, `show`, `head` and `verify`."""

from __future__ import annotations

from bunkerctl import audit, errors, identities, jsontext, times, users
from bunkerctl.cli import answers
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import argument, command, option
from bunkerctl.merkle import HASH_BYTES
from bunkerctl.model import ACTIONS, Head

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_HEAD_BYTES = 4096


@command(
    "audit list",
    argument("identity", "ID", "whose events", "optional"),
    option("--since", "D", "from this date on, or from that long ago"),
    option("--until", "D", "before this date, or before that long ago"),
    option("--action", "ACTION", "this action alone", choices=ACTIONS),
    option("--actor", "NAME", "events of this actor alone"),
    option("--limit", "N", "the newest N"),
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
    value. Looking at the trail is no event itself.

    Answer: a list of seq, at, action, outcome, actor, os_user, host, token, fields, reason, ref,
    hash.

    Examples:
      bunkerctl audit list --since 7d
      bunkerctl audit list --action exp.erase --json
    """
    count = call.count("--limit", limit)
    from_, to = call.moment(since), call.moment(until)
    whose = None if identity is None else call.identity(identity)
    vault = call.vault()
    wanted = audit.Filter(
        token=None if whose is None else users.token_of(vault, whose),
        since=from_,
        until=to,
        action=action,
        actor=actor,
        limit=count,
    )
    rows = map(answers.event, audit.listing(vault, wanted))
    call.show_list(rows, answers.EVENT, brief=answers.EVENT_BRIEF)


@command("audit show", argument("seq", "SEQ", "number of the event"))
def show(call: Call, seq: str) -> None:
    """Show one event, with everything it says.

    Examples:
      bunkerctl audit show 1
    """
    number = call.number("SEQ", seq)
    call.show(answers.event(audit.show(call.vault(), number), whole=True))


@command("audit head")
def head(call: Call) -> None:
    """Print the head of the audit trail: keep it elsewhere, for `audit verify --against`.

    Answer: vault_id, size, root, at.

    Examples:
      bunkerctl audit head --json
    """
    call.show(answers.head(audit.head(call.vault())))


@command(
    "audit verify",
    option("--against", "FILE", "what `audit head --json` printed once"),
)
def verify(call: Call, against: str | None) -> None:
    """Recompute the audit trail, and with --against prove that it continues an earlier head.

    Without a head kept elsewhere, a tail that was cut or a trail built anew cannot be told from
    a whole one. A broken, shortened or rolled-back trail is exit 7.

    Answer: ok, events, head, first_bad (the first event that cannot be trusted).

    Examples:
      bunkerctl audit verify
    """
    earlier = None if against is None else _head(call.read(against, MAX_HEAD_BYTES))
    found = audit.verify(call.vault(), earlier)
    call.show(answers.verification(found))
    if not found.ok:
        raise errors.IntegrityFailure(
            found.problem or "", hint="compare with a backup and with heads kept elsewhere"
        )


def _head(raw: bytes) -> Head:
    try:
        said: Any = jsontext.loads(raw, "the head")
        size, root = said["size"], bytes.fromhex(said["root"])
        if type(size) is not int or size < 0 or len(root) != HASH_BYTES:
            raise ValueError("not a head")
        return Head(
            vault_id=identities.parse_uuid(said["vault_id"], "the vault's id"),
            size=size,
            root=root.hex(),
            at=times.parse_date(said["at"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, errors.Invalid):
        raise errors.Invalid(
            "the file is not what `audit head --json` prints", hint="a plain one will not do"
        ) from None
