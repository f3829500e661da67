"""Every command against a model in memory: never erased early, never forgotten, never lost."""

from __future__ import annotations

import json
import uuid
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    multiple,
    precondition,
    rule,
)

import profiles
from conftest import DAY, Home
from reference import GRACE, Person, moment
from side_by_side import BAD_LINES, BAD_RECORDS, POOL, SideBySide, identities, named

NOBODY = "00000000-0000-4000-8000-000000000000"
FORMS = st.sampled_from(["token", "TOKEN", "email", "EMAIL", "phone", "login", "custom"])
DURATIONS = st.sampled_from(
    [None, ("1h", 3600), ("90s", 90), ("P5D", 5 * DAY), ("3h6w", 42 * DAY + 10800)]
)
LIMITS = st.sampled_from([None, None, 1, 3, 40])


class CommandLine(SideBySide, RuleBasedStateMachine):
    people: Bundle[Person] = Bundle("people")
    exptokens: Bundle[str] = Bundle("exptokens")

    @initialize(target=people, base=st.sampled_from([None, "https://example.com/privacy"]))
    def begin_with(self, base: str | None) -> Any:
        self.begin(base)
        known = [{kind: values[0]} for kind, values in POOL.items()]
        return multiple(*self.take([json.dumps(record) for record in known[:3]], "error"))

    # Time.

    @rule(seconds=st.sampled_from([60, 3600, DAY, 5 * DAY, 27 * 3600, 30 * DAY, 46 * DAY]))
    def time_goes_by(self, seconds: int) -> None:
        self.home.now += seconds
        self.model.now = self.home.now

    @rule(seconds=st.sampled_from([60, 300, 301, 2 * DAY]))
    def the_clock_is_put_back(self, seconds: int) -> None:
        self.time_goes_by(-seconds)

    # People.

    @rule(target=people, names=identities(), extra=st.booleans())
    def add(self, names: dict[str, Any], extra: bool) -> Any:
        record = {**names, "note": self.canary()}
        if extra:
            record |= {"deep": {"a": [None, 1], "b": self.canary()}, "n": 7}
        added = self.same(
            "user add",
            lambda said: self.model.add(record, said.get("token", "")),
            json.dumps(record),
        )
        return self.model.living[added["token"]] if added else multiple()

    @rule(record=st.sampled_from(BAD_RECORDS))
    def add_nobody(self, record: dict[str, Any]) -> None:
        result = self.home.run("user add --json", json.dumps(record))
        assert (result.code, result.out, result.error["code"]) == (2, "", "invalid")

    @rule(person=people, form=FORMS)
    def get(self, person: Person, form: str) -> None:
        text, name = named(person, form)
        self.same(["user", "get", text], lambda _: self.model.user(self.model.find(name)))

    @rule(person=people, form=FORMS, data=st.data(), version=st.sampled_from([None, 0, 1]))
    def update(self, person: Person, form: str, data: st.DataObject, version: int | None) -> None:
        text, name = named(person, form)
        kind = data.draw(st.sampled_from(sorted(POOL)))
        value = data.draw(st.sampled_from([*POOL[kind], None]))
        operation = {"op": "replace", "path": f"/{kind}", "value": value}
        patches: list[Any] = [
            {"note": self.canary()},
            {"n": 7, "deep": {"b": None}},
            {kind: value},
            [{"op": "add", "path": "/deep", "value": self.canary()}, operation],
            [{"op": "test", "path": "/n", "value": 7}, {"op": "remove", "path": "/note"}],
        ]
        patch = data.draw(st.sampled_from(patches))
        words = ["user", "update", text]
        if version is not None and value is not None:
            version += person.version
            words += ["--if-version", str(version)]
        else:
            version = None
        self.same(words, lambda _: self.model.update(name, patch, version), json.dumps(patch))

    @rule(person=people, form=FORMS, yes=st.sampled_from([True, True, False]))
    def forget(self, person: Person, form: str, yes: bool) -> None:
        text, name = named(person, form)
        words = ["user", "forget", text, *["--yes"] * yes]
        self.same(words, lambda _: self.model.forget(name, yes=yes))

    @rule(person=people, form=FORMS, lasts=st.sampled_from([None, 2 * DAY]), known=st.booleans())
    def hold(self, person: Person, form: str, lasts: int | None, known: bool) -> None:
        text, name = named(person, form)
        reason = "court case" if known else self.canary()
        until = None if lasts is None else self.home.now // DAY * DAY + lasts
        words = ["user", "hold", text, "--reason", reason]
        words += [] if until is None else ["--until", str(moment(until))]

        def act(answer: dict[str, Any]) -> dict[str, Any]:
            wanted = self.model.hold(name, reason, until)
            hold = answer["hold"]
            assert (hold["reason"], hold["until"]) == (reason, until and moment(until))
            return {**wanted, "hold": hold}

        self.same(words, act)

    @rule(person=people, form=FORMS)
    def release(self, person: Person, form: str) -> None:
        text, name = named(person, form)
        self.same(["user", "release", text], lambda _: self.model.release(name))

    # Expirations.

    @rule(target=exptokens, person=people, form=FORMS, duration=DURATIONS, restart=st.booleans())
    def start(
        self, person: Person, form: str, duration: tuple[str, int] | None, restart: bool
    ) -> Any:
        text, name = named(person, form)
        words = ["exp", "start", text, *["--restart"] * restart]
        words += ["--in", duration[0]] if duration else []
        due_at = self.home.now + (duration[1] if duration else GRACE)
        answer = self.same(
            words,
            lambda said: self.model.start(
                name, due_at, restart=restart, fresh=said.get("exptoken", "")
            ),
        )
        return answer["exptoken"] if answer else multiple()

    @rule(person=people, form=FORMS)
    def cancel(self, person: Person, form: str) -> None:
        text, name = named(person, form)
        self.same(["exp", "cancel", text], lambda _: self.model.cancel(name))

    @rule(person=people, form=FORMS)
    def status(self, person: Person, form: str) -> None:
        text, name = named(person, form)
        self.same(
            ["exp", "status", text],
            lambda _: self.model.expiration(self.model.find_or_stone(name)),
        )

    @rule(exptoken=exptokens)
    def retain(self, exptoken: str) -> None:
        self.same(f"exp retain {exptoken}", lambda _: self.model.retain(exptoken))

    @rule(exptoken=exptokens, yes=st.sampled_from([True, True, False]))
    def delete(self, exptoken: str, yes: bool) -> None:
        line = f"exp delete {exptoken}" + " --yes" * yes
        self.same(line, lambda _: self.model.delete(exptoken, yes=yes))

    @rule(verb=st.sampled_from(["get", "retain", "delete"]))
    def ask_for_nobody(self, verb: str) -> None:
        line = f"user get {NOBODY}" if verb == "get" else f"exp {verb} {NOBODY} --yes"
        self.same(line, lambda _: self.model.find(("token", NOBODY)))

    @rule(within=st.sampled_from([None, 0, 30 * DAY]), limit=LIMITS)
    def list_who_waits(self, within: int | None, limit: int | None) -> None:
        words = ["exp", "list"]
        words += [] if within is None else ["--within", "30d"] if within else ["--due"]
        words += [] if limit is None else ["--limit", str(limit)]
        answer = self.home.ok([*words, "--json"]).json
        self.events += 1
        wanted = [self.model.expiration(person) for person in self.model.waiting(within)]
        assert all(one in wanted for one in answer)
        assert [one["exptime"] for one in answer] == [one["exptime"] for one in wanted][:limit]

    @rule(dry_run=st.booleans(), limit=LIMITS, most=LIMITS, accept_clock=st.booleans())
    def sweep(self, dry_run: bool, limit: int | None, most: int | None, accept_clock: bool) -> None:
        words = ["exp", "sweep", "-q", *["--dry-run"] * dry_run]
        words += ["--accept-clock"] * (accept_clock and not dry_run)
        words += [] if limit is None else ["--limit", str(limit)]
        words += [] if most is None else ["--max-deletes", str(most)]

        def act(answer: dict[str, Any]) -> dict[str, Any]:
            tokens = answer.get("tokens", [])
            done = self.model.sweep(
                tokens, dry_run=dry_run, limit=limit, max_deletes=most,
                accept_clock=accept_clock and not dry_run,
            )  # fmt: skip
            for token in [] if dry_run else tokens:
                self.events += 1
                self.event_of[token] = self.events
            return done

        if self.same(words, act) and not (dry_run or limit):
            assert self.home.ok("status --json").json["due"] == 0, "forgotten"

    @rule(days=st.integers(1, 3))
    def cron(self, days: int) -> None:
        for _ in range(days):
            self.time_goes_by(DAY)
            self.sweep(False, None, None, False)

    @rule(person=people, off=st.sampled_from([-1, 0]), days=st.sampled_from([1, 46]))
    def sweep_to_the_second(self, person: Person, off: int, days: int) -> None:
        self.start(person, "token", (f"{days}d", days * DAY), restart=False)
        due_at = person.due_at()
        if person.token in self.model.living and due_at is not None and due_at > self.home.now:
            self.time_goes_by(due_at + off - self.home.now)
            self.sweep(False, None, None, days == 1)

    # Many at once.

    @rule(people=st.lists(people, min_size=1, max_size=4), form=FORMS, verb=st.sampled_from(
        ["user get", "exp start", "exp status", "exp cancel", "user forget"]
    ))  # fmt: skip
    def batch(self, people: list[Person], form: str, verb: str) -> None:
        names = [named(person, form) for person in people]
        names[1:1] = [("token:nonsense", ("", ""))]
        self.lines(verb, names)

    @rule(
        target=people,
        data=st.data(),
        policy=st.sampled_from(["error", "skip", "update"]),
        dry_run=st.booleans(),
    )
    def import_(self, data: st.DataObject, policy: str, dry_run: bool) -> Any:
        kinds = st.lists(st.sampled_from(["new", "bad", "again", "moved"]), max_size=4)
        lines = [self.line(data, kind) for kind in data.draw(kinds)]
        return multiple(*self.take(lines, policy, dry_run))

    def line(self, data: st.DataObject, kind: str) -> str:
        record = {**data.draw(identities()), "note": self.canary()}
        if kind == "bad":
            return data.draw(st.sampled_from(BAD_LINES))
        if kind == "new" or not self.exported:
            return json.dumps(record)
        line = {**data.draw(st.sampled_from(self.exported))}
        if kind == "moved":
            exptime = self.home.now + data.draw(st.sampled_from([-DAY, 0, DAY]))
            line |= {"token": str(uuid.UUID(int=self.canaries, version=4)), "data": record}
            line |= {"expstatus": "wait", "exptime": exptime, "due_at": moment(exptime)}
            line["held"] = data.draw(st.booleans())
        return json.dumps(line)

    @precondition(lambda self: not any("crowd" in p.data for p in self.model.living.values()))
    @rule(size=st.sampled_from([24, 26]), most=st.sampled_from([None, None, 25, 60]))
    def crowd(self, size: int, most: int | None) -> None:
        """So many that the guard has something to say."""
        self.canaries += 1
        logins = [f"crowd-{self.canaries}-{n}" for n in range(size)]
        self.take([json.dumps({"login": login, "crowd": 1}) for login in logins], "error")
        self.lines("exp start", [(f"login:{login}", ("login", login)) for login in logins])
        self.time_goes_by(GRACE)
        self.sweep(False, None, most, True)

    # Looking at everything.

    @rule(status=st.sampled_from([None, "none", "wait", "retain", "expired"]), held=st.booleans(),
          days=st.sampled_from([None, 1, 30]), limit=LIMITS, reveal=st.booleans())  # fmt: skip
    def list_(
        self, status: str | None, held: bool, days: int | None, limit: int | None, reveal: bool
    ) -> None:
        words = ["user", "list", "--json", *["--held"] * held, *["--reveal"] * reveal]
        words += [] if status is None else ["--expstatus", status]
        words += [] if days is None else ["--created-before", f"{days}d"]
        words += [] if limit is None else ["--limit", str(limit)]
        result = self.home.ok(words)
        wanted = [
            self.model.user(person)
            for _, person in sorted(self.model.living.items())
            if status in (None, person.status())
            and (not held or person.held(self.home.now))
            and (days is None or person.created_at < self.home.now - days * DAY)
        ][:limit]
        self.events += 1 + (len(wanted) if reveal else 0)
        if not reveal:
            assert "canary-" not in result.out
            assert "estrel-" not in result.out
            wanted = [{**one, "data": None} for one in wanted]
        assert [one if reveal else {**one, "data": None} for one in result.json] == wanted

    @rule(person=people, form=FORMS)
    def export(self, person: Person, form: str) -> None:
        text, name = named(person, form)

        def act(answer: dict[str, Any]) -> dict[str, Any]:
            found = self.model.find(name)
            history = answer["access_history"]
            assert {event["token"] for event in history} == {found.token}
            assert (history[-1]["action"], history[-1]["seq"]) == ("export.user", self.events + 1)
            said = {"user": self.model.user(found), "expiration": self.model.expiration(found)}
            assert (answer["hold"] is not None) == found.held(self.home.now)
            return {**answer, **said}

        self.same(["export", text], act)

    @rule()
    def export_everybody(self) -> None:
        self.everybody()

    @rule(limit=st.integers(1, 5))
    def audit(self, limit: int) -> None:
        head = self.home.ok("audit head --json")
        self.heads.append(head.out)
        newest = self.home.ok(f"audit list --limit {limit} --json").json
        size = head.json["size"]
        assert [one["seq"] for one in newest] == list(range(max(1, size - limit + 1), size + 1))


TestCommandLine = CommandLine.TestCase
TestCommandLine.settings = profiles.chosen()


def test_a_dry_run_judges_the_clock_by_the_same_options_as_a_sweep(home: Home) -> None:
    home.add(login="ann")
    home.start("login:ann", "1d")
    home.now += 46 * DAY
    assert home.ok("exp sweep --dry-run --json").json["guard"] == "clock"
    assert home.ok("exp sweep --dry-run --accept-clock --json").json["guard"] is None


def test_an_export_has_the_same_links_as_the_status(home: Home) -> None:
    home.ok("config set links.base https://example.com/privacy/")
    home.add(login="ann")
    home.start("login:ann")
    status = home.ok("exp status login:ann --json").json
    assert home.ok("export login:ann").json["expiration"] == status
