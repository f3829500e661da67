"""`user forget`."""

from __future__ import annotations

from bunkerctl import errors, forgetting
from bunkerctl.cli import batch
from bunkerctl.cli.answers import Answer, single_or_each
from bunkerctl.cli.answers import user as answers
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import IDS, command
from bunkerctl.model import Identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.vault import Transaction


@command(
    "user forget",
    IDS,
    answer=single_or_each(answers.ERASED),
    fails=(errors.Partial, errors.NotFound, errors.Held, errors.Declined, errors.Residue),
)
def forget(call: Call, identity: str) -> None:
    """Erase a person for good: record, identities, expiration, holds.

    What remains is a tombstone: token, times, reason, counts. On a terminal the first 8 characters
    of the token must be typed; elsewhere --yes is needed. A legal hold bars it (exit 5). By token
    it can be repeated; by another identity an erased person is not found. It works on a full disk,
    too: room is kept for the largest record, and for 2,500 erasures or a tenth of the living.

    Examples:
      bunkerctl user forget email:ann@example.com
      bunkerctl user forget - --yes < tokens
    """
    if not call.flag("yes"):
        if identity == "-":
            declined = errors.Declined("erasing a list needs --yes: nothing was erased")
            raise call.vault().refused("user.forget", declined)
        whose = call.identity(identity)
        found = forgetting.forgettable(call.vault(erasing=True), whose)
        batch.confirm(call, found, "user.forget")
        # Who has the identity may have changed meanwhile: erase who was confirmed.
        identity = f"token:{found.token}"

    def acts(tx: Transaction, whose: list[Identity]) -> list[Answer | errors.BunkerError]:
        return [
            one if isinstance(one, errors.BunkerError) else answers.erased(*one)
            for one in forgetting.forget(tx, whose)
        ]

    batch.people(call, identity, "user.forget", acts, answers.ERASED, erasing=True)
