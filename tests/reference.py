"""What the command line promises, in memory: written from the contract, knows nothing of src.

Each method is a command: it changes the model and returns the JSON answer, or raises Refusal.
Tokens and exptokens are random, so the caller hands over those that the program chose.
"""

from __future__ import annotations

import json
import uuid
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

KINDS = ("email", "phone", "login", "custom")
OVERDUE_AFTER = 26 * 3600
GRACE = 30 * 86400
Name = tuple[str, str]
"""How a person is looked up: the kind and the normalised value."""


class Refusal(Exception):
    """A command must end so; `events` is how many audit events the attempt is."""

    def __init__(self, exit_code: int, code: str, events: int = 1) -> None:
        super().__init__(exit_code, code)
        self.exit_code = exit_code
        self.code = code
        self.events = events


@dataclass
class Plan:
    exptoken: str
    status: str
    started_at: int
    due_at: int


@dataclass
class Hold:
    reason: str | None
    since: int
    until: int | None


@dataclass(eq=False)
class Person:
    token: str
    data: dict[str, Any]
    names: dict[str, str]
    created_at: int
    updated_at: int
    version: int = 1
    plan: Plan | None = None
    hold: Hold | None = None
    secrets: set[str] = field(default_factory=set)

    def status(self) -> str:
        return self.plan.status if self.plan else "none"

    def waits(self) -> bool:
        return self.status() == "wait"

    def due_at(self) -> int | None:
        return self.plan.due_at if self.plan and self.waits() else None

    def due(self, now: int) -> bool:
        return self.plan is not None and self.waits() and self.plan.due_at <= now

    def overdue(self, now: int) -> bool:
        return self.plan is not None and self.waits() and now - self.plan.due_at > OVERDUE_AFTER

    def held(self, now: int) -> bool:
        return self.hold is not None and (self.hold.until is None or self.hold.until > now)


@dataclass
class Stone:
    token: str
    exptoken: str | None
    reason: str
    erased_at: int
    counts: dict[str, int]


