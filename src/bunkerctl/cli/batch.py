"""A command on one person, or with `-` on each of those that standard input names."""

from __future__ import annotations

from bunkerctl import errors, users
from bunkerctl.model import Tombstone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from bunkerctl.cli.answers import Answer
    from bunkerctl.cli.call import Call
    from bunkerctl.model import Identity, User
    from bunkerctl.vault import Transaction

    Act = Callable[[Transaction, Identity], Answer]
    Acts = Callable[[Transaction, list[Identity]], list[Answer | errors.BunkerError]]

CONFIRM_LENGTH = 8
FAILS_ALONE = (errors.Invalid, errors.NotFound, errors.Conflict)
"""What one line may fail with while the others go on."""


def people(
    call: Call,
    argument: str,
    action: str,
    acts: Acts,
    columns: Collection[str],
    view: str = "fields",
    *,
    erasing: bool = False,
) -> None:
    """Act on one identity, or on each line of standard input for `-`; show what comes.

    `acts` takes a group, and `erasing` says that it erases. A batch is an audit event of its own,
    after those of its people.

    Raises:
        Residue: erased, but not finished.
        Partial: a line failed.
    """
    if argument != "-":
        identity = call.identity(argument)
        with call.vault(erasing=erasing).transaction() as tx:
            answer = acts(tx, [identity])[0]
            if isinstance(answer, errors.BunkerError):
                raise answer
        if erasing:
            show_erased(call, answer)
        else:
            call.show(answer, view)
        return
    from bunkerctl.cli import lines

    lines.each(call, action, acts, columns, view, erasing=erasing)


def one_by_one(act: Act) -> Acts:
    """Return what does an act on each of a group; one that fails does not stop the others."""

    def acts(tx: Transaction, whose: list[Identity]) -> list[Answer | errors.BunkerError]:
        done: list[Answer | errors.BunkerError] = []
        users.look_up(tx.vault, whose)
        for identity in whose:
            try:
                done.append(act(tx, identity))
            except FAILS_ALONE as error:
                done.append(error)
        return done

    return acts


def show_erased(call: Call, answer: Answer) -> None:
    """Make a committed erasure final, and show its answer; raise Residue if something is left."""
    from bunkerctl import erasure

    residue = erasure.finish(call.vault())
    call.show(answer)
    if residue is not None:
        raise residue


def confirm(call: Call, found: User | Tombstone, action: str) -> None:
    """Let a person confirm an erasure; raise Declined, as an event, if it is not confirmed."""
    if isinstance(found, Tombstone):
        return
    question = f"Erase {found.token} for good? Type the first {CONFIRM_LENGTH} characters"
    if not call.confirmed(question, found.token[:CONFIRM_LENGTH]):
        declined = errors.Declined(
            "not confirmed: nothing was erased",
            hint="without a terminal, pass --yes",
            token=found.token,
        )
        raise call.vault().refused(action, declined)
