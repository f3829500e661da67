"""The sweep: erase who is due and not held, in small transactions, with guards around it."""

from __future__ import annotations

import time

from bunkerctl import ballast, erasure, errors, times
from bunkerctl.lean import partial
from bunkerctl.model import UNSEEN, Progress, Value
from bunkerctl.pace import Pace
from bunkerctl.store import deadlines, lookup, records, state, tombstones, users

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bunkerctl.vault import Transaction, Vault

FIRST_BATCH, LEAST_BATCH, BATCH, BATCH_BYTES = 500, 100, 2000, 1 << 20
LOCK_SECONDS, WAL_PAGES = 0.1, 8000
SMALL_BATCH, SMALL_BATCH_BYTES = 5, 256 * 1024
LARGE, MOST_LEFT = 2000, 256
"""In a sweep of how many the hashes of identities are taken out later, and of how many batches."""
LITTLE_ROOM = 32 << 20
"""With less than this free, what a batch changes of the database may not find room."""

LEAST_LIMIT = 25
LIMIT_PERCENT = 10
MAX_BEHIND_SECONDS = 5 * 60
MAX_AHEAD_SECONDS = 45 * 86400


class Sweep(Value):
    """What a sweep did, or with `dry_run` would do. Times are Unix seconds.

    `due` counts who was due and not held; `guard` is None, `limit` or `clock`; `tokens` are
    the erased of this run, behind those that an interrupted run had erased
    (`finished_earlier`); `refused` says that without `dry_run` the guard would have refused;
    `event` is the number of its event, for `told`.
    """

    dry_run: bool
    guard: str | None
    due: int
    erased: int
    held: int
    failed: int
    finished_earlier: int
    tokens: list[str]
    refused: bool
    started_at: int
    finished_at: int
    residue: errors.Residue | None
    unproven: errors.InputOutput | None
    event: int


class _Plan(Value):
    now: int
    due: int
    held: int
    guard: str | None
    refusal: errors.BunkerError | None
    earlier: list[str]


def preview(
    vault: Vault, *, limit: int | None, max_deletes: int | None, accept_clock: bool
) -> Sweep:
    """Say what a sweep would do now, by the same selection; it refuses nothing."""
    with vault.transaction() as tx:
        plan = _plan(tx, max_deletes, accept_clock=accept_clock)
        pairs = deadlines.due(tx.db, plan.now, limit=-1 if limit is None else limit)
        tokens = [users.token_of(tx.db, key) for _, key in pairs]
        counts = {"dry_run": True, "due": plan.due, "held": plan.held}
        event = tx.event("exp.sweep", counts=counts)
    return _result(plan, plan.now, event, dry_run=True, tokens=tokens)


def run(
    vault: Vault,
    *,
    limit: int | None,
    max_deletes: int | None,
    accept_clock: bool,
    prove: Callable[[list[str]], None] | None = None,
    progress: Progress = UNSEEN,
) -> Sweep:
    """Erase who is due and not held, soonest due first, at most `limit`.

    It can be killed anywhere: what is done stays done and is reported by the next run, until
    `told` is called. `prove` writes the receipts of the tokens, those of an interrupted run too.

    Raises:
        ClockSuspect: the clock looks wrong, and `accept_clock` is false.
        LimitExceeded: more are due than the limit, or than `max_deletes` if given.
        Busy: another sweep is running.
    """
    with vault.exclusive():
        with vault.transaction() as tx, tx.attempt("exp.sweep"):
            plan = _plan(tx, max_deletes, accept_clock=accept_clock)
            if plan.refusal is not None:
                raise plan.refusal
        # Who falls due meanwhile waits for the next sweep: the guards have not judged that many.
        most = plan.due if limit is None else min(limit, plan.due)
        progress.begin("people erased", most)
        erased: list[str] = []
        try:
            with vault.db.in_bulk(wal_pages=WAL_PAGES):
                failed = _erase_due(vault, plan.now, most, erased, progress)
                lookup.settle(vault.db)  # what a killed import has left
            residue = erasure.finish(vault, alone=True)
            unproven = _proven(prove, plan.earlier + erased)
            with vault.transaction() as tx:
                event = _complete(tx, plan, len(erased), failed)
        except errors.InputOutput as error:
            if not erased:
                raise
            raise errors.Residue(
                f"{len(erased)} of {plan.due} are erased; then the file system refused",
                hint="make room: the next sweep reports them, and goes on with the rest",
            ) from error
        done = _result(plan, tx.now, event, tokens=erased, failed=failed, residue=residue)
        return done.with_(unproven=unproven)


