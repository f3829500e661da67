"""Reports: what a data protection officer shows at an audit (GDPR Art. 5(2), accountability).

Figures and tokens, nothing personal.
"""

from __future__ import annotations

from bunkerctl import audit, checkpoints, diagnosis, errors, figures, merkle, times
from bunkerctl.figures import Figures, Month, Often, Period, Reader
from bunkerctl.model import ERASURES, UNSEEN, Progress, Value
from bunkerctl.store import audit as events
from bunkerctl.store import backups, deadlines, holds, state, tombstones, trail
from bunkerctl.tallies import Tallies, walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bunkerctl.checkpoints import Signed
    from bunkerctl.diagnosis import Finding
    from bunkerctl.directory import Header
    from bunkerctl.notes import Verifier
    from bunkerctl.store.backups import Backup
    from bunkerctl.store.trail import Pruned
    from bunkerctl.vault import Vault

MOST_OLDEST = 50
MOST_ERASURES = 200
WEEKS = 13
DAY, WEEK = 86400, 7 * 86400
MONDAY = 4 * DAY  # 5 January 1970 was one
AGES = (7, 30, 90, 365)
"""Days: ages are counted below the first, from each to the next, and from the last on."""


class People(Value):
    """How many there are now; `due`, not held, has `overdue` in it; `due_held` are due and held."""

    living: int
    waiting: int
    kept: int
    due: int
    overdue: int
    due_held: int
    held: int
    erased: int


class Week(Value):
    """Who falls due in a week, `held` of them under a hold; None stands for all that is later."""

    start: int | None
    people: int
    held: int


class Old(Value):
    """One person of an `Aged`: since when (Unix seconds), and if it is held until when."""

    token: str
    since: int
    until: int | None


class Aged(Value):
    """People in a state that should not last: how many of each of AGES, and the oldest."""

    people: int
    ages: list[int]
    oldest: list[Old]


class Erasure(Value):
    """An erasure, and the leaf of its event (hex); None if that was pruned."""

    token: str
    erased_at: int
    reason: str
    event: int
    leaf: str | None


class Erasures(Value):
    """The erasures of the period: by reason, how many have no event any more, and the newest."""

    reasons: dict[str, int]
    without_event: int
    newest: list[Erasure]


class Trail(Value):
    """The audit trail: whole or not, its head, signed, and what of it could be counted.

    `counted` events are those that were not `pruned`; `untold` of them are changes by an older
    bunkerctl, and do not say what they changed from.
    """

    ok: bool
    problem: str | None
    first_bad: int | None
    counted: int
    pruned: int
    untold: int
    signed: Signed
    verifier: Verifier


class Report(Value):
    """A vault in figures. Times are Unix seconds; `key_since` is None if its event was pruned."""

    vault: str
    header: Header
    at: int
    period: Period
    people: People
    months: list[Month]
    weeks: list[Week]
    overdue: Aged
    held: Aged
    erasures: Erasures
    readers: list[Reader]
    often: Often
    often_erased: list[str]
    attempts: list[tuple[str, str, int]]
    key_since: int | None
    backups: list[Backup]
    last_sweep: int | None
    findings: list[Finding]
    trail: Trail


def read(
    vault: Vault,
    again: Callable[[], Vault],
    overdue_before: int,
    since: int | None,
    until: int | None,
    progress: Progress = UNSEEN,
) -> Report:
    """Return the report on a vault; it shows nothing personal, so it is no audit event.

    From `since` to before `until`; None, and whatever is beyond, is from the first event, and
    up to now. `overdue_before` is the latest due time that is overdue; `again` opens the vault once
    more, for other processes to count a long trail.

    Raises:
        Usage: the period has no second in it.
    """
    now = vault.now()
    end = now + 1 if until is None or until > now else until
    if since is not None and since >= end:
        raise errors.Usage("the period of the report ends before it begins")
    progress.begin("people counted")
    with vault.reading():
        stored, pruned = events.tree(vault.db), trail.pruned(vault.db)
        standing = _standing(vault)
        people = _people(vault, now, overdue_before)
        weeks, held = _weeks(vault, now), _held(vault, now)
        overdue = _overdue(vault, now, overdue_before)
        signed = checkpoints.sign(vault, stored)
        known = [one for one in backups.known(vault.db) if one.gone_at is None]
        last_sweep = state.sweeps(vault.db).completed_at
    begin = merkle.Tree() if pruned is None else pruned.tree
    tallies = Tallies("" if since is None else times.text(since), times.text(end))
    tree = walk(vault, again, tallies, begin, stored.size, progress)
    told = Figures(tallies, end)
    period = _period(told, since, end)
    often = told.often()
    with vault.reading():
        erasures = _erasures(vault, period, 0 if pruned is None else pruned.tree.size)
        gone = [token for token, _ in often.named if tombstones.by_token(vault.db, token)]
    return Report(
        vault=vault.directory,
        header=vault.header,
        at=now,
        period=period,
        people=people,
        months=told.months(period, standing),
        weeks=weeks,
        overdue=overdue,
        held=held,
        erasures=erasures,
        readers=told.readers(),
        often=often,
        often_erased=gone,
        attempts=told.attempts(),
        key_since=told.rotated_at() or (vault.header.created_at if pruned is None else None),
        backups=known,
        last_sweep=last_sweep,
        findings=list(_findings(vault, overdue_before)),
        trail=_trail(vault, told, tree, pruned, signed),
    )


