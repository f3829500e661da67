"""Changes to a record: the test cases of the two RFCs, and what a patch may never do."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunkerctl import patches
from bunkerctl.errors import Conflict, Invalid
from bunkerctl.jsontext import dumps, loads

Record = dict[str, Any]

# RFC 7396, appendix A, wherever the target is an object and so is the patch.
MERGES: list[tuple[Record, Record, Record]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    # section 3, and what follows from the algorithm of section 2
    (
        {"title": "Goodbye!", "author": {"givenName": "John", "familyName": "Doe"}, "tags": ["x"]},
        {"title": "Hello!", "phone": "+01", "author": {"familyName": None}, "tags": ["y"]},
        {"title": "Hello!", "author": {"givenName": "John"}, "tags": ["y"], "phone": "+01"},
    ),
    ({"a": [1]}, {"a": {"b": 1}}, {"a": {"b": 1}}),
    ({"a": 1}, {"a": {}}, {"a": {}}),
    ({"a": 1}, {"b": {}}, {"a": 1, "b": {}}),
    ({}, {"a": None}, {}),
    ({}, {"a": [None, {"b": None}]}, {"a": [None, {"b": None}]}),
    ({"": 1}, {"": None}, {}),
]


def op(name: str, path: str, **members: Any) -> Record:
    return {"op": name, "path": path, **members}


# RFC 6902, appendix A, one row a section.
OPERATIONS: list[tuple[str, Record, list[Record], Record]] = [
    ("A.1", {"foo": "bar"}, [op("add", "/baz", value="qux")], {"baz": "qux", "foo": "bar"}),
    (
        "A.2",
        {"foo": ["bar", "baz"]},
        [op("add", "/foo/1", value="qux")],
        {"foo": ["bar", "qux", "baz"]},
    ),
    ("A.3", {"baz": "qux", "foo": "bar"}, [op("remove", "/baz")], {"foo": "bar"}),
    ("A.4", {"foo": ["bar", "qux", "baz"]}, [op("remove", "/foo/1")], {"foo": ["bar", "baz"]}),
    (
        "A.5",
        {"baz": "qux", "foo": "bar"},
        [op("replace", "/baz", value="boo")],
        {"baz": "boo", "foo": "bar"},
    ),
    (
        "A.6",
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [op("move", "/qux/thud", **{"from": "/foo/waldo"})],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
    ),
    (
        "A.7",
        {"foo": ["all", "grass", "cows", "eat"]},
        [op("move", "/foo/3", **{"from": "/foo/1"})],
        {"foo": ["all", "cows", "eat", "grass"]},
    ),
    (
        "A.8",
        {"baz": "qux", "foo": ["a", 2, "c"]},
        [op("test", "/baz", value="qux"), op("test", "/foo/1", value=2)],
        {"baz": "qux", "foo": ["a", 2, "c"]},
    ),
    (
        "A.10",
        {"foo": "bar"},
        [op("add", "/child", value={"grandchild": {}})],
        {"foo": "bar", "child": {"grandchild": {}}},
    ),
    (
        "A.11",
        {"foo": "bar"},
        [op("add", "/baz", value="qux", xyz=123)],
        {"foo": "bar", "baz": "qux"},
    ),
    ("A.14", {"/": 9, "~1": 10}, [op("test", "/~01", value=10)], {"/": 9, "~1": 10}),
    (
        "A.16",
        {"foo": ["bar"]},
        [op("add", "/foo/-", value=["abc", "def"])],
        {"foo": ["bar", ["abc", "def"]]},
    ),
    ("null", {"foo": 1}, [op("replace", "/foo", value=None)], {"foo": None}),
    ("copy", {"a": {"b": 1}}, [op("copy", "/c", **{"from": "/a"})], {"a": {"b": 1}, "c": {"b": 1}}),
    ("whole", {"a": 1}, [op("replace", "", value={"b": 2})], {"b": 2}),
    ("names", {"a/b": 1, "": 2}, [op("remove", "/a~1b"), op("test", "/", value=2)], {"": 2}),
    ("numbers", {"n": 1}, [op("test", "/n", value=Decimal("1.0"))], {"n": 1}),
]

TARGET: Record = {"foo": "bar", "n": 1, "yes": True, "list": [1, 2, 3], "deep": {"x": 1}}

MISFITS = [
    op("test", "/foo", value="baz"),  # A.9
    op("add", "/baz/bat", value="qux"),  # A.12
    op("test", "/n", value="1"),  # A.15
    op("test", "/n", value=True),
    op("test", "/yes", value=1),
    op("test", "/deep", value={"x": True}),
    op("test", "/none", value=None),
    op("remove", "/none"),
    op("replace", "/none", value=1),
    op("move", "/x", **{"from": "/none"}),
    op("copy", "/x", **{"from": "/list/9"}),
    op("move", "/deep/y", **{"from": "/deep"}),
    op("add", "/list/4", value=1),
    op("add", "/list/01", value=1),
    op("add", "/list/-1", value=1),
    op("add", "/list/\u0661", value=1),
    op("add", "/list/1e0", value=1),
    op("remove", "/list/-"),
    op("remove", "/list/" + "9" * 5000),
    op("add", "/foo/0", value="x"),
    op("add", "/n/x", value="x"),
]

MALFORMED: list[Any] = [
    None,
    True,
    5,
    "text",
    {},
    [],
    [None],
    ["remove"],
    [[]],
    [{}],
    [{"path": "/n", "value": 1}],
    [{"op": "remove"}],
    [op("fly", "/n")],
    [op("REMOVE", "/n")],
    [{"op": None, "path": "/n"}],
    [{"op": ["add"], "path": "/n", "value": 1}],
    [{"op": "add", "path": 5, "value": 1}],
    [{"op": "add", "path": None, "value": 1}],
    [op("add", "n", value=1)],
    [op("add", "/~2", value=1)],
    [op("add", "/n~", value=1)],
    [op("add", "/n")],
    [op("replace", "/n")],
    [op("test", "/n")],
    [op("move", "/x")],
    [op("copy", "/x")],
    [op("copy", "/x", **{"from": 5})],
    [op("move", "/x", **{"from": "n"})],
    [op("add", "/ok", value=1), op("fly", "/n")],
]


def applied(record: Record, patch: Any) -> Record:
    """Return the patched record, when neither the record nor the patch was touched."""
    before = copy.deepcopy((record, patch))
    patches.check(patch)
    try:
        return patches.apply(record, patch)
    finally:
        assert (record, patch) == before


@pytest.mark.parametrize(("record", "patch", "expected"), MERGES, ids=str)
def test_a_merge_patch_does_what_its_rfc_says(
    record: Record, patch: Record, expected: Record
) -> None:
    assert applied(record, patch) == expected


@pytest.mark.parametrize(
    ("record", "patch", "expected"), [row[1:] for row in OPERATIONS], ids=[r[0] for r in OPERATIONS]
)
def test_a_json_patch_does_what_its_rfc_says(
    record: Record, patch: list[Record], expected: Record
) -> None:
    assert applied(record, patch) == expected


@pytest.mark.parametrize("misfit", MISFITS, ids=lambda patch: str(patch)[:60])
def test_an_operation_that_does_not_fit_undoes_those_before_it(misfit: Record) -> None:
    patch = [op("add", "/new", value=1), op("remove", "/list/0"), op("add", "/list/0", value=1)]
    applied(TARGET, patch)
    with pytest.raises(Conflict, match="does not fit this record"):
        applied(TARGET, [*patch, misfit])


@pytest.mark.parametrize("patch", MALFORMED, ids=lambda patch: str(patch)[:60])
def test_a_malformed_patch_is_refused_before_the_record_is_looked_at(patch: Any) -> None:
    with pytest.raises(Invalid):
        patches.check(patch)


def test_an_operation_with_two_names_is_refused() -> None:  # A.13
    with pytest.raises(Invalid, match="duplicate key"):
        loads(b'[{"op":"add","path":"/baz","value":"qux","op":"remove"}]')


def test_an_empty_patch_is_refused_with_a_hint() -> None:
    empty: Any
    for empty in ({}, []):
        with pytest.raises(Invalid, match="an empty patch changes nothing") as refused:
            patches.check(empty)
        assert refused.value.hint == "leave the command out"


@pytest.mark.parametrize("value", [None, [], "text", 1, [{"login": "ann"}]])
def test_a_record_stays_an_object(value: Any) -> None:
    with pytest.raises(Invalid, match="not a JSON object"):
        applied(TARGET, [op("replace", "", value=value)])


def test_an_error_shows_neither_the_record_nor_the_patch() -> None:
    for patch in ([op("test", "/foo", value="canary!")], [op("canary", "/canary")]):
        with pytest.raises((Conflict, Invalid)) as refused:
            applied({"foo": "canary"}, patch)
        assert "canary" not in str(refused.value) and refused.value.__cause__ is None


CHANGES = [
    ({"a": 1}, {"a": 1}, []),
    ({"a": 1}, {"a": 2}, ["a"]),
    ({"a": 1}, {"a": Decimal("1.0")}, ["a"]),
    ({"a": 1}, {"a": True}, ["a"]),
    ({"a": 0}, {"a": False}, ["a"]),
    ({"a": Decimal("1.10")}, {"a": Decimal("1.1")}, ["a"]),
    ({"a": 1}, {"a": "1"}, ["a"]),
    ({"a": None}, {}, ["a"]),
    ({}, {"a": None}, ["a"]),
    ({"a": ""}, {"a": None}, ["a"]),
    ({"a": [1, 2]}, {"a": [2, 1]}, ["a"]),
    ({"a": {"x": 1, "y": 2}}, {"a": {"y": 2, "x": 1}}, []),
    ({"a": {"x": [1]}}, {"a": {"x": [True]}}, ["a"]),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
    ({"b": 1, "c": 1, "same": 1}, {"c": 2, "a": 1, "same": 1}, ["a", "b", "c"]),
    ({"a": "\u00e1"}, {"a": "a\u0301"}, ["a"]),
]


@pytest.mark.parametrize(("before", "after", "names"), CHANGES, ids=str)
def test_what_changed_is_told_by_name(before: Record, after: Record, names: list[str]) -> None:
    assert patches.changed_fields(before, after) == names
    assert patches.changed_fields(after, before) == names


NAMES = st.sampled_from(["a", "b", "0", "-", ""])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.just("x") | st.just(Decimal("1.0")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
RECORDS = st.dictionaries(NAMES, VALUES, max_size=3)
PATHS = st.lists(NAMES, max_size=3).map(lambda names: "".join(f"/{name}" for name in names))
EDITS = st.builds(
    lambda name, path, start, value: {"op": name, "path": path, "from": start, "value": value},
    st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]),
    PATHS,
    PATHS,
    VALUES,
)


@given(RECORDS, st.lists(EDITS, min_size=1, max_size=3) | RECORDS.filter(bool))
def test_any_patch_gives_a_record_or_is_refused(record: Record, patch: Any) -> None:
    before = dumps([record, patch])
    try:
        result = patches.apply(record, patch)
    except (Conflict, Invalid):
        pass
    else:
        assert isinstance(result, dict)
        assert bool(patches.changed_fields(record, result)) == (
            dumps(record, sort_keys=True) != dumps(result, sort_keys=True)
        )
    assert dumps([record, patch]) == before


@given(RECORDS, RECORDS.filter(bool))
def test_merging_twice_is_once(record: Record, patch: Record) -> None:
    once = patches.apply(record, patch)
    assert dumps(patches.apply(once, patch), sort_keys=True) == dumps(once, sort_keys=True)
