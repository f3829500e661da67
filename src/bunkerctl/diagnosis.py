"""Diagnosis: is everything as it must be for a vault to keep its promises here?

Each finding says what to do. Nothing personal is in them.
"""

from __future__ import annotations

import os
import stat
import sys

from bunkerctl import audit, crypto, errors, keys, ledger, opening, times, uuids
from bunkerctl import status as statuses
from bunkerctl.directory import DATABASE, check_access, check_place, file_system, read_header
from bunkerctl.keys import Route
from bunkerctl.model import UNSEEN, Progress, Value
from bunkerctl.store import connection, integrity, state, trail
from bunkerctl.store.connection import Database
from bunkerctl.sweep import MAX_AHEAD_SECONDS, MAX_BEHIND_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bunkerctl.directory import Header
    from bunkerctl.vault import Opened, Surroundings, Vault

OK, NOTE, WARNING, ERROR = "ok", "note", "warning", "error"
GRAVITY = (7, 12, 13, 14, 16, 10, 9, 5, 11, 15, 2, 1)
"""Exit codes, the gravest first."""

MOST_PROBLEMS = 5
LITTLE_ROOM = 64 << 20
DAMAGED_HINT = "restore it from a copy that was made while it was whole"
RECOVERY_HINT = "`bunkerctl key recovery create` makes a recovery code"


class Finding(Value):
    """What one check found; `level` is ok, note, warning or error, and an error has its code."""

    check: str
    level: str
    message: str
    hint: str | None
    error: errors.BunkerError | None


def ok(check: str, message: str, level: str = OK) -> Finding:
    return Finding(check=check, level=level, message=message, hint=None, error=None)


def warning(check: str, message: str, hint: str) -> Finding:
    return Finding(check=check, level=WARNING, message=message, hint=hint, error=None)


def broken(check: str, error: errors.BunkerError) -> Finding:
    error.hint = error.hint or DAMAGED_HINT
    return Finding(check=check, level=ERROR, message=error.message, hint=error.hint, error=error)


def examine(
    directory: str,
    given: Route | None,
    surroundings: Surroundings,
    overdue_before: int,
    progress: Progress = UNSEEN,
) -> Iterator[Finding]:
    """Yield the findings: of the machine, and as far as it can be opened, of the vault.

    `overdue_before` is the latest due time that is overdue.
    """
    yield from _environment()
    try:
        header = opening.living(directory)
    except errors.BunkerError as error:
        yield from _keyrings(surroundings)
        yield broken("vault", error)
        return
    yield ok("vault", f"{directory}, id {header.vault_id}")
    try:
        check_place(directory)
        check_access(directory)
    except errors.BunkerError as error:
        kind = {errors.Usage: "place", errors.NoVault: "database"}.get(type(error), "permissions")
        yield broken(kind, error)
        return
    yield from _place(directory)
    yield from _permissions(os.path.realpath(directory))
    yield from _room(directory)
    yield from recovery(header)
    try:
        opened = opening.open_(directory, given, surroundings)
    except errors.BunkerError as error:
        if isinstance(error, errors.KeyUnavailable) and error.reason != "timeout":
            yield from _keyrings(surroundings)
        if isinstance(error, errors.IntegrityFailure):
            pages = _damage(directory, given, surroundings, progress)
            error.message = "; ".join(dict.fromkeys([error.message, *pages[:MOST_PROBLEMS]]))
        yield broken(_check_of(error), error)
        return
    vault = opened.vault
    checks: tuple[tuple[str, Iterator[Finding]], ...] = (
        ("key", _key(opened, surroundings)),
        ("database", _database(vault, progress)),
        ("clock", clock(vault)),
        ("audit", _audit(vault, progress)),
        ("erasures", erasures(vault)),
        ("sweep", sweep(vault, overdue_before)),
    )
    try:
        for name, findings in checks:
            yield from _guarded(name, findings)
    finally:
        vault.close()


def gravest(findings: Iterable[Finding]) -> errors.BunkerError | None:
    """Return the error that decides the exit code, if anything is broken."""
    found = [finding.error for finding in findings if finding.error is not None]
    return min(found, key=lambda error: GRAVITY.index(error.exit_code), default=None)


