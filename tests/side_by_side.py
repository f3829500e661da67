"""The command line and the model of it side by side: the same is done to both, and compared."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import invariant

import residue
from conftest import Home
from reference import GRACE, Name, Person, Reference, Refusal

POOL: dict[str, list[object]] = {
    "email": ["Ann.Kestrel+x@Example.com", "bob.kestrel@example.com"],
    "phone": ["+14155550123", "(415) 555-0124"],
    "login": ["kestrel-ann", "kestrel-Ann", " kestrel-bob "],
    "custom": ["K-17-kestrel", 700000017],
}
BAD_RECORDS: list[dict[str, object]] = [{}, {"login": True}, {"email": "x"}, {"login": " "}]
BAD_LINES = ['{"login":"a","login":"b"}', "[1]", '{"n":NaN}', '{"n":1}', "\ufeff{}"]


@st.composite
def identities(draw: st.DrawFn) -> dict[str, object]:
    kinds = draw(st.sets(st.sampled_from(sorted(POOL)), min_size=1, max_size=3))
    return {kind: draw(st.sampled_from(POOL[kind])) for kind in sorted(kinds)}


def named(person: Person, form: str) -> tuple[str, Name]:
    """Return how to type a person's name, and what it is looked up by."""
    kind = form.lower()
    if kind not in person.names:
        return person.token if form != "TOKEN" else "token:" + person.token.upper(), (
            "token",
            person.token,
        )
    value = person.names[kind]
    return value.upper() if form == "EMAIL" else f"{kind}:{value}", (kind, value)


