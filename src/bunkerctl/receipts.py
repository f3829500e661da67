"""Receipts: the proof of an erasure, to be checked without the vault and without trust in it.

A receipt has the audit event of the erasure word for word, the path from it to the head of the
trail (RFC 6962, section 2.1.1), and that head signed by the vault. Nothing in it is of the
person, nor a hash of anything that was.
"""

from __future__ import annotations

import base64
import binascii
import json

from bunkerctl import audit, checkpoints, errors, merkle, notes, proofs, times
from bunkerctl.model import ERASURES, Tombstone, Value
from bunkerctl.store import audit as store
from bunkerctl.store import backups, state, tombstones, trail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from bunkerctl.notes import Verifier
    from bunkerctl.vault import Vault

SCHEMA = "bunkerctl.receipt/1"
SCRUBBED = "record, identities, expiration and holds: overwritten in place with zeros, the journal "
SCRUBBED += "emptied, both synced to the disk"
PAGE = 500
MAX_BYTES = 1 << 20

Receipt = dict[str, "Any"]


class Checked(Value):
    """A receipt that holds: what it proves, and by which key."""

    token: str
    vault_id: str
    erased_at: str
    event: int
    size: int
    verifier: Verifier


def of(vault: Vault, tokens: Iterable[str]) -> Iterator[Receipt]:
    """Yield the receipts of erased people, in that order, all under one checkpoint.

    Raises:
        NotFound: one is not an erased person's token, or its event was pruned.
    """
    from bunkerctl.backups import there  # only here: it imports much

    wanted = list(tokens)
    with vault.reading():
        found = [_tombstone(vault, token) for token in wanted]
        tree, pruned = store.tree(vault.db), trail.pruned(vault.db)
        signed = checkpoints.sign(vault, tree)
        key = checkpoints.verifier_within(vault)
        unscrubbed = state.totals(vault.db).unscrubbed
        known = there(backups.known(vault.db))
    begin = merkle.Tree() if pruned is None else pruned.tree
    for tombstone in found:
        if tombstone.event <= begin.size:
            raise errors.NotFound(
                "the event of that erasure was pruned from the audit trail",
                hint="its receipt is what was kept of it, as of `exp sweep --receipts DIR`",
                token=tombstone.token,
            )
    nodes = _nodes(vault, begin, tree.size, [tombstone.event - 1 for tombstone in found])
    for tombstone in found:
        with vault.reading():
            leaf = trail.by_seq(vault.db, tombstone.event) or ""
        proof = proofs.inclusion_proof(tombstone.event - 1, tree.size, nodes.head)
        yield {
            **_said(tombstone, leaf, vault.header.vault_id),
            "scrubbed": None if unscrubbed else SCRUBBED,
            "backups": [_backup(one) for one in known if _has(one, tombstone)],
            "leaf": leaf,
            "index": tombstone.event - 1,
            "proof": [base64.b64encode(node).decode() for node in proof],
            "checkpoint": signed.note,
            "key": key.text(),
        }


def listing(vault: Vault, limit: int | None) -> Iterator[Tombstone]:
    """Yield the erasures, oldest first; `limit` takes the first ones."""
    after, left = 0, limit
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        with vault.reading():
            page = tombstones.since(vault.db, after, size)
        yield from page
        if len(page) < size:
            return
        after = page[-1].event
        left = left and left - len(page)


