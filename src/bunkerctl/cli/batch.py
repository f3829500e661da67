"""A command on one person, or with `-` on each of those that standard input names."""

from __future__ import annotations

from bunkerctl import errors, files, identities
from bunkerctl.cli.output import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bunkerctl.cli.answers import Answer
    from bunkerctl.cli.call import Call
    from bunkerctl.model import Identity

MAX_ID_BYTES = 64 * 1024
FAILS_ALONE = (errors.Invalid, errors.NotFound, errors.Conflict)
"""What one line may fail with while the others go on."""


def people(
    call: Call,
    argument: str,
    action: str,
    act: Callable[[Identity], Answer],
    columns: tuple[str, ...],
) -> None:
    """Act on one identity, or on each line of standard input for `-`; show what comes.

    A batch is an audit event of its own, after those of its people.

    Raises:
        Partial: a line failed.
    """
    if argument != "-":
        call.show(act(call.identity(argument)))
        return
    vault = call.vault()
    tally = _Tally()
    call.show_list(_each(call, act, tally), columns, at_once=True)
    with vault.transaction() as tx:
        tx.event(action, counts={"read": tally.read, "failed": tally.failed})
    if tally.failed:
        raise errors.Partial(f"{tally.failed} of {tally.read} lines failed")


class _Tally:
    def __init__(self) -> None:
        self.read = self.failed = 0


def _each(
    call: Call, act: Callable[[Identity], Answer], tally: _Tally
) -> Iterator[Answer | Failure]:
    region = call.region()
    for number, raw in files.lines(call.stdin(), MAX_ID_BYTES):
        if raw is not None and not raw.strip():
            continue
        tally.read += 1
        try:
            if raw is None:
                raise errors.Invalid("the line is too long")
            answer: Answer | Failure = act(identities.parse(_decoded(raw), region))
        except FAILS_ALONE as error:
            tally.failed += 1
            answer = Failure(line=number, error=error)
        yield answer


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise errors.Invalid("the line is not UTF-8") from None