class SideBySide:
    """A vault, its model, and how many audit events there must be."""

    model: Reference

    def __init__(self) -> None:
        super().__init__()
        self.place = tempfile.TemporaryDirectory()
        self.home = Home(Path(self.place.name))
        self.home.ok("init")
        self.home.ok("config set phone.region US")
        self.events = 1
        self.least = False  # whether `events` is no more than a lower bound
        self.event_of: dict[str, int] = {}
        self.heads: list[str] = []
        self.exported: list[dict[str, Any]] = []
        self.canaries = 0

    def begin(self, base: str | None) -> None:
        if base:
            self.home.ok(f"config set links.base {base}")
        self.model = Reference(self.home.now, base)

    def canary(self) -> str:
        self.canaries += 1
        return f"canary-{self.canaries}-of-the-mine"

    def same(
        self, line: str | list[str], act: Callable[[dict[str, Any]], Any], stdin: str = ""
    ) -> Any:
        """Run a line here and in the model: both answer the same, or refuse the same."""
        words = line.split(" ") if isinstance(line, str) else line
        result = self.home.run([*words, "--json"], stdin)
        note(f"{words} < {stdin}\n{result}")
        answer = result.json if result.out else {}
        try:
            wanted = act(answer)
        except Refusal as refusal:
            assert (result.code, result.out) == (refusal.exit_code, "")
            assert result.error["code"] == refusal.code
            self.events += refusal.events
            return None
        assert (result.code, result.err) == (0, "")
        self.events += 1
        if "event" in answer:
            event = answer.pop("event")
            assert event == (self.events if answer["changed"] else self.event_of[answer["token"]])
            self.event_of[answer["token"]] = event
        assert answer == wanted
        return answer

    def lines(self, verb: str, names: list[tuple[str, Name]]) -> None:
        """Run a command on many, here and in the model."""
        given = "\n".join(text for text, _ in names)
        result = self.home.run(f"{verb} - --yes -o jsonl", given)
        note(f"{verb} - < {given}\n{result}")
        answers = [json.loads(line) for line in result.out.splitlines()]
        failed = 0
        for number, ((_, name), answer) in enumerate(zip(names, answers, strict=True), 1):
            try:
                wanted = self.one(verb, name, answer)
                self.events += 1
                if "event" in answer:
                    self.event_of.setdefault(answer["token"], answer["event"])
                    assert answer.pop("event") == self.event_of[answer["token"]]
                assert answer == wanted
            except Refusal as refusal:
                failed += 1
                self.events += refusal.events
                assert (answer["line"], answer["error"]["exit_code"]) == (number, refusal.exit_code)
        self.events += 1  # of the batch
        assert result.code == (3 if failed else 0)

    def one(self, verb: str, name: Name, answer: dict[str, Any]) -> dict[str, Any]:
        if name == ("", ""):
            raise Refusal(2, "invalid", events=0)
        if verb == "exp start":
            exptoken = answer.get("exptoken", "")
            due_at = self.home.now + GRACE
            return self.model.start(name, due_at, restart=False, fresh=exptoken)
        return {
            "user get": lambda: self.model.user(self.model.find(name)),
            "exp status": lambda: self.model.expiration(self.model.find_or_stone(name)),
            "exp cancel": lambda: self.model.cancel(name),
            "user forget": lambda: self.model.forget(name),
        }[verb]()

    def take(self, lines: list[str], policy: str, dry_run: bool = False) -> list[Person]:
        """Import lines here and in the model; return who is new."""
        model = deepcopy(self.model) if dry_run else self.model
        before = set(model.living.values())
        counts = dict.fromkeys(("read", "added", "updated", "skipped", "rejected"), 0)
        counts["read"] = len(lines)
        model.met, model.duplicates = set(), 0
        for line in lines:
            counts[model.take(None if line in BAD_LINES else json.loads(line), policy)] += 1
        counts["duplicates"] = model.duplicates
        words = f"user import - --on-conflict {policy} --json" + " --dry-run" * dry_run
        result = self.home.run(words, "".join(f"{line}\n" for line in lines))
        note(f"{words} < {lines}\n{result}")
        assert (result.code, result.json) == (3 if counts["rejected"] else 0, counts)
        self.events += 1
        if dry_run:
            return []
        self.events += counts["added"] + counts["updated"]
        self.least = True
        new = [person for person in model.living.values() if person not in before]
        for person in new:
            kind, value = next(iter(person.names.items()))
            said = self.home.ok(["exp", "status", f"{kind}:{value}", "--json"]).json
            self.events += 1
            model.rename(person, said["token"], said["exptoken"])
        return new

    def everybody(self) -> None:
        """Export everybody, here and in the model."""
        out = self.home.ok("export --all -o jsonl --yes").out
        lines = [json.loads(line) for line in out.splitlines()]
        schema = {"schema": "bunkerctl.user/1"}
        assert sorted(lines, key=lambda line: str(line["token"])) == [
            {**schema, **self.model.user(person)} for _, person in sorted(self.model.living.items())
        ]
        self.events += 1 + len(lines)
        self.exported += [line for line in lines if "crowd" not in line["data"]]

    def the_end(self) -> None:
        """Check all that must hold when no more commands come."""
        self.everybody()
        tokens = [*self.model.living, *self.model.erased]
        self.lines("exp status", [(token, ("token", token)) for token in tokens])
        self.lines("user get", [(token, ("token", token)) for token in self.model.erased])
        verified = self.home.ok("audit verify --json").json
        assert (verified["ok"], verified["events"]) == (True, self.events)
        for head in self.heads:
            assert self.home.ok("audit verify --against - --json", head).json["ok"] is True
        ledger = (self.home.vault / "erasures.jsonl").read_text().splitlines()
        assert {
            said["token"]: (said["event"], said["reason"], said["exptoken"], said["erased"])
            for said in map(json.loads, ledger)
        } == {
            stone.token: (self.event_of[stone.token], stone.reason, stone.exptoken, stone.counts)
            for stone in self.model.erased.values()
        }
        assert len(ledger) == len(self.model.erased)
        said = self.home.ok("audit list --json").out
        assert "canary-" not in said
        assert "estrel-" not in said
        assert residue.found(self.home, *self.model.never_found()) == []

    # What holds after each step.

    @invariant()
    def the_counts_are_those_of_the_model(self) -> None:
        status = self.home.ok("status --json").json
        assert {**status, **self.model.status()} == status

    @invariant()
    def the_trail_has_grown_as_promised(self) -> None:
        size = self.home.ok("audit head --json").json["size"]
        assert size >= self.events if self.least else size == self.events
        self.events, self.least = size, False

    # What holds at the end.

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None and hasattr(self, "model"):
                self.the_end()
        finally:
            self.place.cleanup()
