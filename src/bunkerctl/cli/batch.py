"""A command on one person, or with `-` on each of those that standard input names.

The lines of a batch that are there to be read are one group: one transaction, in which each
person has an event, and then their answers. So a long list costs one sync a group and not one a
person, and who writes one line gets its answer before the next.
"""

from __future__ import annotations

import time

from bunkerctl import errors, identities, users
from bunkerctl.cli.output import Failure
from bunkerctl.lean import partial
from bunkerctl.model import Tombstone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from bunkerctl.cli.answers import Answer
    from bunkerctl.cli.call import Call
    from bunkerctl.model import Identity, User
    from bunkerctl.pace import Pace
    from bunkerctl.vault import Transaction, Vault

    Act = Callable[[Transaction, Identity], Answer]
    Acts = Callable[[Transaction, list[Identity]], list[Answer | errors.BunkerError]]

MAX_ID_BYTES = 64 * 1024
LOCK_SECONDS = 0.3
FIRST_AT_ONCE, LEAST_AT_ONCE, MOST_AT_ONCE = 1000, 100, 5000
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
    from bunkerctl.store import lookup

    vault = call.vault(erasing=erasing)
    tally = _Tally()
    with vault.db.in_bulk():
        lookup.settle(vault.db)  # what a killed import has left
        answers = _each(call, acts, tally, erasing=erasing)
        call.show_list(answers, columns, noun="person", view=view)
    with vault.transaction() as tx:
        tx.event(action, counts={"read": tally.read, "failed": tally.failed})
    failed = f"{tally.failed} of {tally.read} lines failed"
    if tally.residue is not None:
        if tally.failed:
            call.note(failed)
        raise tally.residue
    if tally.failed:
        raise errors.Partial(failed)


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


class _Tally:
    def __init__(self) -> None:
        self.read = self.failed = 0
        self.residue: errors.Residue | None = None


def _each(call: Call, acts: Acts, tally: _Tally, *, erasing: bool) -> Iterator[Answer | Failure]:
    from bunkerctl import pipes
    from bunkerctl.pace import Pace

    vault, region = call.vault(), call.region()
    pace = Pace(LOCK_SECONDS, first=FIRST_AT_ONCE, least=LEAST_AT_ONCE, most=MOST_AT_ONCE)
    for group in pipes.lines_at_hand(call.stdin(), MAX_ID_BYTES, lambda: pace.size):
        said = [(number, _read(raw, region)) for number, raw in group if raw is None or raw.strip()]
        whose = [one for _, one in said if not isinstance(one, errors.Invalid)]
        act = partial(_committed, vault, acts, pace)
        finish = partial(_finish, vault, tally) if erasing else list
        done: Iterator[Answer | errors.BunkerError]
        try:
            answers = act(whose)
        except errors.IntegrityFailure:  # somebody's record is damaged: up to there, one by one
            done = (answer for one in whose for answer in finish(act([one])))
        else:
            done = iter(finish(answers))
        tally.read += len(said)
        for number, one in said:
            answer = one if isinstance(one, errors.Invalid) else next(done)
            if isinstance(answer, errors.BunkerError):
                tally.failed += 1
                yield Failure(line=number, error=answer)
            else:
                yield answer
        call.output.flush()


def _committed(
    vault: Vault, acts: Acts, pace: Pace, whose: list[Identity]
) -> list[Answer | errors.BunkerError]:
    """Act on a group in one transaction."""
    with vault.transaction() as tx:
        began = time.monotonic()
        done = acts(tx, whose)
    pace.took(len(whose) or 1, time.monotonic() - began)
    return done


def _finish(
    vault: Vault, tally: _Tally, done: list[Answer | errors.BunkerError]
) -> list[Answer | errors.BunkerError]:
    """Make what a group has erased final; return its answers."""
    from bunkerctl import erasure

    tally.residue = erasure.finish(vault)
    return done


def _read(raw: bytes | None, region: str | None) -> Identity | errors.Invalid:
    try:
        if raw is None:
            raise errors.Invalid("the line is too long")
        return identities.parse(_decoded(raw), region)
    except errors.Invalid as error:
        return error


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise errors.Invalid("the line is not UTF-8") from None
