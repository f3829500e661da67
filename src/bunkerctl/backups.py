"""Backups: the whole vault in one encrypted file, under a random key of its own."""

from __future__ import annotations

import hashlib
import os

from bunkerctl import (
    audit,
    checkpoints,
    crypto,
    erasure,
    errors,
    files,
    keys,
    manifests,
    placement,
    uuids,
)
from bunkerctl.directory import Header, check_outside
from bunkerctl.manifests import Manifest
from bunkerctl.model import UNSEEN, Progress, Value
from bunkerctl.store import audit as events
from bunkerctl.store import backups as store
from bunkerctl.store import integrity, schema, state
from bunkerctl.store.connection import Database
from bunkerctl.vault import Vault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bunkerctl.vault import Opened, Surroundings

CREATE, PRUNE = "backup.create", "backup.prune"
CHUNK = 1 << 20


class Pruned(Value):
    """`removed` are files that are gone now, `missing` those that were not where they had been."""

    removed: list[store.Backup]
    missing: list[store.Backup]


def create(
    opened: Opened,
    path: str,
    surroundings: Surroundings,
    *,
    until: int | None,
    force: bool,
    progress: Progress = UNSEEN,
) -> Manifest:
    """Write a backup, verify it, and put it in place whole; others go on writing meanwhile.

    `until` is the Unix second from which `prune` removes it. The vault remembers it first: no
    event, no act.

    Raises:
        Conflict: the file is there, and `force` is false.
        IntegrityFailure: the copy does not verify.
        InputOutput: the file system refuses.
        Busy: another backup, sweep or rotation goes on.
    """
    vault = opened.vault
    path = os.path.abspath(path)
    check_outside(vault.directory, path, "backup")
    placement.check_writable(path, force=force)
    backup_id = uuids.new()
    with vault.exclusive():
        erasure.resume(vault, alone=True)  # of a sweep that was killed while this one waited
        replaced = _id_at(path)
        with vault.transaction() as tx:
            if replaced is not None:
                store.set_moving(tx.db, replaced)
            known = store.Backup(
                id=backup_id, path=path, created_at=tx.now, until=until, gone_at=None, moving=True
            )
            store.put(tx.db, known)
            tx.event(CREATE, backup=backup_id)
        try:
            return _write(opened, known, surroundings, progress, force=force)
        except BaseException:
            with vault.transaction() as tx:
                tx.event(CREATE, outcome="failed", backup=backup_id)
            raise
        finally:
            _settle(vault)


def listing(vault: Vault) -> list[store.Backup]:
    """Return the backups that the vault has made and that it has not removed."""
    with vault.reading():
        return there(store.known(vault.db))


def there(known: Iterable[store.Backup]) -> list[store.Backup]:
    """Return those of some backups that may still hold whom they held.

    Of one that the vault was moving when it was killed, or that is being made, the disk knows.
    """
    return [
        one
        for one in known
        if one.gone_at is None
        and (not one.moving or _is_it(one) or bool(placement.unfinished(one.path)))
    ]


def verify(
    path: str, master: bytes, surroundings: Surroundings, progress: Progress = UNSEEN
) -> Manifest:
    """Check a backup whole: its bytes, its pages, its audit trail and its checkpoint.

    Raises:
        Invalid: it is not a backup.
        WrongKey: it was made under another master key, or before a rotation.
        IntegrityFailure: it is damaged or altered.
    """
    manifest, own = opened_by(path, master)
    if _digest(path, manifest.size, progress) != manifest.sha256:
        raise errors.IntegrityFailure(f"{path} is damaged: its bytes are not those of the backup")
    with _Frozen(path, manifest, own, surroundings) as vault:
        check(vault, manifest, progress)
    return manifest


def opened_by(path: str, master: bytes) -> tuple[Manifest, bytes]:
    """Return the manifest of a backup and its own key, authenticated.

    Raises:
        WrongKey: it was made under another master key.
        IntegrityFailure: the manifest was altered.
    """
    manifest, mac = manifests.read(path)
    own = manifest.key_of(master)
    if own is None:
        found = keys.id_of(master, manifest.vault_id)
        raise errors.WrongKey(
            f"the key (id {found}) does not open this backup (id {manifest.key_id})",
            hint="a rotation ends the backups before it, unless the old key or code was kept",
        )
    if not manifests.is_authentic(manifest, mac, own):
        raise errors.IntegrityFailure(f"the manifest of {path} was altered")
    return manifest, own


def check(vault: Vault, manifest: Manifest, progress: Progress) -> None:
    """Check the pages and the audit trail of a copy; raise IntegrityFailure."""
    problems = integrity.problems(vault.db, progress)
    if problems:
        raise errors.IntegrityFailure(f"the backup's database is damaged: {problems[0]}")
    with vault.reading():
        tree = events.tree(vault.db)
        signed = checkpoints.is_own(vault, tree, manifest.checkpoint)
    found = audit.verify(vault, None, progress)
    if not found.ok or not signed:
        raise errors.IntegrityFailure(
            f"the backup's audit trail is damaged: {found.problem or 'not the signed one'}"
        )


def prune(vault: Vault, now: int) -> Pruned:
    """Remove the files of backups whose time is over; one event a file.

    One that is no longer in its place is told, and stays known: only what the vault itself had
    begun to take away is gone.

    Raises:
        InputOutput: a file cannot be removed; those before it are.
        Busy: a backup is being made for longer than the vault's wait.
    """
    removed: list[store.Backup] = []
    missing: list[store.Backup] = []
    with vault.exclusive():
        _settle(vault)
        for one in listing(vault):
            if one.until is None or one.until > now:
                continue
            if _is_it(one):
                _remove(vault, one)
                removed.append(one)
            else:  # it may have been moved, and still be a copy of whom it holds
                missing.append(one)
    return Pruned(removed=removed, missing=missing)