def told(vault: Vault, done: Sweep) -> None:
    """Note that whoever called has told the tokens, or else the next sweep tells them once more.

    So it does if their receipts could not be written: then that is tried again, too.
    """
    if done.dry_run or not done.tokens or done.unproven is not None:
        return
    try:
        with vault.transaction() as tx:
            state.set_reported(tx.db, done.event)
    except (errors.InputOutput, errors.Busy):
        return  # they are erased and told; to tell them twice does no harm


def _proven(
    prove: Callable[[list[str]], None] | None, tokens: list[str]
) -> errors.InputOutput | None:
    """Write the receipts before the sweep is complete: one that is killed is finished by the next.

    A failure is returned: the people are erased all the same.
    """
    try:
        if prove is not None:
            prove(tokens)
    except errors.InputOutput as error:
        error.hint = "the people are erased; the next sweep with --receipts writes what is missing"
        return error
    return None


def _erase_due(vault: Vault, now: int, limit: int, erased: list[str], progress: Progress) -> int:
    """Erase in batches, so that nobody waits long for the lock; return the failures.

    `erased` takes the tokens as they are erased.
    """
    failed = 0
    after = None
    pace = Pace(LOCK_SECONDS, first=FIRST_BATCH, least=LEAST_BATCH, most=BATCH)
    while len(erased) + failed < limit:
        roomy = ballast.room(vault.directory) >= LITTLE_ROOM
        most, most_bytes = (pace.size, BATCH_BYTES) if roomy else _small_batch(vault)
        size = min(most, limit - len(erased) - failed)
        with vault.transaction() as tx:
            began = time.monotonic()
            found = deadlines.due(tx.db, now, after=after, limit=size)
            page = _together(tx, found, most_bytes)
            done = _erase_some(tx, [key for _, key in page], later=roomy and limit >= LARGE)
            tx.on_commit = partial(_count, progress, erased, done, len(page))
        failed += len(page) - len(done)
        if len(found) < size and len(page) == len(found):
            break
        pace.took(len(page), time.monotonic() - began)
        if lookup.left(vault.db) >= MOST_LEFT:
            lookup.take_out(vault.db)
        after = page[-1]
    return failed


def _count(progress: Progress, erased: list[str], done: list[str], looked_at: int) -> None:
    erased += done
    progress.done += looked_at


def _together(tx: Transaction, found: list[tuple[int, int]], most: int) -> list[tuple[int, int]]:
    """Return the first one of who is due, and those after it whose records have room in `most`."""
    sizes = records.sizes(tx.db, [key for _, key in found])
    total = 0
    for number, (_, key) in enumerate(found):
        total += sizes.get(key, 0)
        if number and total > most:
            return found[:number]
    return found


def _small_batch(vault: Vault) -> tuple[int, int]:
    """Return how many people and bytes to erase at once on a disk that is nearly full.

    Few, so that the journal stays small; it is emptied first.
    """
    vault.db.truncate_wal(0.0)
    return SMALL_BATCH, SMALL_BATCH_BYTES