class Reference:
    """The people of a vault, and what each command must answer about them."""

    def __init__(self, now: int, base: str | None) -> None:
        self.now = now
        self.base = base
        self.created_at = now
        self.last_sweep: int | None = None
        self.living: dict[str, Person] = {}
        self.erased: dict[str, Stone] = {}
        self.gone: set[str] = set()
        """Values of the erased, and of records that were refused: in no file, ever."""
        self._used: set[str] = set()
        self.met: set[Person] = set()
        """Whom the lines of this import were about so far; and how many lines were so again."""
        self.duplicates = 0

    # Looking up.

    def find(self, name: Name) -> Person:
        kind, value = name
        for person in self.living.values():
            if value == (person.token if kind == "token" else person.names.get(kind)):
                return person
        raise Refusal(4, "not_found")

    def find_or_stone(self, name: Name) -> Person | Stone:
        if name[0] == "token" and name[1] in self.erased:
            return self.erased[name[1]]
        return self.find(name)

    def by_exptoken(self, exptoken: str) -> Person | Stone:
        for person in self.living.values():
            if person.plan and person.plan.exptoken == exptoken:
                return person
        for stone in self.erased.values():
            if stone.exptoken == exptoken:
                return stone
        raise Refusal(4, "not_found")

    def owners(self, names: dict[str, str], token: str | None = None) -> list[Person]:
        return [
            person
            for person in self.living.values()
            if person.token == token or names.items() & person.names.items()
        ]

    def fresh(self, text: str) -> str:
        """Return a name that the program chose, which must be a UUID never seen before."""
        assert text, "refused, and should not be"
        assert str(uuid.UUID(text)) == text
        assert text not in self._used, "a token was given twice"
        self._used.add(text)
        return text

    # Answers.

    def user(self, person: Person) -> dict[str, Any]:
        due_at = person.due_at()
        return {
            "token": person.token,
            "created_at": moment(person.created_at),
            "updated_at": moment(person.updated_at),
            "version": person.version,
            "identities": [kind for kind in KINDS if kind in person.names],
            "data": person.data,
            "expstatus": person.status(),
            "exptime": due_at,
            "due_at": moment(due_at),
            "held": person.held(self.now),
        }

    def expiration(self, found: Person | Stone) -> dict[str, Any]:
        answer: dict[str, Any] = dict.fromkeys(
            ("token", "expstatus", "exptime", "due_at", "exptoken", "started_at")
        )
        answer |= {"token": found.token, "due": False, "overdue": False, "held": False}
        answer |= {"retain_url": None, "delete_url": None}
        if isinstance(found, Stone):
            urls = self.urls(found.exptoken)
            return {**answer, **urls, "expstatus": "expired", "exptoken": found.exptoken}
        answer |= {"expstatus": found.status(), "held": found.held(self.now)}
        if found.plan is None or found.status() == "none":
            return answer
        answer |= {"exptoken": found.plan.exptoken, **self.urls(found.plan.exptoken)}
        if not found.waits():
            return answer
        return answer | {
            "exptime": found.plan.due_at,
            "due_at": moment(found.plan.due_at),
            "started_at": moment(found.plan.started_at),
            "due": found.due(self.now),
            "overdue": found.overdue(self.now),
        }

    def urls(self, exptoken: str | None) -> dict[str, str | None]:
        known = self.base is not None and exptoken is not None
        return {
            f"{verb}_url": f"{self.base}/exp/{verb}/{exptoken}" if known else None
            for verb in ("retain", "delete")
        }

    def tombstone(self, stone: Stone, changed: bool) -> dict[str, Any]:
        """All but the number of the audit event."""
        return {
            "token": stone.token,
            "erased_at": moment(stone.erased_at),
            "reason": stone.reason,
            "erased": stone.counts,
            "changed": changed,
        }

    def status(self) -> dict[str, Any]:
        people = self.living.values()
        free = [person for person in people if not person.held(self.now)]
        soonest = [at for person in free if (at := person.due_at()) is not None]
        return {
            "users": len(people),
            "waiting": sum(person.waits() for person in people),
            "due": sum(person.due(self.now) for person in free),
            "overdue": sum(person.overdue(self.now) for person in free),
            "held": len(people) - len(free),
            "erased": len(self.erased),
            "last_sweep": moment(self.last_sweep),
            "next_due": moment(min(soonest, default=None)),
        }

    # People.

    def add(self, record: dict[str, Any], fresh: str) -> dict[str, Any]:
        names = names_of(record)
        if self.owners(names):
            self.gone |= secrets_of(record)
            raise Refusal(5, "conflict")
        person = self._put(fresh, record, names)
        return {**self.user(person), "changed": True}

    def update(self, name: Name, patch: Any, if_version: int | None = None) -> dict[str, Any]:
        person = self.find(name)
        if if_version is not None and if_version != person.version:
            raise Refusal(5, "conflict")
        record = patched(person.data, patch)
        changed = json.dumps(record, sort_keys=True) != json.dumps(person.data, sort_keys=True)
        if changed:
            names = names_of(record, events=1)  # it is refused for what it would become
            if any(owner is not person for owner in self.owners(names)):
                raise Refusal(5, "conflict")
            self._replace(person, record, names)
        return {**self.user(person), "changed": changed}

    def forget(self, name: Name, *, yes: bool = True) -> dict[str, Any]:
        return self._erase_on_request(self.find_or_stone(name), "request", yes)

    def hold(self, name: Name, reason: str, until: int | None) -> dict[str, Any]:
        person = self.find(name)
        standing = person.hold if person.held(self.now) else None
        changed = standing is None or (standing.reason, standing.until) != (reason, until)
        if changed:
            person.hold = Hold(reason, self.now, until)
        person.secrets |= secrets_of(reason)
        return {**self.user(person), "changed": changed}

    def release(self, name: Name) -> dict[str, Any]:
        person = self.find(name)
        changed = person.held(self.now)
        person.hold = None
        return {**self.user(person), "hold": None, "changed": changed}

    def take(self, line: Any, policy: str) -> str:
        """Import one line; say what became of it."""
        try:
            return self._take(line, policy)
        except Refusal:
            self.gone |= secrets_of(line)
            return "rejected"

    # Expirations.

    def start(self, name: Name, due_at: int, *, restart: bool, fresh: str) -> dict[str, Any]:
        person = self._unexpired(name)
        changed = restart or not person.waits()
        if changed:
            person.plan = Plan(self.fresh(fresh), "wait", self.now, due_at)
        return {**self.expiration(person), "changed": changed}

    def cancel(self, name: Name) -> dict[str, Any]:
        person = self._unexpired(name)
        changed = person.status() != "none"
        if person.plan:
            person.plan.status = "none"
        return {**self.expiration(person), "changed": changed}

    def retain(self, exptoken: str) -> dict[str, Any]:
        person = self.by_exptoken(exptoken)
        if isinstance(person, Stone) or person.plan is None or person.status() == "none":
            raise Refusal(5, "conflict")
        changed = person.waits()
        person.plan.status = "retain"
        return {**self.expiration(person), "changed": changed}

    def delete(self, exptoken: str, *, yes: bool) -> dict[str, Any]:
        found = self.by_exptoken(exptoken)
        if isinstance(found, Person) and not found.waits():
            raise Refusal(5, "conflict")
        return self._erase_on_request(found, "link", yes)

    def waiting(self, within: int | None) -> list[Person]:
        """Who is due at most `within` seconds from now (None: whenever), soonest first."""
        people = [person for person in self.living.values() if person.plan and person.waits()]
        if within is not None:
            people = [p for p in people if p.plan and p.plan.due_at <= self.now + within]
        return sorted(people, key=lambda person: person.due_at() or 0)

    def sweep(
        self,
        tokens: list[str],
        *,
        dry_run: bool = False,
        limit: int | None = None,
        max_deletes: int | None = None,
        accept_clock: bool = False,
    ) -> dict[str, Any]:
        """`tokens` are those that the program chose: among equals any order will do."""
        everyone = self.waiting(0)
        due = [person for person in everyone if not person.held(self.now)]
        guard, refused = self._guard(len(due), max_deletes, accept_clock)
        if refused and not dry_run:
            raise Refusal(5, str(guard))
        count = len(due) if limit is None else min(limit, len(due))
        chosen = [self.living[token] for token in tokens]
        assert all(person in due for person in chosen), "erased early, or held"
        assert [p.due_at() for p in chosen] == [p.due_at() for p in due[:count]]
        assert len(set(tokens)) == len(tokens)
        if not dry_run:
            for person in chosen:
                self._erase(person, "sweep")
            if guard is None:
                self.last_sweep = self.now
        return {
            "dry_run": dry_run,
            "guard": guard,
            "due": len(due),
            "erased": 0 if dry_run else count,
            "held": len(everyone) - len(due),
            "failed": 0,
            "finished_earlier": 0,
            "tokens": tokens,
            "started_at": moment(self.now),
            "finished_at": moment(self.now),
        }

    def rename(self, person: Person, token: str, exptoken: str | None) -> None:
        """Give an imported person the names that the program chose."""
        del self.living[person.token]
        person.token = token if token == person.token else self.fresh(token)
        self.living[person.token] = person
        if person.plan and not person.plan.exptoken:
            person.plan.exptoken = self.fresh(exptoken or "")

    def never_found(self) -> list[bytes]:
        """Return what no file may have: values of nobody who lives."""
        living = {secret for person in self.living.values() for secret in person.secrets}
        return [secret.encode() for secret in self.gone - living]

    # What several commands do.

    def _guard(
        self, due: int, max_deletes: int | None, accept_clock: bool
    ) -> tuple[str | None, bool]:
        reference = self.created_at if self.last_sweep is None else self.last_sweep
        behind = reference - self.now > 5 * 60
        ahead = self.now - reference > 45 * 86400
        if (behind or ahead) and not accept_clock:
            return "clock", behind or due > 0
        most = max(25, len(self.living) / 10) if max_deletes is None else max_deletes
        return ("limit", True) if due > most else (None, False)

    def _unexpired(self, name: Name) -> Person:
        found = self.find_or_stone(name)
        if isinstance(found, Stone):
            raise Refusal(5, "conflict")
        return found

    def _put(self, token: str, record: dict[str, Any], names: dict[str, str]) -> Person:
        person = Person(self.fresh(token), deepcopy(record), names, self.now, self.now)
        person.secrets |= secrets_of(record)
        self.living[person.token] = person
        return person

    def _replace(self, person: Person, record: dict[str, Any], names: dict[str, str]) -> None:
        person.data, person.names = deepcopy(record), names
        person.version += 1
        person.updated_at = self.now
        person.secrets |= secrets_of(record)

    def _erase_on_request(self, found: Person | Stone, reason: str, yes: bool) -> dict[str, Any]:
        if isinstance(found, Stone):
            return self.tombstone(found, changed=False)
        if found.held(self.now):
            raise Refusal(5, "held")
        if not yes:
            raise Refusal(6, "declined")
        return self.tombstone(self._erase(found, reason), changed=True)

    def _erase(self, person: Person, reason: str) -> Stone:
        counts = {
            "records": 1,
            "identities": len(person.names),
            "expirations": int(person.plan is not None),
            "holds": int(person.hold is not None),
        }
        exptoken = person.plan.exptoken if person.plan else None
        stone = Stone(person.token, exptoken, reason, self.now, counts)
        self.erased[person.token] = stone
        self.gone |= person.secrets
        del self.living[person.token]
        return stone

    def _take(self, line: Any, policy: str) -> str:
        if not isinstance(line, dict):
            raise Refusal(2, "invalid")
        moved = line.get("schema") == "bunkerctl.user/1"
        record = line["data"] if moved else line
        if moved and max(instant(line["created_at"]), instant(line["updated_at"])) > self.now:
            raise Refusal(2, "invalid")
        names = names_of(record)
        token = line["token"] if moved else None
        if token in self.erased:
            raise Refusal(5, "conflict")
        standing = self.owners(names, token)
        self.duplicates += bool(self.met & set(standing))
        self.met |= set(standing)
        if not standing:
            person = self._put(token or str(uuid.uuid4()), record, names)
            self.met.add(person)
            if moved:
                self._restore(person, line)
            return "added"
        if policy == "skip":
            return "skipped"
        if policy == "error" or len(standing) > 1:
            raise Refusal(5, "conflict")
        person, merged = standing[0], merge(standing[0].data, record)
        changed = merged != person.data
        if changed:
            self._replace(person, merged, names_of(merged))
        if moved and line["held"] and not person.held(self.now):
            person.hold, changed = Hold(None, self.now, None), True
        return "updated" if changed else "skipped"

    def _restore(self, person: Person, line: dict[str, Any]) -> None:
        person.created_at = instant(line["created_at"])
        person.updated_at = instant(line["updated_at"])
        person.version = line["version"]
        if line["expstatus"] != "none":
            due_at = line["exptime"] or self.now
            person.plan = Plan("", line["expstatus"], self.now, due_at)
        if line["held"]:
            person.hold = Hold(None, self.now, None)


