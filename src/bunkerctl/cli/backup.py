"""`backup create`, `list`, `verify`, `restore` and `prune`."""

from __future__ import annotations

from bunkerctl import (
    backups,
    checkpoints,
    config,
    errors,
    keys,
    manifests,
    recovery,
    reinstatement,
    times,
)
from bunkerctl.cli import codes, keysource
from bunkerctl.cli.answers import backup as answers
from bunkerctl.cli.answers import several, single
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import argument, command, option
from bunkerctl.keys import Route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.manifests import Manifest

FILE = argument("file", "FILE", "the backup")
CODE = option("--recovery-file", "FILE", "take the key from this recovery code; `-` is stdin")


@command(
    "backup create",
    option("--keep", "DUR", "how long it is to be kept: `backup prune` removes it then"),
    option("--force", None, "replace a file that exists"),
    argument("file", "FILE", "where to write it (0600); outside the vault"),
    answer=single(answers.CREATED),
    fails=(errors.Conflict,),
)
def create(call: Call, keep: str | None, force: bool, file: str) -> None:
    """Write the whole vault into one encrypted file, and verify it.

    Others go on reading and writing. The backup has a random key of its own, wrapped by the vault's
    master key: that key or the recovery code opens it, as long as the key is not rotated. Keep the
    erasure ledger (erasures.jsonl) of the vault with it: a restore needs the newest one.

    Examples:
      bunkerctl backup create /media/backup/people-2026-12-15.bunker --keep 90d
    """
    until = None if keep is None else times.after(call.now(), times.parse_duration(keep))
    opened = call.opened()
    surroundings = call.surroundings()
    with call.progress("the file is there whole, or not at all: run it again") as progress:
        made = backups.create(
            opened, call.path(file), surroundings, until=until, force=force, progress=progress
        )
    call.changed = True
    call.anchor()
    call.show({**answers.manifest(file, made), "changed": True})


@command("backup list", answer=several(answers.BACKUP))
def list_(call: Call) -> None:
    """List the backups that the vault has made, and not removed or replaced.

    Examples:
      bunkerctl backup list
    """
    now = call.now()
    rows = (answers.backup(one, now) for one in backups.listing(call.vault()))
    hint = "`bunkerctl backup create FILE` makes a backup"
    call.show_list(rows, answers.BACKUP, noun="backup", hint=hint)


@command(
    "backup verify",
    CODE,
    FILE,
    answer=single(answers.VERIFIED),
    fails=(errors.IntegrityFailure, errors.WrongKey),
)
def verify(call: Call, recovery_file: str | None, file: str) -> None:
    """Check a backup whole: its bytes, every page, its audit trail and the signed checkpoint.

    It needs the vault's key or a recovery code, not the vault. A damaged one is exit 7, one from
    before a rotation exit 12.

    Examples:
      bunkerctl backup verify people.bunker
    """
    manifest, _ = manifests.read(call.path(file))
    master, _ = _master(call, manifest, recovery_file)
    with call.progress("nothing is proven: run it again") as progress:
        found = backups.verify(file, master, call.surroundings(), progress)
    call.show({**answers.manifest(file, found), "ok": True})


@command(
    "backup restore",
    CODE,
    option("--ledger", "FILE", "the newest erasure ledger; else the one beside the vault"),
    option("--no-ledger", None, "go on without one: who was erased since comes back"),
    option("--against", "FILE", "prove it against a head or checkpoint that was kept elsewhere"),
    FILE,
    answer=single(answers.REINSTATED),
    fails=(errors.Conflict,),
)
def restore(
    call: Call,
    recovery_file: str | None,
    ledger: str | None,
    no_ledger: bool,
    against: str | None,
    file: str,
) -> None:
    """Make a vault at a new place from a backup, and erase again whom it had lost since.

    Who was erased after the backup is known from the erasure ledger, and from the vault itself if
    it still opens; that happens before anybody can use the new vault. A ledger that is missing or
    older than the backup is refused (exit 5), but for --no-ledger with --reason. The audit trail is
    proven against --against, or the newest anchor in the file that audit.anchor names.

    Examples:
      bunkerctl backup restore people.bunker --vault /srv/people-restored
    """
    if no_ledger and not call.said("reason"):
        raise errors.Usage("--no-ledger needs --reason TEXT: erased people come back")
    if no_ledger and ledger is not None:
        raise errors.Usage("--ledger and --no-ledger")
    manifest, _ = manifests.read(call.path(file))
    anchor = _anchor(call, manifest, against)
    master, route = _master(call, manifest, recovery_file)
    sources = reinstatement.Sources(ledger=ledger, without=no_ledger, anchor=anchor)
    directory = call.directory()
    surroundings = call.surroundings()
    with call.progress("there is no vault, or a whole one: run it again") as progress:
        done = reinstatement.reinstate(
            file, directory, master, route, surroundings, sources, progress
        )
    call.changed = True
    call.show(answers.reinstated(file, done))
    call.note(f"{done.erased} people of the backup had been erased since, and are erased again")
    if not done.live:
        call.note("the vault it was made of did not open: only the ledger told who was erased")
    if done.anchored is None:
        call.note("not held against an anchor: there is none from before the backup")


@command("backup prune", answer=single(answers.PRUNED))
def prune(call: Call) -> None:
    """Remove the files of backups whose time is over, as `backup create --keep` said.

    What a killed `backup create` has left goes, too. Files that somebody has moved are told each
    time: the vault cannot know whether they are gone.

    Examples:
      bunkerctl backup prune
    """
    vault = call.vault()
    done = backups.prune(vault, vault.now())
    call.show(
        {
            "removed": [one.path for one in done.removed],
            "missing": [one.path for one in done.missing],
            "changed": bool(done.removed),
        }
    )


def _master(
    call: Call, manifest: Manifest, recovery_file: str | None
) -> tuple[bytes, Route | None]:
    """Return the master key for a backup, and where the vault's key is to come from."""
    given = keysource.given(call)
    if recovery_file is not None:
        code = codes.typed(call, recovery_file)
        return recovery.master_of(backups.header_of(manifest), code), given or manifest.key
    route = given or manifest.key
    if route is None:
        raise errors.KeyUnavailable(
            "the backup names no key source", reason="entry_missing", hint="pass --key-file FILE"
        )
    recorded = route if route.source in keys.WRITABLE else manifest.key
    return keys.fetch(route, manifest.vault_id, call.session()), recorded


def _anchor(call: Call, manifest: Manifest, against: str | None) -> checkpoints.Kept | None:
    if against is not None:
        return checkpoints.parse(call.read_end(against, checkpoints.MAX_BYTES), call.now())
    said = call.config().get("audit.anchor")
    path = config.anchors(said).get("file") if said else None
    line = checkpoints.anchored(path, manifest.vault_id) if path else None
    return checkpoints.parse(line, call.now()) if line else None