def _erase_some(tx: Transaction, user_ids: list[int], *, later: bool) -> list[str]:
    """Erase some users, all together; one by one if there is something amiss with one of them."""
    try:
        with tx.attempt("exp.erase"):
            people = users.by_ids(tx.db, user_ids)
            if people and len(people) == len(user_ids) and not any(p.held(tx.now) for p in people):
                left = erasure.erase_all(
                    tx, people, action="exp.erase", reason="sweep", later=later
                )
                return [tombstone.token for tombstone in left]
    except errors.IntegrityFailure:
        pass  # whose record is damaged is found below
    return [token for user_id in user_ids if (token := _erase_one(tx, user_id))]


def _erase_one(tx: Transaction, user_id: int) -> str | None:
    """Erase one user; None if its record is damaged: it stays due, and the sweep goes on."""
    try:
        with tx.attempt("exp.erase"):
            user = users.by_id(tx.db, user_id)
            if user is None:
                raise errors.IntegrityFailure("the database lacks a user that it must have")
            return erasure.erase(tx, user, action="exp.erase", reason="sweep").token
    except errors.Held:  # by a hold that had lapsed when the sweep began: the clock went back
        return None
    except errors.IntegrityFailure:
        tx.event("exp.erase", outcome="failed", token=users.token_of(tx.db, user_id))
        return None


def _plan(tx: Transaction, max_deletes: int | None, *, accept_clock: bool) -> _Plan:
    due = deadlines.count_due(tx.db, tx.now, tx.now)
    sweeps = state.sweeps(tx.db)
    behind = sweeps.reference_at - tx.now > MAX_BEHIND_SECONDS
    ahead = tx.now - sweeps.reference_at > MAX_AHEAD_SECONDS
    living = state.totals(tx.db).living
    limit = max_deletes
    if limit is None:
        limit = max(LEAST_LIMIT, living * LIMIT_PERCENT // 100)
    guard: str | None = None
    refusal: errors.BunkerError | None = None
    if (behind or ahead) and not accept_clock:
        guard = "clock"
        refusal = _wrong_clock(tx.now, sweeps.reference_at) if behind or due else None
    elif due > limit:
        guard = "limit"
        refusal = errors.LimitExceeded(
            f"{due} are due, more than the limit of {limit}: nothing was erased",
            hint=f"look at `exp sweep --dry-run`; if that is right, --max-deletes {due}",
        )
    return _Plan(
        now=tx.now,
        due=due,
        held=deadlines.count_held(tx.db, tx.now),
        guard=guard,
        refusal=refusal,
        earlier=[
            tombstone.token
            for tombstone in tombstones.since(tx.db, sweeps.reported_event, -1, "sweep")
        ],
    )


def _wrong_clock(now: int, reference: int) -> errors.ClockSuspect:
    way = "behind" if now < reference else "far ahead of"
    return errors.ClockSuspect(
        f"the clock ({times.text(now)}) is {way} the last sweep"
        f" ({times.text(reference)}): nothing was erased",
        hint="set the clock; if it is right, --accept-clock",
    )


def _complete(tx: Transaction, plan: _Plan, erased: int, failed: int) -> int:
    """Record the sweep; the clock's reference moves, unless the clock looks wrong.

    Returns the number of the event.
    """
    counts = {
        "due": plan.due,
        "erased": erased,
        "held": plan.held,
        "failed": failed,
        "finished_earlier": len(plan.earlier),
    }
    if plan.guard is None:
        state.set_completed(tx.db, plan.now, tx.now)
    return tx.event("exp.sweep", counts=counts)


def _result(
    plan: _Plan,
    finished_at: int,
    event: int,
    *,
    tokens: list[str],
    dry_run: bool = False,
    failed: int = 0,
    residue: errors.Residue | None = None,
) -> Sweep:
    return Sweep(
        dry_run=dry_run,
        guard=plan.guard,
        due=plan.due,
        erased=0 if dry_run else len(tokens),
        held=plan.held,
        failed=failed,
        finished_earlier=len(plan.earlier),
        tokens=tokens if dry_run else plan.earlier + tokens,
        refused=plan.refusal is not None,
        started_at=plan.now,
        finished_at=finished_at,
        residue=residue,
        unproven=None,
        event=event,
    )
