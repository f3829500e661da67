"""The fields of a report: `--json` prints them, the page and the terminal show them."""

from __future__ import annotations

from bunkerctl import __version__, figures, reports, times
from bunkerctl.cli.answers import (
    COUNT,
    COUNTS,
    FLAG,
    HASH,
    KEY_ID,
    NUMBER,
    TEXT,
    TIME,
    UUID,
    Answer,
    Fields,
    list_of,
    object_of,
    one_of,
    or_null,
    time_or_null,
)
from bunkerctl.cli.answers import audit as trail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.reports import Aged, Report, Week

SCHEMA = "bunkerctl.report/1"
_MOVES: Fields = {
    "added": (COUNT, "people who came"),
    "started": (COUNT, "expirations that began"),
    "kept": (COUNT, "people who asked to be kept"),
    "cancelled": (COUNT, "expirations that were taken back"),
    "removed": (COUNT, "people who asked to be erased, by their link"),
    "swept": (COUNT, "people whom a sweep erased"),
    "forgotten": (COUNT, "people whom `user forget` erased"),
    "restored": (COUNT, "people whom a restore erased again"),
    "held": (COUNT, "people who were put under a legal hold"),
    "released": (COUNT, "holds that were lifted"),
    "reads": (COUNT, "reads of somebody's data"),
    "restarted": (COUNT, "expirations whose date was replaced"),
}
_PEOPLE: Fields = {
    "users": (COUNT, "living"),
    "waiting": (COUNT, "to be erased"),
    "retained": (COUNT, "asked to be kept"),
    "due": (COUNT, "due and not held"),
    "overdue": (COUNT, "of those, overdue"),
    "due_held": (COUNT, "due and held"),
    "held": (COUNT, "under a legal hold"),
    "erased": (COUNT, "erased so far"),
}
_STANDING: Fields = {
    "users": (NUMBER, "living"),
    **{state: (NUMBER, f"of those, in the state {state}") for state in figures.STATES},
    "expired": (COUNT, "erased so far"),
}
_WEEK: Fields = {
    "week": (TEXT, "the week of ISO 8601, like 2027-W03"),
    "begins": (TEXT, "its first day"),
    "people": (COUNT, "how many fall due in it and are not held"),
    "held": (COUNT, "how many are held"),
}
_LATER: Fields = {name: _WEEK[name] for name in ("people", "held")}
_DUE: Fields = {
    "weeks": (list_of(object_of(_WEEK)), "the coming weeks"),
    "later": (object_of(_LATER), "all that is behind them"),
}
_AGE: Fields = {
    "days_from": (COUNT, "from this many days on"),
    "days_to": (or_null(COUNT), "to before that many; null: without end"),
    "people": (COUNT, "how many people"),
}
_TOKEN: Fields = {"token": (UUID, "whose")}
_DAYS: Fields = {"days": (NUMBER, "for how many days")}
_OVERDUE: Fields = {**_TOKEN, "due_at": (TIME, "since when"), **_DAYS}
_HELD: Fields = {
    **_TOKEN,
    "since": (TIME, "since when"),
    "until": (or_null(TIME), "when the hold lapses by itself"),
    **_DAYS,
}
_ERASURE: Fields = {
    **_TOKEN,
    "erased_at": (TIME, "when"),
    "reason": (TEXT, "by request, link, sweep or restore"),
    "event": (COUNT, "number of the audit event"),
    "leaf": (or_null(HASH), "the event's leaf in the Merkle tree"),
}
_ERASURES: Fields = {
    "people": (COUNT, "how many within the period"),
    "reasons": (COUNTS, "of those, by reason"),
    "without_receipt": (COUNT, "of those, how many have no receipt: their events were pruned"),
    "newest": (list_of(object_of(_ERASURE)), "the newest of them"),
}
_READER: Fields = {
    "actor": (or_null(TEXT), "who read; null: all the others"),
    "reads": (COUNT, "how often"),
    "actions": (COUNTS, "how often, by action"),
}
_READS: Fields = {
    "reads": (COUNT, "how many"),
    "actors": (list_of(object_of(_READER)), "by whom, most reads first"),
}
_MOST_READ: Fields = {
    **_TOKEN,
    "reads": (COUNT, "how often"),
    "erased": (FLAG, "whether erased since"),
}
_OFTEN: Fields = {
    "rule": (TEXT, "what is unusual, in words"),
    "people_read": (COUNT, "how many people were read at all"),
    "median": (COUNT, "how often the median of those"),
    "limit": (COUNT, "more reads than this are unusual"),
    "people": (COUNT, "how many were read unusually often"),
    "most": (list_of(object_of(_MOST_READ)), "the most read of those"),
}
_ATTEMPT: Fields = {
    "action": (TEXT, "what was tried"),
    "outcome": (TEXT, "how it ended"),
    "count": (COUNT, "how often"),
}
_KEY: Fields = {
    "key_id": (KEY_ID, "which key"),
    "since": (or_null(TIME), "since when; null: that event was pruned"),
    "days": (or_null(NUMBER), "for how many days"),
    "recovery_at": (or_null(TIME), "when the recovery code was made; null: there is none"),
}
_BACKUP: Fields = {
    "last": (or_null(TIME), "when the last one was made"),
    "days": (or_null(NUMBER), "how many days ago"),
    "standing": (COUNT, "how many there are"),
    "past_their_time": (COUNT, "how many of those should be gone"),
}
_CHECK: Fields = {
    "check": (TEXT, "what was examined"),
    "level": (TEXT, "ok, note, warning or error"),
    "message": (TEXT, "what was found"),
    "hint": (or_null(TEXT), "what to do about it"),
}
_AUDIT: Fields = {
    "ok": (FLAG, "whether the trail is whole"),
    "problem": (or_null(TEXT), "why not"),
    "first_bad": (or_null(COUNT), "the first event that cannot be trusted"),
    "counted": (COUNT, "how many events were counted"),
    "pruned": (COUNT, "how many were pruned, and not counted"),
    "untold": (COUNT, "changes by an older bunkerctl, which do not say what they changed from"),
    "head": (object_of(trail.HEAD), "its head, as `audit head` prints it"),
    "checkpoint": (TEXT, "the head, as a signed note of C2SP"),
    "key": (TEXT, "the public key it is signed with"),
}