def _remove(vault: Vault, known: store.Backup) -> None:
    with vault.transaction() as tx:
        tx.event(PRUNE, backup=known.id)
        store.set_moving(tx.db, known.id)
    try:
        files.remove(known.path)
    except errors.InputOutput:
        with vault.transaction() as tx:
            tx.event(PRUNE, outcome="failed", backup=known.id)
        raise
    finally:
        _settle(vault)


def _settle(vault: Vault) -> None:
    """Note where the files are that the vault has moved; the caller is alone in moving them.

    What cannot be noted, or is not durable, is looked for by the next command that moves one.
    """
    try:
        with vault.reading():
            moving = [one for one in store.known(vault.db) if one.moving]
        settled = [one for one in moving if _is_settled(one.path)]
        if not settled:
            return
        with vault.transaction() as tx:
            for one in settled:
                store.settle(tx.db, one.id, None if _is_it(one) else tx.now)
    except (errors.InputOutput, errors.OutcomeUnknown, errors.Busy):
        return


def _is_settled(path: str) -> bool:
    """Tell whether what is at a path, or is not, stays so after a power cut."""
    placement.clear_leftovers(path)
    try:
        files.sync_directory(os.path.dirname(path))
    except OSError:
        return False
    return not placement.unfinished(path)


def header_of(manifest: Manifest) -> Header:
    """Return the header of a vault as its backup has it."""
    return Header(
        vault_id=manifest.vault_id,
        created_at=manifest.created_at,
        key_id=manifest.key_id,
        key=manifest.key,
        copies=(),
        recovery=manifest.recovery,
        succession=None,
        ending=False,
    )


class _Frozen:
    """A backup, opened to be read where it lies."""

    def __init__(
        self, path: str, manifest: Manifest, own: bytes, surroundings: Surroundings
    ) -> None:
        key, _ = manifest.keys_of(own)
        self._db = Database(path, key, 0.0, frozen=True)
        schema.read_as_current(self._db)
        header, origin = header_of(manifest), surroundings.origin
        self._vault = Vault(path, header, self._db, origin, 0.0, surroundings.clock)

    def __enter__(self) -> Vault:
        return self._vault

    def __exit__(self, *_: object) -> None:
        self._db.close()


def copy_out(
    path: str, manifest: Manifest, own: bytes, target: str, key: bytes, progress: Progress
) -> None:
    """Copy a backup's database into a new file (0600), under another raw key."""
    files.create(target, b"")
    db = Database(path, manifest.keys_of(own)[0], 0.0, frozen=True)
    try:
        db.copy_to(target, key, progress)
    finally:
        db.close()
    files.sync(target)


def _write(
    opened: Opened,
    known: store.Backup,
    surroundings: Surroundings,
    progress: Progress,
    *,
    force: bool,
) -> Manifest:
    vault, header = opened.vault, opened.vault.header
    own = crypto.random_bytes(crypto.KEY_BYTES)
    backup_id, vault_id = uuids.to_bytes(known.id), uuids.to_bytes(header.vault_id)
    try:
        with placement.temporary(known.path) as temporary:
            vault.db.copy_to(temporary, crypto.backup_keys(own, backup_id)[0], progress)
            bare = Manifest(
                id=known.id,
                vault_id=header.vault_id,
                vault=vault.directory,
                created_at=known.created_at,
                until=known.until,
                key_id=header.key_id,
                key=header.key,
                recovery=header.recovery,
                wrapped=crypto.wrap_backup(opened.master, vault_id, backup_id, own),
                users=0,
                erased=0,
                events=0,
                checkpoint="",
                size=os.path.getsize(temporary),
                sha256=_digest(temporary, None, progress),
            )
            with _Frozen(temporary, bare, own, surroundings) as copy:
                manifest = _counted(copy, bare)
                check(copy, manifest, progress)
            manifests.append(temporary, manifest, own)
            placement.put_in_place(temporary, known.path, force=force)
    except OSError as error:
        raise files.explain(error, "write", known.path) from error
    return manifest


def _counted(copy: Vault, bare: Manifest) -> Manifest:
    with copy.reading():
        totals, tree = state.totals(copy.db), events.tree(copy.db)
        return bare.with_(
            users=totals.living,
            erased=totals.erased,
            events=tree.size,
            checkpoint=checkpoints.sign(copy, tree).note,
        )


def _digest(path: str, size: int | None, progress: Progress) -> str:
    progress.begin("MB read", None if size is None else size // CHUNK)
    found = hashlib.sha256()
    for chunk in _chunks(path, size):
        found.update(chunk)
        progress.done += 1
    return found.hexdigest()


def _chunks(path: str, size: int | None) -> Iterator[bytes]:
    try:
        with open(path, "rb") as file:
            left = os.path.getsize(path) if size is None else size
            while left > 0 and (chunk := file.read(min(CHUNK, left))):
                left -= len(chunk)
                yield chunk
    except OSError as error:
        raise files.explain(error, "read", path) from error


def _is_it(known: store.Backup) -> bool:
    """Tell whether the file of a backup is still where it was made, and still that one."""
    return _id_at(known.path) == known.id


def _id_at(path: str) -> str | None:
    """Return the id of the backup in a file; None if there is none."""
    try:
        return manifests.read(path)[0].id
    except errors.BunkerError:
        return None
