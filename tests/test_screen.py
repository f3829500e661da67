"""What a terminal shows, as pictures in text: tests/snapshots, by a clock that stands.

After a wished-for change, `SNAPSHOTS=write pytest tests/test_screen.py` draws them anew.
ESC is written as ␛; each UUID, hash and key id as one that is the same every time.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunkerctl.cli.screen import Row, Screen, piece, width
from bunkerctl.cli.views import audit, relative
from bunkerctl.cli.views.exp import ahead
from bunkerctl.deadlines import Ahead
from bunkerctl.model import ACTIONS
from conftest import DAY, Home
from terminal import shown

SNAPSHOTS = Path(__file__).parent / "snapshots"
WIDTHS = (60, 80, 200)
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
HASH = re.compile(r"\b[0-9a-f]{64}\b")
KEY_ID = re.compile(r"\b[0-9a-f]{16}\b")
TOKENS = [f"{digit * 8}-0000-4000-8000-{digit * 12}" for digit in "123456789abc"]
ANN, BOB, EVE, ZOE, HANA, *MORE = TOKENS[:9]
HOSTILE = "\x1b[31m[bold]x[/bold] [/x]\u202e\nforged"
RECORDS = {
    ANN: {
        "name": "Ann Lee",
        "address": {"street": "1 High Street", "geo": {"lat": 51.5, "long": -0.1}},
        "tags": ["vip", "news, letters"],
        "orders": [{"id": 1, "total": 9.5}, {"id": 2, "total": 12}],
        "age": 41,
        "code": "0042",
        "empty": "",
        "none": None,
        "note": "A long note that goes on, and is folded at the end of a line. " * 3,
        "hostile": HOSTILE,
        "email": "ann@example.com",
        "phone": "+14155550123",
    },
    BOB: {"name": "Bob Ray", "email": "bob@example.com"},
    EVE: {"login": "eve"},
    ZOE: {"name": "Zoë Groß", "email": "zoe@firma.example.de"},
    HANA: {"name": "田中 花子", "custom": "X-17"},
    **{token: {"login": f"u{number}"} for number, token in enumerate(MORE)},
}


@pytest.fixture
def home() -> Iterator[Home]:
    """People in every state, with a history; at a path that is folded at no width."""
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        yield filled(Home(Path(directory)))


def filled(home: Home) -> Home:
    home.ok("init")
    home.environment["BUNKERCTL_ACTOR"] = "root"
    home.ok("config set links.base https://example.com/privacy")
    people = [
        {
            "schema": "bunkerctl.user/1",
            "token": token,
            **dict.fromkeys(("created_at", "updated_at"), "2026-12-24T09:30:00Z"),
            **{"version": 1, "expstatus": "none", "due_at": None, "held": False, "data": record},
        }
        for token, record in RECORDS.items()
    ]
    home.ok("user import -", "".join(json.dumps(person) + "\n" for person in people))
    home.start(ANN, "30d")
    home.start(BOB, "12d")
    home.start(EVE, "1d")
    home.start(ZOE, "9d")
    home.ok(f"exp retain {home.ok(f'exp status {ZOE} --json').json['exptoken']}")
    home.ok(f'user hold {BOB} --reason "court case" --until 2027-06-30')
    home.now += 3 * 3600
    home.ok(f'user get {ANN} --field name --reason "asked by phone" --ref T-17')
    home.ok(f"user update {ANN} age:=42")
    home.run("user get login:nobody")
    home.run(f"user forget {BOB} --yes")
    home.now += 2 * DAY
    home.ok("exp sweep --dry-run")
    home.ok('exp sweep --reason "nightly job"')
    for number, token in enumerate(MORE):
        home.start(token, f"{number * 20 + 1}d")
    home.now += 30 * 3600
    return home


def normal(text: str, home: Home) -> str:
    """Return a text with names that are the same every time, and as long."""
    met: dict[str, str] = {}
    free = [token for token in TOKENS if token not in RECORDS]

    def named(found: re.Match[str]) -> str:
        real = found[0]
        if real not in RECORDS and real not in met:
            met[real] = free[len(met)]
        return met.get(real, real)

    text = UUID.sub(named, text).replace(str(home.directory), "/srv")
    text = KEY_ID.sub("0123456789abcdef", HASH.sub("0123456789abcdef" * 4, text))
    return text.replace("\x1b", "␛")


def compare(name: str, text: str) -> None:
    path = SNAPSHOTS / f"{name}.txt"
    if os.environ.get("SNAPSHOTS") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


LETTERS = st.characters(exclude_categories=["C", "Z"])
LINES = (
    f"user get {ANN}",
    f"user get {BOB}",
    "user list",
    "exp list",
    f"exp status {BOB}",
    "status",
    "audit list",
    "erasure list",
    "exp list --due",
    "report",
    "audit verify --deep",
)


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_terminal_shows_what_the_snapshot_shows(home: Home, columns: int) -> None:
    parts = []
    lines = LINES if columns > len("root  ") + 64 else LINES[:-1]  # a random hash is folded there
    for line in lines:
        text = shown(home, line, columns, NO_COLOR="1")
        assert max(map(width, text.splitlines())) <= columns
        parts.append(f"$ bunkerctl {line}\n{text}")
    found = normal("\n".join(parts), home)
    assert not set(map(chr, range(32))) & set(found) - {"\n"}
    for token in (ANN, BOB, MORE[0]):
        assert found.count(token) == found.count(token[:9]) > 1  # never cut
    compare(f"{columns}-columns", found)


def test_colours_say_nothing_that_words_do_not(home: Home) -> None:
    lines = LINES[1:6]
    coloured = "\n".join(shown(home, line, 100) for line in lines)
    compare("colours", normal(coloured, home))
    styles = set(re.findall(r"\x1b\[([\d;]+)m", coloured))
    assert styles <= {
        "0",
        "1",
        "2",
        "31",
        "1;31",
        "32",
        "35",
        "36",
    }  # not yellow, white, blue, black
    plain = re.sub(r"\x1b\[[\d;]*m", "", coloured)
    for variables in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert plain == "\n".join(shown(home, line, 100, **variables) for line in lines)


def test_a_table_in_a_pipe_has_no_colour_and_any_width(home: Home) -> None:
    for line in LINES:
        assert "\x1b" not in home.ok(f"{line} -o table").out
    assert HOSTILE[-6:] in home.ok("user list --reveal -o table").out


def test_an_event_is_shown_whole(home: Home) -> None:
    text = shown(home, "audit show 1", 80, NO_COLOR="1")
    said = home.ok("audit show 1 --json").json
    assert [line.split()[0] for line in text.splitlines()] == list(said)
    assert f"at       {said['at']} · 3 days ago\n" in text


def test_a_finding_says_what_to_do_in_a_line_of_its_own(home: Home) -> None:
    text = shown(home, "doctor", 60)
    found = re.search(r"recovery +\S+warning.*\n.*\n +→ `bunkerctl key recovery create`", text)
    assert found is not None  # in no colour: it is what counts


def test_every_action_has_its_sentence() -> None:
    assert set(audit.SENTENCES) == set(ACTIONS)


def test_the_bars_are_in_proportion_and_say_their_numbers(home: Home) -> None:
    screen = Screen(40, color=False)
    ahead(screen, Ahead(now=3, weeks=[0, 4000, 1, 0, 0, 0], later=2000), home.now)
    lines = [line for line in screen.text().splitlines() if "█" in line or line.endswith(" 0")]
    assert [(line[:13].strip(), line.count("█")) for line in lines] == [
        ("now", 1),
        ("by 2027-01-25", 0),
        ("by 2027-02-01", 18),
        ("by 2027-02-08", 1),
        ("later", 9),
    ]
    assert [re.sub(r"[█ ]+$", "", line).split()[-1] for line in lines] == [
        *("3", "0", "4,000", "1", "2,000")
    ]
    empty = Screen(40, color=False)
    ahead(empty, Ahead(now=0, weeks=[0] * 6, later=0), home.now)
    assert empty.text() == ""


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "now"),
        (1, "in 1 second"),
        (-89, "89 seconds ago"),
        (90, "in 2 minutes"),
        (-3600, "60 minutes ago"),
        (2 * 3600, "in 2 hours"),
        (7 * DAY, "in 7 days"),
        (-30 * DAY, "30 days ago"),
        (30 * DAY - 1, "in 30 days"),
        (90 * DAY, "in 3 months"),
        (-3 * 365 * DAY, "3 years ago"),
    ],
)
def test_relative_times_are_one_rounded_number(seconds: int, said: str) -> None:
    assert relative(1_800_000_000 + seconds, 1_800_000_000) == said


def test_a_long_word_is_folded_and_a_uuid_in_it_is_not() -> None:
    screen = Screen(50, color=False)
    url = f"https://example.com/privacy/exp/retain/{ANN}?by=mail"
    screen.outline([Row(depth=0, name=piece("retain_url"), value=[piece(url)])])
    assert screen.text().splitlines() == [
        "retain_url  https://example.com/privacy/exp/retain",
        f"            /{ANN}",
        "            ?by=mail",
    ]


@given(
    st.lists(
        st.lists(st.text(st.characters(exclude_categories=["C", "Z"])), max_size=4), max_size=9
    ),
    st.integers(20, 120),
)
def test_no_width_loses_a_letter(rows: list[list[str]], columns: int) -> None:
    screen = Screen(columns, color=False)
    cells = [[[piece(" ".join(words))], [piece("".join(words))]] for words in rows]
    screen.table(("first", "second"), cells)
    text = screen.text()
    assert all(width(line) <= columns for line in text.splitlines())
    wanted = Counter("".join(word for words in rows for word in words * 2))
    assert not wanted - Counter(text)
