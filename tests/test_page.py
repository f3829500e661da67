"""The pages that are made: one file that runs and loads nothing, and charts whose parts fit."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunkerctl import webpage
from bunkerctl.cli import charts
from conftest import DAY, Home

VOID = {"meta", "br", "rect", "path"}
LOADING = {"script", "link", "img", "iframe", "object", "embed", "base", "form", "image", "use"}
HOSTILE = "</td><script>alert(1)</script><img src=x onerror=alert(2)>\u202e&amp;\x1b[2J\u2028'\""
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)


class Reader(HTMLParser):
    """A page as a browser would take it: elements, attributes, tables and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.tables: list[list[list[str]]] = []
        self.data: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.data.append(data)
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data


def number(cell: str) -> int:
    return int(cell.replace("\u202f", ""))


def filled(home: Home) -> str:
    """Return the page of a vault in which a bit of everything has happened in a hostile voice."""
    tokens = [home.add(login=f"p{one}") for one in range(12)]
    home.ok(["--actor", HOSTILE, "--reason", HOSTILE, "user", "get", tokens[0]])
    home.ok("--actor bob user get -", f"{tokens[1]}\n" * 30)
    for token in tokens[:5]:
        home.start(token, "10d")
    home.ok(f"user hold {tokens[1]} --reason case")
    home.ok(f"user forget {tokens[6]} --yes")
    home.now += 40 * DAY
    home.ok(f"exp start {tokens[7]} --in 20d")
    home.ok("exp sweep --limit 2 -q")
    return home.ok("report --out -").out


def test_a_page_runs_and_loads_nothing(home: Home) -> None:
    page = filled(home)
    found = Reader(page)
    assert not LOADING & set(found.tags)
    names = {name for name, _ in found.attributes}
    assert not {name for name in names if name.startswith("on")}
    assert not {"src", "href", "srcset", "action", "style", "data"} & names
    urls = [value for _, value in found.attributes if "url(" in value]
    assert urls and all(re.fullmatch(r"url\(#hatch\d+\)", value) for value in urls)
    assert "@import" not in page and "http" not in page.replace("http-equiv", "")
    policy = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page)
    style = page.split("<style>")[1].split("</style>")[0]
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    assert policy == [
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    ]


def test_what_callers_say_of_themselves_is_text(home: Home) -> None:
    page = filled(home)
    found = Reader(page)
    shown = "</td><script>alert(1)</script><img src=x onerror=alert(2)>\\u202e&amp;\\u001b[2J"
    assert any(shown in cell for table in found.tables for row in table for cell in row)
    assert not re.search("[\u202a-\u202e\u2028\x00-\x08\x0b-\x1f\x7f-\x9f]", page)


def test_the_tables_have_the_figures_of_the_json(home: Home) -> None:
    tables = {tuple(table[0][:3]): table for table in Reader(filled(home)).tables}
    fields = home.ok("report --json").json
    standing = tables["Month", "In the vault", "No expiration"]
    assert [[row[0], *map(number, row[1:])] for row in standing[1:]] == [
        [one["month"], *one["standing"].values()] for one in fields["months"]
    ]
    moves = tables["Month", "Added", "Started"]
    names = ("added", "started", "restarted", "cancelled", "kept", "removed", "swept", "forgotten")
    assert [[number(cell) for cell in row[1:9]] for row in moves[1:-1]] == [
        [one[name] for name in names] for one in fields["months"]
    ]
    assert [number(cell) for cell in moves[-1][1:9]] == [fields["totals"][name] for name in names]
    erased = tables["Erased", "Token", "Reason"]
    assert [row[1:] for row in erased[1:]] == [
        [one["token"], one["reason"], str(one["event"]), one["leaf"]]
        for one in fields["erasures"]["newest"]
    ]
    assert len(erased) == 4
    actors = tables["Actor", "Reads", "Records shown"]
    assert [[row[0], number(row[1])] for row in actors[1:]] == [
        [one["actor"] if one["actor"] == "bob" else actors[2][0], one["reads"]]
        for one in fields["reads"]["actors"]
    ]
    weeks = tables["Week", "Begins", "Fall due"]
    assert [[row[0], row[1], *map(number, row[2:])] for row in weeks[1:-1]] == [
        list(one.values()) for one in fields["due"]["weeks"]
    ]
    overdue = tables["Token", "Due", "Days"]
    assert [row[0] for row in overdue[1:]] == [one["token"] for one in fields["overdue"]["oldest"]]
    assert len(overdue) == 3


# Charts.


def texts(svg: str) -> list[tuple[float, float, str, str]]:
    """Return (x, y, anchor, words) of each text of a drawing."""
    pattern = r'<text class="\w+" x="([-\d.]+)" y="([-\d.]+)" text-anchor="(\w+)">([^<]*)</text>'
    return [(float(x), float(y), anchor, words) for x, y, anchor, words in re.findall(pattern, svg)]


def drawings(chart: str) -> list[tuple[int, int, str]]:
    """Return (width, height, markup) of each drawing of a chart."""
    return [
        (int(float(found[1])), int(float(found[2])), found[0])
        for found in re.finditer(r'<svg[^>]*viewBox="0 0 ([\d.]+) ([\d.]+)".*?</svg>', chart, re.S)
    ]


