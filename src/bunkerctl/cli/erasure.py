"""`erasure show`, `list` and `verify`."""

from __future__ import annotations

from bunkerctl import errors, identities, notes, receipts
from bunkerctl.cli.answers import erasure as answers
from bunkerctl.cli.answers import several, single
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import argument, command, option


@command(
    "erasure show",
    argument("token", "TOKEN", "the token of who was erased"),
    answer=single(answers.RECEIPT),
    fails=(errors.NotFound,),
)
def show(call: Call, token: str) -> None:
    """Show the receipt of an erasure: what was erased when and why, and the proof of it.

    The receipt has the audit event word for word, its path in the tree, and the head of the tree,
    signed. Whoever has it and the vault's public key (`audit key`) can check it without the vault:
    `erasure verify`. Nothing in it is of the person, nor a hash of anything that was. `backups` are
    those known to the vault that were made while the person lived, and until when they are kept.

    Examples:
      bunkerctl erasure show 9f1b3c9a-7a40-4c55-8f2e-1d7f5a9f0b77 --json
    """
    wanted = identities.parse_uuid(token.removeprefix("token:"), "the token")
    for receipt in receipts.of(call.vault(), [wanted]):
        call.show(receipt)


@command("erasure list", option("--limit", "N", "the first N"), answer=several(answers.TOMBSTONE))
def list_(call: Call, limit: str | None) -> None:
    """List who was erased, oldest first: tokens, times and reasons.

    Examples:
      bunkerctl erasure list
    """
    count = call.count("--limit", limit)
    rows = map(answers.tombstone, receipts.listing(call.vault(), count))
    call.show_list(rows, answers.TOMBSTONE, noun="erasure")


@command(
    "erasure verify",
    option("--key", "KEY", "the vault's public key, as `audit key` printed it, or a file with it"),
    argument("file", "FILE", "a receipt; `-` is standard input"),
    answer=single(answers.CHECKED),
    fails=(errors.IntegrityFailure,),
)
def verify(call: Call, key: str | None, file: str) -> None:
    """Check the receipt of an erasure: with the vault's public key alone, without the vault.

    Without --key it is checked by the key that it names itself, which proves no more than that it
    is of one piece: compare that key with what the vault's owner has published. A receipt that
    does not hold is exit 7.

    Examples:
      bunkerctl erasure verify receipt.json --key people.pub
    """
    given = None if key is None else notes.verifier(_key(call, key))
    done = receipts.check(call.read(file, receipts.MAX_BYTES), given)
    call.show(answers.checked(done, trusted=given is not None))
    if given is None:
        call.note("checked by the key in the receipt: compare it with the published one, or --key")


def _key(call: Call, text: str) -> str:
    """Return a key as it was typed, or what a file has."""
    if text.startswith(notes.ORIGIN) and "+" in text:
        return text
    try:
        return call.read(text, notes.MAX_BYTES).decode()
    except UnicodeDecodeError:
        raise errors.Invalid("that is not a public key as `audit key` prints it") from None
