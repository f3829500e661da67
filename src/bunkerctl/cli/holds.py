"""`user hold` and `user release`."""

from __future__ import annotations

from bunkerctl import errors, holds, times
from bunkerctl.cli.answers import single
from bunkerctl.cli.answers import user as answers
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import ID, command, option
from bunkerctl.model import User


@command(
    "user hold",
    option("--reason", "TEXT", "why the data must be kept; it is erased with the person"),
    option("--until", "DATE", "when the hold lapses by itself"),
    ID,
    answer=single(answers.USER_HELD),
    fails=(errors.NotFound,),
)
def hold(call: Call, reason: str | None, until: str | None, identity: str) -> None:
    """Put a person under a legal hold: nothing erases it until it is released or lapses.

    Examples:
      bunkerctl user hold login:ann --reason "court case" --until 2027-06-30
    """
    why = reason or call.take("reason")
    if not why:
        raise errors.Usage("a hold needs --reason")
    ends = None if until is None else times.parse_date(until)
    if ends is not None and ends <= call.now():
        raise errors.Invalid("--until must lie ahead")
    whose = call.identity(identity)
    user, changed = holds.hold(call.vault(), whose, why, ends)
    _show_hold(call, user, changed)


@command(
    "user release",
    ID,
    answer=single(answers.USER_HELD),
    fails=(errors.NotFound,),
)
def release(call: Call, identity: str) -> None:
    """Lift a legal hold.

    Examples:
      bunkerctl user release login:ann
    """
    whose = call.identity(identity)
    _show_hold(call, *holds.release(call.vault(), whose))


def _show_hold(call: Call, user: User, changed: bool) -> None:
    now = call.now()
    call.show(
        {**answers.user(user, now), "hold": answers.hold(user, now), "changed": changed}, "user"
    )