def _aged_of(fields: Fields) -> Fields:
    return {
        "people": (COUNT, "how many"),
        "ages": (list_of(object_of(_AGE)), "of those, by how long"),
        "oldest": (list_of(object_of(fields)), "those for the longest time"),
    }


REPORT: Fields = {
    "schema": (one_of(SCHEMA), "what this is"),
    "program": (TEXT, "the program and its version"),
    "vault": (TEXT, "the vault's directory"),
    "vault_id": (UUID, "which vault"),
    "created_at": (TIME, "when the vault was made"),
    "at": (TIME, "when the report was made"),
    "since": (TIME, "when the period begins"),
    "until": (TIME, "when it ends"),
    "people": (object_of(_PEOPLE), "how people stand now"),
    "totals": (object_of(_MOVES), "what happened within the period"),
    "months": (
        list_of(
            object_of(
                {
                    "month": (TEXT, "which month, like 2027-01"),
                    **_MOVES,
                    "standing": (object_of(_STANDING), "how people stood at its end"),
                }
            )
        ),
        "the same by month",
    ),
    "due": (object_of(_DUE), "what falls due"),
    "overdue": (object_of(_aged_of(_OVERDUE)), "who is overdue"),
    "held": (object_of(_aged_of(_HELD)), "who is under a legal hold"),
    "erasures": (object_of(_ERASURES), "who was erased"),
    "reads": (object_of(_READS), "how often people were read"),
    "read_often": (object_of(_OFTEN), "who was read unusually often"),
    "unsuccessful": (list_of(object_of(_ATTEMPT)), "what did not succeed"),
    "key": (object_of(_KEY), "the master key"),
    "backup": (object_of(_BACKUP), "the backups"),
    "last_sweep": (or_null(TIME), "when the last sweep was completed"),
    "checks": (list_of(object_of(_CHECK)), "what `doctor` says of clock, sweep and recovery"),
    "audit": (object_of(_AUDIT), "the audit trail"),
}


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
