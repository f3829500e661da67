"""The schemas of the answers: good ones, of every command, and held against what is written.

That every answer of every test fits its schema is seen in `answers.py`, where commands are run.
"""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from jsonschema import Draft202012Validator

import answers
from bunkerctl.cli import grammar, manual, schemas
from conftest import Home

TEXT_ALONE = {"demo", "help", "schema", "completion"}
"""Commands that write text in every form."""

KERNEL = ("unlock", "lock")
"""Commands that some machines cannot do; `test_unlock.py` has their answers too."""


@pytest.mark.parametrize("name", schemas.names())
def test_a_schema_is_one_of_draft_2020_12_and_tells_what_each_field_is(name: str) -> None:
    schema = schemas.of(name)
    assert schema is not None
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    assert all(part["description"] for part in properties(schema))


def properties(schema: Any) -> list[dict[str, Any]]:
    """Return the schemas of all fields, those of nested objects too."""
    parts = schema if isinstance(schema, list) else list(schema.values())
    own = list(schema.get("properties", {}).values()) if isinstance(schema, dict) else []
    below = [found for part in parts if isinstance(part, dict | list) for found in properties(part)]
    return own + below


def test_every_command_has_a_schema_or_writes_text_alone() -> None:
    without = {" ".join(words) for words, found in grammar.load_all().items() if not found.answer}
    assert without == TEXT_ALONE


LIFE = """\
init --recovery-file {dir}/code
config set exp.grace 45d
config get exp.grace
config show
config path
user add login=ann
user add login=bob
user add login=eve
user update login:ann age:=41
user get login:ann
user list
user check
user hold login:bob --reason case
user release login:bob
exp start login:ann
exp start login:bob
exp status login:ann
exp list
exp cancel login:ann
exp start login:ann
exp retain {exptoken}
exp start login:ann
exp delete {exptoken} --yes
exp sweep
erasure list
erasure show {token}
audit key
erasure verify {dir}/receipt --key {dir}/public
user forget login:eve --yes
export login:bob
export login:bob --format zip --out {dir}/bob.zip
export verify {dir}/bob.zip
user import {dir}/people
audit list
audit show 1
audit head
audit checkpoint
audit verify --deep
audit export -o jsonl
backup create {dir}/one.bunker --keep 1d
backup list
backup verify {dir}/one.bunker
backup restore {dir}/one.bunker --vault {dir}/other
backup prune
audit prune --before 2027-01-02 --yes
key status
key test
key enroll file {dir}/second
key recovery create --recovery-file {dir}/new
key recovery verify --recovery-file {dir}/new
key restore --recovery-file {dir}/new
key rotate --no-recovery
unlock
lock
report
doctor
status
destroy --confirm {id}"""


def test_every_command_answers_in_the_life_of_a_vault_as_its_schema_says(
    bare: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: set[str] = set()

    def validator(name: str, form: str) -> Draft202012Validator:
        held.add(name)
        return known(name, form)

    known = answers._validator
    monkeypatch.setattr(answers, "_validator", validator)
    there = {"dir": str(bare.directory)}
    (bare.directory / "people").write_text('{"login":"zoe"}\n')
    for line in LIFE.splitlines():
        text = line if "jsonl" in line or "zip" in line.split() else f"{line} --json"
        result = bare.run(text.format(**there))
        assert result.code == 0 or line in KERNEL, result
        if line == "exp start login:ann":
            there |= {name: result.json[name] for name in ("exptoken", "token")}
        elif line == "erasure show {token}":
            (bare.directory / "receipt").write_text(result.out)
        elif line == "audit key":
            (bare.directory / "public").write_text(result.json["key"])
        elif line == "status":
            there["id"] = result.json["vault_id"]
    answering = {" ".join(words) for words, found in grammar.load_all().items() if found.answer}
    assert answering - set(KERNEL) <= held


def test_schema_prints_what_is_in_the_repository(bare: Home) -> None:
    names = bare.ok("schema").out.splitlines()
    assert names == schemas.names()
    for name in names:
        assert bare.ok(f"schema {name}").json == schemas.of(name)


@pytest.mark.parametrize("line", ["schema demo", "schema user", "schema user gt", "schema x"])
def test_schema_refuses_what_has_none(bare: Home, line: str) -> None:
    result = bare.run(line)
    assert (result.code, result.out) == (2, "")
    assert "there is no schema of that" in result.err
    assert line != "schema user gt" or "did you mean `bunkerctl schema user get`?" in result.err


def test_a_published_schema_lets_new_fields_come_and_misses_old_ones(home: Home) -> None:
    schema = schemas.of("status")
    assert schema is not None
    answer = home.ok("status --json").json
    jsonschema.validate({**answer, "new": 1}, schema, cls=Draft202012Validator)
    del answer["held"]
    with pytest.raises(jsonschema.ValidationError, match="'held' is a required property"):
        jsonschema.validate(answer, schema, cls=Draft202012Validator)


@pytest.mark.parametrize(
    ("line", "out"),
    [
        ("status --json", '{"vault":"/x"}'),
        ("erasure list --json", "{}"),
        ("erasure list -o jsonl", '{"token":"x"}'),
        ("config path --json", '{"path":"/x","more":1}'),
        ("config path --json", '{"path":null}'),
    ],
)
def test_an_answer_that_is_not_as_its_schema_says_fails_a_test(line: str, out: str) -> None:
    with pytest.raises(AssertionError, match="not as the schema says"):
        answers.check(line.split(), {}, 0, out.encode(), b"")


def test_an_exit_code_that_the_help_does_not_tell_fails_a_test() -> None:
    with pytest.raises(AssertionError, match="exit 5 is not told"):
        answers.check(["audit", "head"], {}, 5, b"", b"")


def test_an_error_that_is_not_as_its_schema_says_fails_a_test() -> None:
    told = json.dumps({"error": {"code": "usage", "exit_code": 2, "message": "x"}})
    with pytest.raises(AssertionError, match="'hint' is a required property"):
        answers.check(["status", "--json"], {}, 2, b"", told.encode())


def test_a_receipt_that_a_sweep_writes_is_what_erasure_show_answers(home: Home) -> None:
    home.start(home.add(login="ann"), "1d")
    home.now += 2 * 86400
    home.ok(f"exp sweep --receipts {home.directory}/receipts")
    (receipt,) = (home.directory / "receipts").iterdir()
    schema = answers.strict(schemas.of("erasure show"))
    jsonschema.validate(json.loads(receipt.read_text()), schema, cls=Draft202012Validator)


def test_the_manual_names_every_field_of_every_answer() -> None:
    text = manual.text("json")
    for words, command in grammar.load_all().items():
        if command.answer is not None:
            section = text.partition(f"\n  {' '.join(words)}\n")[2]
            assert section, words
            fields = {**command.answer.fields, **command.answer.optional, **command.answer.other}
            assert all(f"\n  {name}\n" in text for name in fields), words