def check(chart: str) -> None:
    """Everything lies within the drawing, and no two texts of a line lie on each other."""
    assert [width for width, _, _ in drawings(chart)] == list(charts.WIDTHS.values())
    for width, height, svg in drawings(chart):
        boxes = re.findall(
            r'<rect [^>]*x="([-\d.]+)" y="([-\d.]+)" width="([-\d.]+)" height="([-\d.]+)"', svg
        )
        for x, y, wide, high in [tuple(map(float, one)) for one in boxes]:
            assert x >= 0 and y >= 0 and wide > 0 and high > 0
            assert x + wide <= width + 0.1 and y + high <= height + 0.1
        lines: dict[float, list[tuple[float, float]]] = {}
        for x, y, anchor, words in texts(svg):
            long = charts.LETTER * len(words)
            left = x - {"start": 0, "middle": long / 2, "end": long}[anchor]
            assert left >= -0.1 and left + long <= width + 0.1, words
            assert 0 < y <= height
            lines.setdefault(y, []).append((left, left + long))
        for spans in lines.values():
            assert all(one[1] <= two[0] for one, two in pairwise(sorted(spans)))


MONTHS = [f"{2020 + number // 12}-{number % 12 + 1:02}" for number in range(72)]
COUNTS = st.integers(0, 3 * 10**12)


@given(st.integers(0, 71), st.integers(1, 72), COUNTS, st.randoms())
def test_rows_of_months_fit_however_many_and_large(
    first: int, many: int, most: int, chance: object
) -> None:
    slots = MONTHS[first : first + many]
    values = [(most * (number * 7919 % 101)) // 100 for number in range(len(slots))]
    check(charts.small_multiples("about", slots, [("one", values), ("none", [0] * len(slots))]))


@given(st.lists(st.tuples(COUNTS, COUNTS), min_size=14, max_size=14))
def test_weeks_fit_and_the_last_is_named(counts: list[tuple[int, int]]) -> None:
    slots = [*(f"{number:02}-28" for number in range(1, 14)), "later"]
    solid, hatched = [one for one, _ in counts], [two for _, two in counts]
    chart = charts.columns("about", slots, ("to be erased", solid), ("held", hatched))
    check(chart)
    assert all(any(words == "later" for *_, words in texts(one)) for _, _, one in drawings(chart))


@given(st.lists(st.tuples(st.text(max_size=200), COUNTS), max_size=20))
def test_bars_fit_whatever_their_names(values: list[tuple[str, int]]) -> None:
    chart = charts.bars("about", values)
    Reader(chart)
    plain = [(f"name {number}" * 30, value) for number, (_, value) in enumerate(values)]
    check(charts.bars("about", plain))


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1 k"),
        (1249, "1.2 k"),
        (99_949, "99.9 k"),
        (100_000, "100 k"),
        (999_999, "999 k"),
        (1_000_000, "1 M"),
        (3_400_000_000, "3.4 G"),
    ],
)
def test_large_numbers_are_told_in_short(value: int, told: str) -> None:
    assert charts.short(value) == told


def test_text_has_no_mark_up_and_nothing_unseen() -> None:
    assert webpage.text("<b>&'\"") == "&lt;b&gt;&amp;&#x27;&quot;"
    assert webpage.text("a\u202eb\x00\u2028\ue000") == "a\\u202eb\\u0000\\u2028\\ue000"
    assert webpage.text("Zoë\n\t\u4e2d") == "Zoë\n\t\u4e2d"


# A real browser.


def browse(place: Path, page: str, option: str) -> str:
    """Let a browser with a home of its own open a page; return what it says on standard error."""
    (place / "page.html").write_text(page, "utf-8")
    line = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    done = subprocess.run(
        [*line, f"--user-data-dir={place}/profile", option, f"file://{place}/page.html"],
        env={"HOME": str(place), "PATH": os.environ["PATH"]},
        capture_output=True,
        timeout=120,
        check=True,
    )
    return done.stderr.decode()


@pytest.mark.skipif(CHROMIUM is None, reason="a browser looks at the pages: chromium")
def test_a_browser_shows_the_page_and_has_nothing_to_refuse(home: Home, tmp_path: Path) -> None:
    log = browse(tmp_path, filled(home), f"--print-to-pdf={tmp_path}/page.pdf")
    assert "CONSOLE" not in log and "Refused" not in log, log
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    if shutil.which("pdftotext") is None:
        pytest.skip("what is printed is read by pdftotext (poppler-utils)")
    line = ["pdftotext", "-layout", f"{tmp_path}/page.pdf", "-"]
    printed = subprocess.run(line, capture_output=True, check=True).stdout.decode()
    for words in ("People by state", "alert(1)", "How to check it", "bunkerctl erasure show TOKEN"):
        assert words in printed


@pytest.mark.skipif(CHROMIUM is None, reason="a browser looks at the pages: chromium")
def test_the_browser_would_tell_of_a_style_that_is_not_the_pages_own(tmp_path: Path) -> None:
    page = webpage.page("title", '<p style="color: red">text</p>')
    assert "CONSOLE" in browse(tmp_path, page, "--dump-dom")
