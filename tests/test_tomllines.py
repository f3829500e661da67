"""The short way to read settings against `tomllib`: what it takes says the same there."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from bunkerctl import config, tomllines

KEYS = ["links", "base", "exp", "grace", "a-b", "_1", "7", "a b", "é", "", '"q"', "links.base"]
VALUES = [
    '"x"',
    '"https://é.example"',
    '""',
    '"a#b"',
    "'x'",
    "1",
    "true",
    '"a\\n"',
    '"a"b"',
    '"',
    "",
]
keys, values = st.sampled_from(KEYS), st.sampled_from(VALUES)
blanks = st.sampled_from(["", " ", "\t"])
lines = st.one_of(
    st.tuples(blanks, keys, blanks, st.just("="), blanks, values, blanks).map("".join),
    st.lists(keys, min_size=1, max_size=3).map(lambda path: f"[{'.'.join(path)}]"),
    st.sampled_from(
        ["", "# a comment", "#\ta", "[links] # x", "[[a]]", "[]", "\u00a0", "x", "a=\r"]
    ),
    st.text(max_size=12),
)
files = st.lists(lines, max_size=8).flatmap(
    lambda found: st.sampled_from(["\n", "\n", "\r\n"]).map(lambda end: end.join(found))
)


def flat(tree: dict[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{before}{key}"
        found |= flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return found


@settings(max_examples=3000, deadline=None, derandomize=True)
@given(content=files)
def test_what_the_short_way_reads_tomllib_reads_too(content: str) -> None:
    short = tomllines.read(content)
    if short is not None:
        assert flat(tomllib.loads(content)) == short


@given(
    texts=st.dictionaries(
        st.sampled_from(sorted(config.SETTINGS)),
        st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters='"\\')),
    )
)
def test_what_config_set_writes_is_read_the_short_way(texts: dict[str, str]) -> None:
    tree: dict[str, Any] = {}
    for name, text in texts.items():
        *tables, key = name.split(".")
        table = tree
        for part in tables:
            table = table.setdefault(part, {})
        table[key] = text
    assert tomllines.read(tomli_w.dumps(tree)) == texts


@pytest.mark.parametrize(
    "content",
    [
        "[links]",
        "links = 'x'",
        'links.base = "x"',
        '"links" = "x"',
        'base = "a\\tb"',
        'base = "x" # why',
        "base = 1",
        'base = ["x"]',
        'a = "x"\na = "y"',
        '[a]\nx = "1"\n[a]\ny = "2"',
        'a = "x"\n[a]\ny = "2"',
        '[a]\nb = "x"\n[a.b]\ny = "2"',
        'a = "x"\r\n',
        '\ufeffa = "x"',
        'a = """x"""',
        '[a.b.c]\nd = "x"',
    ],
)
def test_a_file_with_a_doubt_goes_to_tomllib(content: str) -> None:
    assert tomllines.read(content) is None
