"""The lines of a batch: those that are there to be read are one group.

A group is one transaction, in which each person has an event, and then their answers. So a long
list costs one sync a group and not one a person, and who writes one line gets its answer before
the next.
"""

from __future__ import annotations

import time

from bunkerctl import errors, identities, pipes
from bunkerctl.cli.output import Failure
from bunkerctl.lean import partial
from bunkerctl.pace import Pace
from bunkerctl.store import lookup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from bunkerctl.cli.answers import Answer
    from bunkerctl.cli.batch import Acts
    from bunkerctl.cli.call import Call
    from bunkerctl.model import Identity
    from bunkerctl.vault import Vault

MAX_ID_BYTES = 64 * 1024
LOCK_SECONDS = 0.3
FIRST_AT_ONCE, LEAST_AT_ONCE, MOST_AT_ONCE = 1000, 100, 5000


def each(
    call: Call,
    action: str,
    acts: Acts,
    columns: Collection[str],
    view: str,
    *,
    erasing: bool,
) -> None:
    """Act on each line of standard input, and show what comes: as `batch.people` says."""
    vault = call.vault(erasing=erasing)
    tally = _Tally()
    with vault.db.in_bulk():
        lookup.settle(vault.db)  # what a killed import has left
        answers = _answers(call, acts, tally, erasing=erasing)
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


class _Tally:
    def __init__(self) -> None:
        self.read = self.failed = 0
        self.residue: errors.Residue | None = None


def _answers(call: Call, acts: Acts, tally: _Tally, *, erasing: bool) -> Iterator[Answer | Failure]:
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
