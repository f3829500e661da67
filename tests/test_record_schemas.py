"""The schema of records: at add, update and import, in `user check`, and how a list masks."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from bunkerctl import jsontext
from bunkerctl.cli import masks
from bunkerctl.schemas import DIALECT, Schema
from conftest import Home, Result

PERSON: dict[str, Any] = {
    "$schema": DIALECT,
    "type": "object",
    "required": ["name"],
    "properties": {
        "login": {"type": "string", "pattern": "^[a-z]+$"},
        "name": {"type": "string", "minLength": 1},
        "age": {"type": "integer", "minimum": 0},
        "born": {"format": "date"},
        "height": {"multipleOf": 0.01},
        "homes": {"items": {"required": ["city"], "properties": {"city": {"type": "string"}}}},
        "a/b~c": {"const": 1},
    },
}
GOOD = {"login": "ann", "name": "Ann", "age": 41, "born": "1985-02-28", "height": 1.65}


def configure(home: Home, schema: Any, name: str = "person.schema.json") -> Path:
    """Put a schema beside the settings, and name it there."""
    path = home.directory / ".config/bunkerctl" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(schema if isinstance(schema, str) else json.dumps(schema))
    home.ok(f"config set record.schema {name}")
    return path


def add(home: Home, record: Any) -> Result:
    return home.run("user add --json", json.dumps(record))


def broken(result: Result) -> str:
    """Return what breaks the schema, of a refusal that says nothing else."""
    assert (result.code, result.error["code"]) == (2, "invalid"), result
    message: str = result.error["message"]
    return message.removeprefix("the record breaks the schema: ")


@pytest.mark.parametrize(
    ("odd", "problem"),
    [
        ({"age": -1}, "/age: minimum"),
        ({"age": 1.5}, "/age: type"),
        ({"login": "Secret-1"}, "/login: pattern"),
        ({"name": None}, "/name: type"),
        ({"born": "1985-02-29"}, "/born: format"),
        ({"height": 1.655}, "/height: multipleOf"),
        ({"homes": [{"city": "x"}, {"City": "secret"}]}, "/homes/1/city: required"),
        ({"a/b~c": 2}, "/a~1b~0c: const"),
        ({"age": -1, "born": "secret"}, "/age: minimum, /born: format"),
    ],
)
def test_a_record_that_breaks_the_schema_is_refused_by_path_and_rule(
    home: Home, odd: dict[str, Any], problem: str
) -> None:
    configure(home, PERSON)
    result = add(home, {**GOOD, **odd})
    assert broken(result) == problem
    assert "secret" not in result.err.lower()
    token = home.add(**GOOD)
    patch = json.dumps({name: value for name, value in odd.items() if value is not None})
    if patch != "{}":
        refused = home.run(f"user update {token} --json", patch)
        assert broken(refused) == problem
        assert home.ok(f"user get {token} --json").json["version"] == 1
    listed = home.run("user import - --json", json.dumps({**GOOD, **odd, "custom": "x"}))
    assert (listed.code, listed.json["rejected"]) == (3, 1)
    assert f"line 1: the record breaks the schema: {problem}\n" in listed.err


def test_a_missing_field_is_named_by_its_own_path(home: Home) -> None:
    configure(home, PERSON)
    assert broken(add(home, {"login": "ann"})) == "/name: required"
    token = home.add(**GOOD)
    assert broken(home.run(f"user update {token} --json", '{"name":null}')) == "/name: required"


def test_a_name_that_the_schema_does_not_have_is_not_shown(home: Home) -> None:
    schema = {
        "properties": {"known": {"additionalProperties": {"minimum": 1}}},
        "patternProperties": {"^secret": {"minimum": 1}},
        "unevaluatedProperties": {"type": "number"},
    }
    configure(home, schema)
    found = broken(add(home, {"login": "x", "known": {"secret@x": 0}, "secret": 0, "custom": 1}))
    assert found == "/: unevaluatedProperties, /*: minimum, /known/*: minimum"


def test_only_so_many_problems_are_told(home: Home) -> None:
    names = "abcdefgh"
    configure(home, {"required": list(names)})
    told = ", ".join(f"/{name}: required" for name in "abcde")
    assert broken(add(home, {"login": "x"})) == f"{told} and 3 more"


def test_a_row_is_judged_with_its_types_and_constants(home: Home) -> None:
    configure(home, {**PERSON, "required": ["name", "source"]})
    given = "login,name,age\nann,Ann,41\nbob,Bob,-1\ncid,,1\n"
    line = "user import - --format csv --type age=int --json"
    none = home.run(f"{line} --dry-run", given)
    assert none.json["rejected"] == 3
    some = home.run(f"{line} --set source=crm", given)
    assert (some.json["added"], some.json["rejected"]) == (1, 2)
    assert "line 3: the record breaks the schema: /age: minimum\n" in some.err
    assert "line 4: the record breaks the schema: /name: required\n" in some.err
    assert home.ok(f"{line} --on-conflict update", "login,age\nann,42\n").json["updated"] == 1
    merged = home.run(f"{line} --on-conflict update", "login,age\nann,-3\n")
    assert "line 2: the record breaks the schema: /age: minimum\n" in merged.err


# The schema itself.


@pytest.mark.parametrize(
    "line", ["user add", "user update login:ann", "user import -", "user check"]
)
@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("{", "malformed JSON"),
        ("[]", "is not a JSON Schema: it must be an object"),
        ("true", "is not a JSON Schema: it must be an object"),
        ('{"a":1,"a":2}', "has a duplicate key"),
        ('{"$schema":"http://json-schema.org/draft-07/schema#"}', "is not JSON Schema 2020-12"),
        ('{"type":"objekt"}', "is not a JSON Schema: /type is wrong"),
        ('{"properties":{"a":{"minimum":"x"}}}', "is not a JSON Schema: /properties/a/minimum is"),
        ('{"pattern":"(?=x)y"}', "has a pattern that is not allowed, at /pattern"),
        ('{"pattern":"(x)\\\\1"}', "has a pattern that is not allowed, at /pattern"),
        ('{"pattern":"("}', "has a pattern that is not allowed, at /pattern"),
        ('{"pattern":"(x{1000}){1000}"}', "has a pattern that is not allowed, at /pattern"),
        ('{"$ref":"https://localhost:PORT/x"}', "refers to what is not in it"),
        ('{"$ref":"http://localhost:PORT/x"}', "refers to what is not in it"),
        ('{"$ref":"other.json"}', "refers to what is not in it"),
        ('{"$ref":"file:///etc/hostname"}', "refers to what is not in it"),
        ('{"$ref":"#/$defs/none"}', "refers to what is not in it"),
        ('{"$dynamicRef":"http://localhost:PORT/x#y"}', "refers to what is not in it"),
        ('{"properties":{"a":{"x-mask":"secret"}}}', "has an unknown x-mask, at /properties/a"),
    ],
)
def test_a_bad_schema_is_refused_before_anything_is_done(
    home: Home, line: str, schema: str, message: str
) -> None:
    home.add(login="ann")
    with socket.create_server(("localhost", 0)) as server:  # nobody must come
        path = configure(home, schema.replace("PORT", str(server.getsockname()[1])))
        events = home.ok("audit head --json").json["size"]
        result = home.run(f"{line} --json", '{"login":"bob"}')
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert (result.code, result.out, result.error["code"]) == (2, "", "invalid"), result
    assert f"{path} " in result.error["message"]
    assert message in result.error["message"]
    assert home.ok("audit head --json").json["size"] == events


def test_a_schema_that_is_missing_is_refused_and_others_commands_need_none(home: Home) -> None:
    home.add(login="ann")
    path = configure(home, PERSON)
    path.unlink()
    for line in ("user add login=x", "user check", "user list", "user import -"):
        result = home.run(f"{line} --json")
        assert (result.code, result.out) == (2, "")
        assert f"cannot read {path}: no such file or directory" in result.error["message"]
    for line in ("user get ann", "user list --reveal", "exp start ann", "user forget ann --yes"):
        home.ok(line)


def test_the_path_of_a_schema_is_relative_to_the_settings(home: Home, tmp_path: Path) -> None:
    configure(home, {}, "a.json")
    (tmp_path / "b.json").write_text('{"required":["x"]}')
    other = tmp_path / "other.toml"
    other.write_text('[record]\nschema = "b.json"')
    assert home.run("user add login=a").code == 0
    assert home.run(f"user add login=b --config {other}").code == 2
    other.write_text(f'record.schema = "{tmp_path}/b.json"')
    assert home.run(f"user add login=b --config {other}").code == 2


@pytest.mark.parametrize(
    "schema",
    [
        '{"$ref":"#"}',
        '{"allOf":[{"$ref":"#"}]}',
        '{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"}',
        '{"pattern":"^(a+)+$","properties":{"login":{"pattern":"^(a+)+$"}}}',
        '{"additionalProperties":{"$ref":"#"}}',
    ],
)
def test_no_schema_hangs_a_command(home: Home, schema: str) -> None:
    configure(home, schema)
    deep: Any = {}
    for _ in range(97):
        deep = {"x": deep}
    assert add(home, {"login": "a" * 5000 + "b", "deep": deep}).code in (0, 2)


def test_numbers_are_judged_as_they_are_written(home: Home) -> None:
    configure(home, {"properties": {"n": {"multipleOf": 0.01, "maximum": 2**53 + 1}}})
    for number, code in (("1.10", 0), ("1.105", 2), (f"{2**53 + 1}", 0), (f"{2**53 + 1}.01", 2)):
        assert home.run("user add", f'{{"login":"x{number}","n":{number}}}').code == code, number


# user check


def test_check_lists_what_breaks_the_rules_now_and_changes_nothing(home: Home) -> None:
    good = home.add(**GOOD)
    old = home.add(login="Bob", age=-3)
    home.ok("config set phone.region DE")
    moved = home.add(phone="030 1234567", name="Cid")
    none = home.ok("user check --json")
    assert (none.json, none.err) == (
        [],
        "bunkerctl: nothing to mend; people: 3; no record.schema is set: only identities were"
        " checked\n",
    )
    configure(home, PERSON)
    home.ok("config set phone.region FR")
    before = home.ok("export --all --yes").out
    result = home.run("user check --json")
    assert (result.code, result.error["code"]) == (3, "partial")
    assert result.error["message"] == "2 of 3 people have records that break a rule"
    wanted = [(old, "/age", "minimum"), (old, "/login", "pattern"), (old, "/name", "required")]
    wanted.append((moved, "/phone", "identity"))
    assert all(tuple(one) == ("token", "path", "rule") for one in result.json)
    assert sorted(tuple(one.values()) for one in result.json) == sorted(wanted)
    assert good not in result.out
    plain = home.run("user check")
    assert f"{moved}\t/phone\tidentity\n" in plain.out
    assert home.run("user check -o csv").out.startswith("token,path,rule\n")
    assert home.ok("export --all --yes").out == before


def test_check_walks_through_every_page(home: Home) -> None:
    lines = "".join(f'{{"login":"u{number}","age":{number % 2 - 1}}}\n' for number in range(1100))
    home.ok("user import -", lines)
    configure(home, {"properties": {"age": {"minimum": 0}}})
    result = home.run("user check -o jsonl")
    assert len(result.out.splitlines()) == 550
    assert result.error["message"].startswith("550 of 1100 people")


# x-mask


def shown(schema: Any, record: Any) -> Any:
    return masks.of_schema(Schema(schema, "x")).of(record)


MASKED = {
    "john@example.com": ("j***@e***.com", "***", "j***", "***.com", "john@example.com"),
    "EEEE1234": ("E***", "***", "E***", "***1234", "EEEE1234"),
    "EEE1234": ("E***", "***", "E***", "***", "EEE1234"),
    "abc": ("a***", "***", "a***", "***", "abc"),
    "ab": ("***", "***", "***", "***", "ab"),
    "": ("***", "***", "***", "***", ""),
    12345678: ("***", "***", "1***", "***5678", 12345678),
    True: ("***", "***", "***", "***", True),
    None: (None, None, None, None, None),
}
"""What becomes of a value by itself, and by `hidden`, `first`, `last4` and `shown`."""


@pytest.mark.parametrize("value", MASKED)
def test_a_mask_shows_a_field_as_the_schema_says(value: Any) -> None:
    for word, expected in zip((None, *masks.WORDS), MASKED[value], strict=True):
        schema = {"properties": {"f": {} if word is None else {"x-mask": word}}}
        found = shown(schema, {"f": value, "list": [value], "other": "Smith"})
        assert found == {"f": expected, "list": [MASKED[value][0]], "other": "S***"}
        if word != "hidden":
            parts = shown(schema, {"f": [{"x": value}, value]})
            assert parts == {"f": [{"x": expected}, expected]}
    assert shown({"properties": {"f": {"x-mask": "hidden"}}}, {"f": [{"x": 1}]}) == {"f": "***"}


def test_a_mask_holds_for_all_within_unless_that_has_its_own() -> None:
    schema = {
        "properties": {
            "home": {
                "x-mask": "shown",
                "properties": {"street": {"x-mask": "hidden"}, "at": {"properties": {"x": {}}}},
            },
            "cards": {"items": {"properties": {"no": {"x-mask": "last4"}}}},
            "x-mask": {"x-mask": "hidden"},
        },
        "examples": [{"x-mask": "no schema"}],
    }
    record = {
        "home": {"city": "Bonn", "street": ["a", 1], "at": {"x": 1, "street": "b"}},
        "cards": [{"no": "4111 1111", "street": "Way"}, "Way"],
        "x-mask": "abc",
        "street": "Way",
    }
    assert shown(schema, record) == {
        "home": {"city": "Bonn", "street": "***", "at": {"x": 1, "street": "b"}},
        "cards": [{"no": "***1111", "street": "W***"}, "W***"],
        "x-mask": "***",
        "street": "W***",
    }


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"x-mask": "hidden"}, "/"),
        ({"$defs": {"a": {"x-mask": "hidden"}}}, "/$defs/a"),
        ({"anyOf": [{}, {"properties": {"a": {"x-mask": "hidden"}}}]}, "/anyOf/1/properties/a"),
        ({"additionalProperties": {"x-mask": "hidden"}}, "/additionalProperties"),
        ({"properties": {"a": {"not": {"x-mask": "hidden"}}}}, "/properties/a/not"),
    ],
)
def test_a_mask_where_it_would_mean_nothing_is_refused(home: Home, schema: Any, place: str) -> None:
    path = configure(home, schema)
    result = home.run("user list --json")
    assert (result.code, result.error["message"]) == (
        2,
        f"{path} has an x-mask where it means nothing, at {place}",
    )


def test_a_list_is_masked_by_the_schema_in_every_form_and_revealed_without_it(home: Home) -> None:
    properties = {
        "login": {"x-mask": "last4"},
        "plan": {"x-mask": "shown"},
        "n": {"x-mask": "hidden"},
    }
    configure(home, {"properties": properties})
    home.add(login="customer-1234", plan="gold", n=[1], name="Ann")
    masked = {"login": "***1234", "plan": "gold", "n": "***", "name": "A***"}
    assert home.ok("user list --json").json[0]["data"] == masked
    for form in ("plain", "csv", "table"):
        out = home.ok(f"user list -o {form}").out
        assert "1234" in out and "gold" in out and "customer" not in out and "Ann" not in out
    whole = home.ok("user list --reveal --json").json[0]["data"]
    assert whole == {"login": "customer-1234", "plan": "gold", "n": [1], "name": "Ann"}
    assert jsontext.dumps(whole)
