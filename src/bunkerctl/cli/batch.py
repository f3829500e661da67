"""A command on one person, or with `-` on each of those that standard input names.

The lines of a batch that are there to be read are one group: one transaction, in which each
person has an event, and then their answers. So a long list costs one sync a group and not one a
person, and who writes one line gets its answer before the next.
"""

from __future__ import annotations

from bunkerctl import errors, files, identities
from bunkerctl.cli.output import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bunkerctl.cli.answers import Answer
    from bunkerctl.cli.call import Call
    from bunkerctl.model import Identity
    from bunkerctl.vault import Transaction

    Act = Callable[[Transaction, Identity], Answer]

MAX_ID_BYTES = 64 * 1024
MOST_AT_ONCE = 500
FAILS_ALONE = (errors.Invalid, errors.NotFound, errors.Conflict)
"""What one line may fail with while the others go on."""


def people(
    call: Call,
    argument: str,
    action: str,
    act: Act,
    columns: tuple[str, ...],
    *,
    erasing: bool = False,
) -> None:
    """Act on one identity, or on each line of standard input for `-`; show what comes.

    A batch is an audit event of its own, after those of its people. `erasing` says that the act
    erases.

    Raises:
        Residue: erased, but not finished.
        Partial: a line failed.
    """
    if argument != "-":
        identity = call.identity(argument)
        with call.vault(erasing=erasing).transaction() as tx:
            answer = act(tx, identity)
        if erasing:
            show_erased(call, answer)
        else:
            call.show(answer)
        return
    vault = call.vault(erasing=erasing)
    tally = _Tally()
    call.show_list(_each(call, act, tally, erasing=erasing), columns)
    with vault.transaction() as tx:
        tx.event(action, counts={"read": tally.read, "failed": tally.failed})
    failed = f"{tally.failed} of {tally.read} lines failed"
    if tally.residue is not None:
        if tally.failed:
            call.note(failed)
        raise tally.residue
    if tally.failed:
        raise errors.Partial(failed)


def show_erased(call: Call, answer: Answer) -> None:
    """Make a committed erasure final, and show its answer; raise Residue if something is left."""
    from bunkerctl import erasure

    residue = erasure.finish(call.vault())
    call.show(answer)
    if residue is not None:
        raise residue


class _Tally:
    def __init__(self) -> None:
        self.read = self.failed = 0
        self.residue: errors.Residue | None = None


def _each(call: Call, act: Act, tally: _Tally, *, erasing: bool) -> Iterator[Answer | Failure]:
    vault, region = call.vault(), call.region()
    for group in files.lines_at_hand(call.stdin(), MAX_ID_BYTES, MOST_AT_ONCE):
        with vault.transaction() as tx:
            answers = [
                _one(tx, number, raw, act, region)
                for number, raw in group
                if raw is None or raw.strip()
            ]
        if erasing:
            from bunkerctl import erasure

            tally.residue = erasure.finish(vault)
        tally.read += len(answers)
        tally.failed += sum(isinstance(answer, Failure) for answer in answers)
        yield from answers
        call.output.flush()


def _one(
    tx: Transaction, number: int, raw: bytes | None, act: Act, region: str | None
) -> Answer | Failure:
    try:
        if raw is None:
            raise errors.Invalid("the line is too long")
        return act(tx, identities.parse(_decoded(raw), region))
    except FAILS_ALONE as error:
        return Failure(line=number, error=error)


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise errors.Invalid("the line is not UTF-8") from None
