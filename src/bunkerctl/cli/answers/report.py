"""The fields of a report: `--json` prints them, the page and the terminal show them."""

from __future__ import annotations

from bunkerctl import __version__, figures, reports, times
from bunkerctl.cli.answers import Answer, time_or_null
from bunkerctl.cli.answers import audit as trail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.reports import Aged, Report, Week

SCHEMA = "bunkerctl.report/1"


def report(found: Report) -> Answer:
    """Return all that a report says."""
    moves = [month.moves for month in found.months]
    return {
        "schema": SCHEMA,
        "program": f"bunkerctl {__version__}",
        "vault": found.vault,
        "vault_id": found.header.vault_id,
        "created_at": times.text(found.header.created_at),
        "at": times.text(found.at),
        "since": times.text(found.period.since),
        "until": times.text(min(found.period.until, found.at)),
        "people": _people(found),
        "totals": {name: sum(one[name] for one in moves) for name in figures.MOVES},
        "months": [
            {"month": one.month, **one.moves, "standing": _standing(one.standing)}
            for one in found.months
        ],
        "due": {
            "weeks": [_week(week) for week in found.weeks if week.start is not None],
            "later": {"people": found.weeks[-1].people, "held": found.weeks[-1].held},
        },
        "overdue": _aged(found, found.overdue, "due_at"),
        "held": _aged(found, found.held, "since"),
        "erasures": _erasures(found),
        "reads": _reads(found),
        "read_often": _often(found),
        "unsuccessful": [
            {"action": action, "outcome": outcome, "count": count}
            for action, outcome, count in found.attempts
        ],
        "key": _key(found),
        "backup": _backup(found),
        "last_sweep": time_or_null(found.last_sweep),
        "checks": [
            {"check": one.check, "level": one.level, "message": one.message, "hint": one.hint}
            for one in found.findings
        ],
        "audit": _audit(found),
    }


def brief(whole: Answer) -> Answer:
    """Return the main figures, of what `report` has returned."""
    people, totals, often = whole["people"], whole["totals"], whole["read_often"]
    return {
        "vault_id": whole["vault_id"],
        "since": whole["since"],
        "until": whole["until"],
        **people,
        **{name: totals[name] for name in ("added", "started", "kept", "removed", "swept")},
        "forgotten": totals["forgotten"],
        "reads": totals["reads"],
        "read_often": often["people"],
        "key_since": whole["key"]["since"],
        "last_backup": whole["backup"]["last"],
        "last_sweep": whole["last_sweep"],
        "audit_ok": whole["audit"]["ok"],
        "events": whole["audit"]["head"]["size"],
        "pruned": whole["audit"]["pruned"],
    }


def _people(found: Report) -> Answer:
    people = found.people
    return {
        "users": people.living,
        "waiting": people.waiting,
        "retained": people.kept,
        "due": people.due,
        "overdue": people.overdue,
        "due_held": people.due_held,
        "held": people.held,
        "erased": people.erased,
    }


def _standing(standing: dict[str, int]) -> Answer:
    living = {state: standing[state] for state in figures.STATES}
    return {"users": sum(living.values()), **living, "expired": standing["erased"]}


def _week(week: Week) -> Answer:
    start = week.start or 0
    return {"week": times.week(start), "begins": times.text(start)[:10]} | {
        "people": week.people,
        "held": week.held,
    }


def _aged(found: Report, aged: Aged, since: str) -> Answer:
    bounds = [0, *reports.AGES, None]
    return {
        "people": aged.people,
        "ages": [
            {"days_from": low, "days_to": high, "people": people}
            for low, high, people in zip(bounds, bounds[1:], aged.ages, strict=False)
        ],
        "oldest": [
            {
                "token": one.token,
                since: times.text(one.since),
                **({} if since == "due_at" else {"until": time_or_null(one.until)}),
                "days": (found.at - one.since) // reports.DAY,
            }
            for one in aged.oldest
        ],
    }


def _erasures(found: Report) -> Answer:
    erasures = found.erasures
    return {
        "people": sum(erasures.reasons.values()),
        "reasons": erasures.reasons,
        "without_receipt": erasures.without_event,
        "newest": [
            {
                "token": one.token,
                "erased_at": times.text(one.erased_at),
                "reason": one.reason,
                "event": one.event,
                "leaf": one.leaf,
            }
            for one in erasures.newest
        ],
    }


def _reads(found: Report) -> Answer:
    return {
        "reads": sum(sum(one.reads.values()) for one in found.readers),
        "actors": [
            {"actor": one.actor, "reads": sum(one.reads.values()), "actions": one.reads}
            for one in found.readers
        ],
    }


def _often(found: Report) -> Answer:
    often = found.often
    return {
        "rule": f"read more than {figures.OFTEN_TIMES} times as often as the median person",
        "people_read": often.people,
        "median": often.median,
        "limit": often.limit,
        "people": often.count,
        "most": [
            {"token": token, "reads": reads, "erased": token in found.often_erased}
            for token, reads in often.named
        ],
    }


def _key(found: Report) -> Answer:
    since, recovery = found.key_since, found.header.recovery
    return {
        "key_id": found.header.key_id,
        "since": time_or_null(since),
        "days": None if since is None else (found.at - since) // reports.DAY,
        "recovery_at": None if recovery is None else times.text(recovery.made_at),
    }


def _backup(found: Report) -> Answer:
    last = found.backups[-1] if found.backups else None
    return {
        "last": last and times.text(last.created_at),
        "days": last and (found.at - last.created_at) // reports.DAY,
        "standing": len(found.backups),
        "past_their_time": sum(
            one.until is not None and one.until <= found.at for one in found.backups
        ),
    }


def _audit(found: Report) -> Answer:
    told = found.trail
    return {
        "ok": told.ok,
        "problem": told.problem,
        "first_bad": told.first_bad,
        "counted": told.counted,
        "pruned": told.pruned,
        "untold": told.untold,
        "head": trail.head(told.signed.head),
        "checkpoint": told.signed.note,
        "key": told.verifier.text(),
    }
