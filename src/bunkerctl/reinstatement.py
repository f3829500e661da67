"""Reinstatement: a vault from its backup, without anybody who was erased since.

Who was erased is known from the ledger beside the vault that the backup was made of, and from that
vault itself if it still opens. All of it happens in a directory that nobody can use yet.
"""

from __future__ import annotations

import json
import os
import shutil

from bunkerctl import (
    audit,
    backups,
    ballast,
    creation,
    crypto,
    erasure,
    errors,
    files,
    opening,
    times,
    uuids,
)
from bunkerctl.directory import DATABASE, HEADER, LEDGER, LOCK, read_header
from bunkerctl.header import header_text
from bunkerctl.model import UNSEEN, Expiration, Progress, Tombstone, Value
from bunkerctl.store import backups as backup_rows
from bunkerctl.store import expirations, schema, state, tombstones, users
from bunkerctl.store.connection import Database
from bunkerctl.vault import Vault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.checkpoints import Kept
    from bunkerctl.keys import Route
    from bunkerctl.manifests import Manifest
    from bunkerctl.vault import Surroundings, Transaction

ACTION = "backup.restore"
PAGE = 200
MAX_LINE_BYTES = 4096


class Sources(Value):
    """Where to learn who was erased since: `ledger` is a path, None the vault's own.

    `without` goes on though there is no ledger that covers the backup. `anchor` is the newest
    head that was kept elsewhere.
    """

    ledger: str | None
    without: bool
    anchor: Kept | None


class Reinstated(Value):
    """`erased` people of the backup were erased again, `users` are left.

    `live` says that the vault the backup was made of was asked, `anchored` that the trail was
    proven against the anchor; None if there was none, or a newer one.
    """

    manifest: Manifest
    directory: str
    users: int
    erased: int
    live: bool
    anchored: bool | None


def reinstate(
    path: str,
    directory: str,
    master: bytes,
    route: Route | None,
    surroundings: Surroundings,
    sources: Sources,
    progress: Progress = UNSEEN,
) -> Reinstated:
    """Make a vault at a free place from a backup, and erase again whom it lost since.

    `route` is where the vault's key is to come from.

    Raises:
        Conflict: something is at that place; the ledger is missing, or older than the backup.
        WrongKey, IntegrityFailure, Invalid: as verifying the backup does.
        InputOutput: the file system refuses.
    """
    creation.check_free(directory)
    manifest = backups.verify(path, master, surroundings, progress)
    own = backups.opened_by(path, master)[1]
    parent = os.path.dirname(os.path.abspath(directory))
    files.make_directory(parent)
    temporary = os.path.join(parent, f".{os.path.basename(directory)}.{manifest.id[:8]}.tmp")
    with files.locked(parent, surroundings.lock_wait):
        shutil.rmtree(temporary, ignore_errors=True)  # of one that was killed
        creation.check_free(directory)
        try:
            os.mkdir(temporary, mode=0o700)
            done = _fill(path, manifest, own, master, temporary, surroundings, sources, progress)
            header = backups.header_of(manifest).with_(key=route)
            files.create(os.path.join(temporary, HEADER), header_text(header))
            files.create(os.path.join(temporary, LOCK), b"")
            ballast.keep(temporary, ballast.size(done.users, 0))
            files.sync_directory(temporary)
            os.rename(temporary, directory)
            files.sync_directory(parent)
        except OSError as error:
            if not creation.is_there(directory, manifest.vault_id):
                creation.check_free(directory)
            raise files.explain(error, "make", directory) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return done.with_(directory=directory)


def _fill(
    path: str,
    manifest: Manifest,
    own: bytes,
    master: bytes,
    directory: str,
    surroundings: Surroundings,
    sources: Sources,
    progress: Progress,
) -> Reinstated:
    raw = crypto.database_key(master, uuids.to_bytes(manifest.vault_id))
    target = os.path.join(directory, DATABASE)
    backups.copy_out(path, manifest, own, target, raw, progress)
    db = Database(target, raw, surroundings.lock_wait)
    header, origin = backups.header_of(manifest), surroundings.origin
    vault = Vault(directory, header, db, origin, surroundings.lock_wait, surroundings.clock)
    try:
        schema.migrate(db, vault.now())
        anchored = _check_anchor(vault, sources.anchor, progress)
        lines = _ledger(vault, manifest, sources)
        erased = {said.token: said for said in map(_tombstone, lines)}
        live = _living_vault(manifest, surroundings)
        erased |= live or {}
        files.create(os.path.join(directory, LEDGER), b"".join(line + b"\n" for line in lines))
        count = _erase_again(vault, list(erased.values()), progress)
        with vault.transaction() as tx:
            tx.event(ACTION, counts={"erased": count}, backup=manifest.id)
            backup_rows.settle(tx.db, manifest.id, None)  # when it was copied, it was being made
        try:
            erasure.scrub(vault, surroundings.lock_wait, alone=True)
        except errors.Residue as error:  # there is no vault yet that could finish it
            raise errors.InputOutput(
                "the restored vault could not be finished, and is not there",
                hint="make room, or see to permissions, and try again",
            ) from error
        left = state.totals(db).living
    finally:
        vault.close()
    return Reinstated(
        manifest=manifest,
        directory=directory,
        users=left,
        erased=count,
        live=live is not None,
        anchored=anchored,
    )