def check(raw: bytes, key: Verifier | None) -> Checked:
    """Check a receipt, by the key that is given or else by the one that it names itself.

    Raises:
        Invalid: it is not a receipt.
        IntegrityFailure: it does not hold.
    """
    receipt = _read(raw)
    try:
        own = notes.verifier(receipt["key"])
        leaf, index = receipt["leaf"], receipt["index"]
        proof = [base64.b64decode(node, validate=True) for node in receipt["proof"]]
        note, event = receipt["checkpoint"], json.loads(leaf)
        if type(index) is not int or index < 0 or not isinstance(event, dict):
            raise ValueError("not a receipt")
        if not isinstance(leaf, str) or not isinstance(note, str):
            raise TypeError("not a receipt")
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, binascii.Error):
        raise _malformed() from None
    verifier = key or own
    if verifier.text() != own.text():
        raise errors.IntegrityFailure("the receipt is signed by another key than the one given")
    checkpoint = notes.open_(note, verifier)
    if checkpoint.origin != notes.origin_of(str(receipt.get("vault_id"))):
        raise errors.IntegrityFailure("the receipt and its checkpoint are of different vaults")
    root = proofs.root_of_inclusion(merkle.leaf_hash(leaf.encode()), index, checkpoint.size, proof)
    if root != checkpoint.root:
        raise errors.IntegrityFailure("the event of the erasure is not in the signed audit trail")
    _check_said(receipt, event, index)
    return Checked(
        token=receipt["token"],
        vault_id=receipt["vault_id"],
        erased_at=receipt["erased_at"],
        event=index + 1,
        size=checkpoint.size,
        verifier=verifier,
    )


def _nodes(vault: Vault, begin: merkle.Tree, size: int, indexes: list[int]) -> proofs.Nodes:
    """Walk over the leaves once, and keep what the proofs of those leaves need."""
    spans = {
        one
        for index in indexes
        for span in proofs.inclusion_spans(index, size)
        for one in proofs.perfect(span)
    }
    nodes = proofs.Nodes(spans)
    nodes.start_at(begin)
    tree = merkle.Tree(begin.size, begin.frontier())
    while tree.size < size:
        with vault.reading():
            page = trail.hashes(vault.db, tree.size, min(audit.PAGE, size - tree.size))
        if not page:
            raise errors.IntegrityFailure("the audit trail is cut off", hint="run `audit verify`")
        for leaf in page:
            nodes.append(tree, leaf)
    return nodes


def _tombstone(vault: Vault, token: str) -> Tombstone:
    found = tombstones.by_token(vault.db, token)
    if found is None:
        raise errors.NotFound("no erased user with that token", token=token)
    return found


def _said(tombstone: Tombstone, leaf: str, vault_id: str) -> Receipt:
    event = json.loads(leaf)
    return {
        "schema": SCHEMA,
        "vault_id": vault_id,
        "token": tombstone.token,
        "reason": tombstone.reason,
        "ref": event.get("ref"),
        "requested_at": event.get("requested_at"),
        "due_at": event.get("due_at"),
        "erased_at": event["at"],
        "actor": event["actor"],
        "erased": tombstone.counts,
    }


def _has(backup: backups.Backup, tombstone: Tombstone) -> bool:
    """Tell whether a backup was made while the person lived."""
    return tombstone.created_at <= backup.created_at <= tombstone.erased_at


def _backup(backup: backups.Backup) -> Receipt:
    return {
        "id": backup.id,
        "created_at": times.text(backup.created_at),
        "until": None if backup.until is None else times.text(backup.until),
    }


def _check_said(receipt: Receipt, event: dict[str, Any], index: int) -> None:
    """Compare what the receipt says in plain with the event that is proven."""
    said = {
        "token": event.get("token"),
        "reason": ERASURES.get(str(event.get("action")), "none"),
        "ref": event.get("ref"),
        "requested_at": event.get("requested_at"),
        "due_at": event.get("due_at"),
        "erased_at": event.get("at"),
        "actor": event.get("actor"),
        "erased": event.get("counts"),
    }
    differs = [name for name, value in said.items() if receipt.get(name) != value]
    if event.get("seq") != index + 1 or event.get("outcome") != "ok":
        differs.append("event")
    if event.get("action") not in ERASURES or not isinstance(event.get("token"), str):
        differs.append("action")
    if differs:
        raise errors.IntegrityFailure(
            f"the receipt says otherwise than the event it proves: {', '.join(differs)}"
        )


def _read(raw: bytes) -> Receipt:
    from bunkerctl import jsontext

    try:
        receipt: Any = jsontext.loads(raw, "the receipt")
    except errors.Invalid:
        receipt = None
    if not isinstance(receipt, dict) or receipt.get("schema") != SCHEMA:
        raise _malformed()
    return receipt


def _malformed() -> errors.Invalid:
    return errors.Invalid("that is not a receipt", hint="`erasure show TOKEN --json` prints one")