def _guarded(name: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """Let a check that cannot be done be a finding, and the others go on."""
    try:
        yield from findings
    except errors.BunkerError as error:
        yield broken(name, error)


def _check_of(error: errors.BunkerError) -> str:
    if isinstance(error, errors.KeyUnavailable | errors.WrongKey):
        return "key"
    return "vault" if isinstance(error, errors.NoVault) else "database"


def _damage(
    directory: str, given: Route | None, surroundings: Surroundings, progress: Progress
) -> list[str]:
    """Return what is wrong with the pages of a database that does not open as a vault."""
    header = read_header(directory)
    route, vault_id = opening.route_of(header, given), header.vault_id
    master = keys.current(route, vault_id, header.key_id, surroundings.session)
    raw = crypto.database_key(master, uuids.to_bytes(vault_id))
    path = os.path.join(directory, DATABASE)
    try:
        db = Database(path, raw, surroundings.lock_wait)
    except errors.IntegrityFailure as error:
        return [error.message, *integrity.altered_pages(path, raw)]
    try:
        return integrity.problems(db, progress)
    finally:
        db.close()


def _environment() -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    yield ok("environment", f"Python {python}, {connection.version()}, {sys.platform}")


def _keyrings(surroundings: Surroundings) -> Iterator[Finding]:
    from bunkerctl.keys import oskeyring

    for name, problem in oskeyring.viability(surroundings.session).items():
        yield ok("keyring", problem or f"the keyring backend {name} works here", NOTE)


def _key(opened: Opened, surroundings: Surroundings) -> Iterator[Finding]:
    header, route = opened.vault.header, opened.route
    yield ok("key", f"from {route.words()}, id {header.key_id}: this vault's")
    if header.key is not None and header.key.source == "keyring":
        yield from _keyrings(surroundings)
    for place in header.places():
        if place == route or place.source not in keys.WRITABLE:
            continue
        try:
            keys.current(place, header.vault_id, header.key_id, surroundings.session)
            yield ok("key", f"also in {place.words()}")
        except (errors.KeyUnavailable, errors.WrongKey) as error:
            told = place.place in error.message
            text = error.message if told else f"in {place.words()}: {error.message}"
            yield warning("key", text, _renewal(place, error))
    for place in (route, *header.places()):
        if place.source == "file" and os.path.lexists(place.place + keys.WAITING):
            text = f"a key that opens nothing waits at {place.place}{keys.WAITING}"
            yield ok("key", f"{text}: the next rotation replaces it", NOTE)


def _renewal(place: Route, error: errors.BunkerError) -> str:
    words = f"{place.source} {place.place}" if place.source == "file" else place.source
    other = " --replace" if isinstance(error, errors.WrongKey) else ""
    return f"who takes it from there fails: `bunkerctl key enroll {words}{other}`"


def recovery(header: Header) -> Iterator[Finding]:
    """Tell whether there is a recovery code."""
    if header.recovery is None:
        yield warning(
            "recovery", "there is no recovery code: who loses the key loses all", RECOVERY_HINT
        )
    else:
        made = times.text(header.recovery.made_at)
        yield ok("recovery", f"a recovery code was made at {made}; `key recovery verify` tries it")


def _place(directory: str) -> Iterator[Finding]:
    kind = file_system(os.path.realpath(directory))
    yield ok("place", f"on a local file system ({kind})" if kind else "on a file system unknown")


def _permissions(directory: str) -> Iterator[Finding]:
    problems = list(_too_open(directory, os.stat(directory).st_uid))
    yield from problems
    if not problems:
        yield ok("permissions", "for the owner alone")


def _too_open(directory: str, owner: int) -> Iterator[Finding]:
    inside = [os.path.join(directory, name) for name in sorted(os.listdir(directory))]
    for path in (directory, *inside):
        found = os.lstat(path)
        mode = stat.S_IMODE(found.st_mode)
        fix = f"chmod {'700' if path == directory else '600'} {path}"
        if stat.S_ISLNK(found.st_mode):
            problem = errors.InputOutput(f"{path} is a symbolic link", hint="put the file there")
            yield broken("permissions", problem)
        elif found.st_uid != owner:
            fix = f"chown --reference={directory} {path}"
            yield warning("permissions", f"{path} has another owner than the vault", fix)
        elif mode & 0o022:
            problem = errors.InputOutput(f"{path} can be written by others", hint=fix)
            yield broken("permissions", problem)
        elif mode & 0o077:
            yield warning("permissions", f"{path} can be read by others", fix)
    above = os.stat(os.path.dirname(os.path.abspath(directory)))
    if above.st_mode & 0o022 and not above.st_mode & stat.S_ISVTX:
        yield warning(
            "permissions",
            "the directory above the vault can be written by others, who can put another there",
            f"chmod go-w {os.path.dirname(os.path.abspath(directory))}",
        )


def _room(directory: str) -> Iterator[Finding]:
    system = os.statvfs(directory)
    free = system.f_bavail * system.f_frsize
    size = _size(os.path.join(directory, DATABASE))
    text = f"{free >> 20} MB free, the database has {size / (1 << 20):.1f} MB"
    if free < 1 << 20 or (system.f_files and not system.f_favail):
        full = errors.InputOutput(
            f"the disk is full: {text}", hint="make room: nothing can be read"
        )
        yield broken("disk", full)
    elif free < max(LITTLE_ROOM, size * 11 // 10):
        yield warning("disk", text, "a key rotation writes the whole database once more: make room")
    else:
        yield ok("disk", text)


def clock(vault: Vault) -> Iterator[Finding]:
    """Judge the clock by the last sweep and the newest event, as a sweep would."""
    now = vault.now()
    with vault.reading():
        reference = state.sweeps(vault.db).reference_at
        newest = trail.newest_at(vault.db)
    hint = "set the clock (NTP); if it is right, `bunkerctl exp sweep --accept-clock`"
    if now < reference - MAX_BEHIND_SECONDS:
        behind = errors.ClockSuspect(
            f"the clock says {times.text(now)}, the last sweep was at {times.text(reference)}: "
            "sweeps are refused",
            hint=hint,
        )
        yield broken("clock", behind)
    elif now > reference + MAX_AHEAD_SECONDS:
        text = f"the clock is over 45 days ahead of the last sweep ({times.text(reference)})"
        yield warning("clock", f"{text}: a sweep with anything due is refused", hint)
    elif now < newest - MAX_BEHIND_SECONDS:
        text = f"it was {times.text(newest)} already, says the audit trail"
        yield warning("clock", text, "set the clock (NTP); the next event after that time ends it")
    else:
        yield ok("clock", times.text(now))


def _database(vault: Vault, progress: Progress) -> Iterator[Finding]:
    _, excess = integrity.excess(vault.db)
    problems = integrity.problems(vault.db, progress)
    if problems:
        hint = f"{DAMAGED_HINT}; `user get` still reads whom the damage does not touch"
        yield broken(
            "database", errors.IntegrityFailure("; ".join(problems[:MOST_PROBLEMS]), hint=hint)
        )
        return
    clean = vault.db.truncate_wal(0.0)
    if excess:
        yield warning(
            "database",
            f"whole, but {excess} bytes are appended behind its end",
            "somebody wrote to the file: find out who could",
        )
    else:
        yield ok("database", "whole" if clean else "whole; a reader keeps its WAL in use")


def _audit(vault: Vault, progress: Progress) -> Iterator[Finding]:
    found = audit.verify(vault, None, progress)
    if found.ok:
        yield ok("audit", f"{found.events} events, whole; `audit verify --against` proves more")
    else:
        hint = "compare it with a head or a backup kept elsewhere"
        where = f"event {found.first_bad}: " if found.first_bad else ""
        problem = where + (found.problem or "the audit trail is altered")
        yield broken("audit", errors.IntegrityFailure(problem, hint=hint))


def erasures(vault: Vault) -> Iterator[Finding]:
    """Tell whether every erasure is finished, and in the ledger."""
    with vault.reading():
        unscrubbed = state.totals(vault.db).unscrubbed
        erased = state.totals(vault.db).erased
    if unscrubbed:
        yield warning(
            "erasures",
            "an erasure is not finished: old pages, or the ledger",
            "the next command finishes it, once no reader is left and the ledger can be written",
        )
        return
    known = ledger.count(vault)
    if known < erased:
        yield warning(
            "erasures",
            f"the ledger has {known} of {erased} erasures",
            "the next erasure writes what is missing",
        )
    elif known > erased:
        rolled_back = errors.IntegrityFailure(
            f"the ledger has {known} erasures, the database {erased}: an old database was put back",
            hint="whoever was erased since is in it again: do not use it",
        )
        yield broken("erasures", rolled_back)
    else:
        yield ok("erasures", f"{erased}, all scrubbed and in the ledger")


def sweep(vault: Vault, overdue_before: int) -> Iterator[Finding]:
    """Tell whether the sweep does its work."""
    found = statuses.read(vault, overdue_before, "")
    problem = statuses.check(found, vault.now(), times.parse_duration(statuses.MAX_AGE))
    if problem is None:
        yield ok("sweep", f"the last one completed at {times.text(found.last_sweep or 0)}")
    else:
        yield warning("sweep", problem.message, problem.hint or "")


def _size(path: str) -> int:
    return os.path.getsize(path) if os.path.exists(path) else 0