def names_of(record: dict[str, Any], events: int = 0) -> dict[str, str]:
    """Return the normalised identities; enough for what the tests put in (US phones)."""
    names: dict[str, str] = {}
    for kind in KINDS:
        value = record.get(kind)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
            raise Refusal(2, "invalid", events=events)
        text = str(value).strip()
        if kind == "email":
            text = text.lower()
        if kind == "phone":
            text = "+1" + "".join(c for c in text if c.isdigit()).removeprefix("1")
        names[kind] = text
    if not names:
        raise Refusal(2, "invalid", events=events)
    return names


def secrets_of(value: Any) -> set[str]:
    """Return the canaries and the identities in a record, as they were given."""
    if isinstance(value, dict | list):
        items = value.values() if isinstance(value, dict) else value
        return {secret for item in items for secret in secrets_of(item)}
    known = ("canary-", "estrel", "555-01", "55501")
    return {value} if isinstance(value, str) and any(word in value for word in known) else set()


def patched(record: dict[str, Any], patch: Any) -> dict[str, Any]:
    if isinstance(patch, dict):
        return merge(record, patch)
    result = deepcopy(record)
    for operation in patch:
        _operate(result, operation)
    return result


def merge(target: Any, patch: dict[str, Any]) -> dict[str, Any]:
    """RFC 7396."""
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value) if isinstance(value, dict) else value
    return merged


def _operate(record: dict[str, Any], operation: dict[str, Any]) -> None:
    """RFC 6902, for root-level members."""
    name, what = operation["path"].removeprefix("/"), operation["op"]
    if what != "add" and name not in record:
        raise Refusal(5, "conflict")
    if what in ("add", "replace"):
        record[name] = operation["value"]
    elif what == "remove":
        del record[name]
    elif record[name] != operation["value"]:
        raise Refusal(5, "conflict")


def moment(at: int | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())