def _period(told: Figures, since: int | None, until: int) -> Period:
    """Return the period: from the first event, however far back the caller would go."""
    first = told.first_at()
    begin = first if since is None else max(since, first)
    return Period(since=min(begin, until - 1), until=until)


def _standing(vault: Vault) -> dict[str, int]:
    """Return how many people are in each state now."""
    totals, known = state.totals(vault.db), deadlines.count_by_status(vault.db)
    wait, retain = known.get("wait", 0), known.get("retain", 0)
    return {
        "none": totals.living - wait - retain,
        "wait": wait,
        "retain": retain,
        "erased": totals.erased,
    }


def _people(vault: Vault, now: int, overdue_before: int) -> People:
    standing = _standing(vault)
    return People(
        living=sum(standing[one] for one in figures.STATES),
        waiting=standing["wait"],
        kept=standing["retain"],
        due=deadlines.count_due(vault.db, now, now),
        overdue=deadlines.count_due(vault.db, now, overdue_before),
        due_held=deadlines.count_held(vault.db, now),
        held=holds.count(vault.db, now),
        erased=standing["erased"],
    )


def _weeks(vault: Vault, now: int) -> list[Week]:
    """Return this week, those that follow, and all that is later."""
    start = now - (now - MONDAY) % WEEK
    people, held = [0] * (WEEKS + 1), [0] * (WEEKS + 1)
    for week, is_held, count in deadlines.count_by_week_and_hold(vault.db, now, start):
        people[min(week, WEEKS)] += count
        held[min(week, WEEKS)] += count * is_held
    starts = [start + number * WEEK for number in range(WEEKS)]
    return [
        Week(start=one, people=people[number], held=held[number])
        for number, one in enumerate([*starts, None])
    ]


def _overdue(vault: Vault, now: int, overdue_before: int) -> Aged:
    instants = [min(overdue_before, now - days * DAY) for days in (0, *AGES)]
    counts = [deadlines.count_due(vault.db, now, by) for by in instants]
    oldest = deadlines.oldest_due(vault.db, now, overdue_before, MOST_OLDEST)
    return Aged(
        people=counts[0],
        ages=_ages(counts),
        oldest=[Old(token=token, since=since, until=None) for token, since in oldest],
    )


def _held(vault: Vault, now: int) -> Aged:
    counts = [holds.count(vault.db, now)]
    counts += [holds.count(vault.db, now, now - days * DAY) for days in AGES]
    oldest = holds.oldest(vault.db, now, MOST_OLDEST)
    return Aged(
        people=counts[0],
        ages=_ages(counts),
        oldest=[Old(token=token, since=since, until=until) for token, since, until in oldest],
    )


def _ages(older: list[int]) -> list[int]:
    """Return how many are of each age, from how many are older than each of (0, *AGES)."""
    return [one - next_ for one, next_ in zip(older, [*older[1:], 0], strict=True)]


def _erasures(vault: Vault, period: Period, pruned: int) -> Erasures:
    span = (period.since, period.until)
    counted = tombstones.count_by_reason(vault.db, *span, pruned)
    reasons = {reason: people for reason, people, _ in counted}
    newest = []
    for one in tombstones.newest(vault.db, *span, MOST_ERASURES):
        leaf = trail.hash_of(vault.db, one.event)
        newest.append(
            Erasure(
                token=one.token,
                erased_at=one.erased_at,
                reason=one.reason,
                event=one.event,
                leaf=None if leaf is None else leaf.hex(),
            )
        )
    return Erasures(
        reasons={one: reasons.get(one, 0) for one in ERASURES.values()},
        without_event=sum(bare for _, _, bare in counted),
        newest=newest,
    )


def _findings(vault: Vault, overdue_before: int) -> Iterator[Finding]:
    yield from diagnosis.clock(vault)
    yield from diagnosis.sweep(vault, overdue_before)
    yield from diagnosis.erasures(vault)
    yield from diagnosis.recovery(vault.header)


def _trail(
    vault: Vault, told: Figures, tree: merkle.Tree, pruned: Pruned | None, signed: Signed
) -> Trail:
    """Return how the trail stands, whose events have made a tree; and what is bad, if it is not."""
    begin, problem, first_bad = 0 if pruned is None else pruned.tree.size, None, None
    head = signed.head
    with vault.reading():
        verifier = checkpoints.verifier_within(vault)
        ok = (tree.size, tree.root().hex()) == (head.size, head.root)
        if pruned is not None:
            ok = ok and checkpoints.is_own(vault, pruned.tree, pruned.checkpoint)
            ok = ok and not trail.has_pruned(vault.db, begin)
    if not ok:
        found = audit.verify(vault)
        problem = found.problem or "the events do not give the stored tree"
        first_bad = found.first_bad
    return Trail(
        ok=ok,
        problem=problem,
        first_bad=first_bad,
        counted=tree.size - begin,
        pruned=begin,
        untold=told.untold(),
        signed=signed,
        verifier=verifier,
    )