def _check_anchor(vault: Vault, anchor: Kept | None, progress: Progress) -> bool | None:
    """Prove that the trail continues the anchor; None if that is newer than the backup."""
    if anchor is None:
        return None
    if anchor.head.vault_id != vault.header.vault_id:
        raise errors.Invalid("that head is another vault's")
    if anchor.head.size > audit.head(vault).size:
        return None
    if not audit.verify(vault, anchor, progress).ok:
        raise errors.IntegrityFailure(
            "the backup's audit trail does not continue the head it is held against",
            hint="it is not from this vault's past: do not use it",
        )
    return True


def _ledger(vault: Vault, manifest: Manifest, sources: Sources) -> list[bytes]:
    """Return the lines of the ledger; raise Conflict if it does not cover the backup."""
    path = sources.ledger or os.path.join(manifest.vault, LEDGER)
    try:
        if sources.ledger is None and not _is_beside(manifest):
            raise FileNotFoundError
        with open(path, "rb") as file:
            lines = [line or b"" for _, line in files.lines(file, MAX_LINE_BYTES)]
    except OSError:
        lines, problem = [], f"there is no erasure ledger at {path}"
    else:
        problem = f"the erasure ledger {path} is older than the backup"
        if {_tombstone(line).token for line in lines} >= _erased(vault).keys():
            return lines
    if not sources.without:
        raise errors.Conflict(
            f"{problem}: whoever was erased since would come back",
            hint="name the newest one with --ledger FILE; if there is none, "
            "--no-ledger --reason TEXT",
        )
    return lines


def _is_beside(manifest: Manifest) -> bool:
    """Tell whether the ledger in the old place can be the vault's: not if another lives there."""
    try:
        return read_header(manifest.vault).vault_id == manifest.vault_id
    except errors.NoVault:
        return True
    except errors.BunkerError:
        return False


def _erased(vault: Vault) -> dict[str, Tombstone]:
    """Return everybody whom a vault has erased, by token."""
    found: dict[str, Tombstone] = {}
    after = 0
    while True:
        with vault.reading():
            page = tombstones.since(vault.db, after, PAGE)
        if not page:
            return found
        found |= {one.token: one for one in page}
        after = page[-1].event


def _living_vault(manifest: Manifest, surroundings: Surroundings) -> dict[str, Tombstone] | None:
    """Return whom the vault itself has erased, if it is still there and opens."""
    try:
        opened = opening.open_(manifest.vault, None, surroundings)
    except errors.Busy:
        raise
    except errors.BunkerError:
        return None
    vault = opened.vault
    try:
        if vault.header.vault_id != manifest.vault_id:
            return None
        return _erased(vault)
    finally:
        vault.close()


def _tombstone(line: bytes) -> Tombstone:
    """Read a line of the ledger."""
    try:
        said = json.loads(line)
        return Tombstone(
            token=uuids.checked(said["token"]),
            exptoken=said["exptoken"] and uuids.checked(said["exptoken"]),
            created_at=times.parse_date(said["created_at"]),
            erased_at=times.parse_date(said["erased_at"]),
            reason=str(said["reason"]),
            counts=dict(said["erased"]),
            event=int(said["event"]),
        )
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        OverflowError,
        RecursionError,
        errors.Invalid,
    ):
        raise errors.IntegrityFailure(
            "the erasure ledger has a line that is not its own",
            hint="a torn last line can be cut off by hand; whoever it named must be erased again",
        ) from None


def _erase_again(vault: Vault, erased: list[Tombstone], progress: Progress) -> int:
    """Erase who is in the backup and was erased since; leave a tombstone for everybody else.

    A legal hold of the backup is no bar: it was lifted before the erasure.
    """
    progress.begin("tombstones put back", len(erased))
    count = 0
    for start in range(0, len(erased), PAGE):
        with vault.transaction() as tx:
            for one in erased[start : start + PAGE]:
                count += _one(tx, one)
        progress.done = min(start + PAGE, len(erased))
    return count


def _one(tx: Transaction, erased: Tombstone) -> bool:
    if tombstones.by_token(tx.db, erased.token) is not None:
        return False
    user = users.by_token(tx.db, erased.token)
    void = None
    if erased.exptoken is not None:  # its links stay void, though they came after the backup
        void = Expiration(exptoken=erased.exptoken, status="none", started_at=0, due_at=0)
    if user is None:  # added after the backup, and erased: nobody may import that token again
        user_id = users.reserve(tx.db, erased.token)
        expirations.lead(tx.db, user_id, void, None)
        event = tx.event(ACTION, token=erased.token, counts=erased.counts, was="expired")
        tombstones.put(tx.db, {user_id: erased.with_(event=event, reason="restore")})
        state.add_erased(tx.db, event, living=0)
        return False
    plan = void or user.expiration
    expirations.lead(tx.db, user.id, plan, user.expiration)
    known, was = user.with_(hold=None, expiration=plan), user.expstatus()
    erasure.erase(tx, known, action=ACTION, reason="restore", was=was)
    return True
