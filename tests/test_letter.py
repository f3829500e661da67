"""The page a person reads: whatever a record says is shown, and nothing of it is obeyed."""

from __future__ import annotations

import html
import html.parser
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import browser
from bunkerctl import letter, model
from conftest import DAY, Home

WORD = "W" * 10_000
HOSTILE: dict[str, Any] = {
    "script": "<script>document.title='owned'</script>",
    "broken": "</td></table></span></body><h1>owned</h1>",
    "image": "<img src=SERVER/img onerror=\"document.title='owned'\">",
    "style": "</style><style>@import url(SERVER/css);*{display:none}</style>",
    "meta": "<meta http-equiv=refresh content='0;url=SERVER/meta'>",
    "link": "<link rel=stylesheet href=SERVER/link><iframe src=SERVER/frame></iframe>",
    "attribute": '" onmouseover="alert(1)" x=\'',
    "entity": "&lt;b&gt; &amp; &#x3c;script&#x3e;",
    "bidi": "photo\u202egnp.exe\u202c\u2066x\u2069",
    "control": "a\0b\x1b[2J\x7f\x9b",
    "lines": "one\n  two\tthree",
    "arabic": "مرحبا بالعالم",
    "word": WORD,
    "stack": "Z" + "\u0301" * 500,
    "<b>name</b>": {"<i>": ["<u>deep</u>", None, True, False, 0, "", [], {}]},
    "=x": "=1+1",
    "N" * 3000: "a long name",
}


class Text(html.parser.HTMLParser):
    """What a browser would see: the elements of a page, and their text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.cells: list[str] = []
        self._open = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag in ("th", "td", "p"):
            self.cells.append("")

            self._open = True

    def handle_endtag(self, tag: str) -> None:
        self._open = self._open and tag not in ("th", "td", "p")

    def handle_data(self, data: str) -> None:
        if self._open:
            self.cells[-1] += data


def page_of(home: Home, server: str = "http://127.0.0.1:9", **record: Any) -> Path:
    said = json.loads(json.dumps(record).replace("SERVER", server))
    home.add(login="ann", **said)
    home.ok(["user", "hold", "ann", "--reason", said.get("script", "case")])
    home.ok(["user", "get", "ann", "--reason", said.get("broken", "asked"), "--actor", "<b>bob"])
    path = home.directory / "page.html"
    home.ok(f"export ann --format html --out {path}")
    return path


def test_all_of_a_record_is_there_as_text(home: Home) -> None:
    page = Text(page_of(home, **HOSTILE).read_text())
    shown = {
        "bidi": "photo\\u202egnp.exe\\u202c\\u2066x\\u2069",
        "control": "a\\x00b\\x1b[2J\\x7f\\x9b",
    }
    for name, value in HOSTILE.items():
        if isinstance(value, str):
            given = value.replace("SERVER", "http://127.0.0.1:9")
            assert page.cells[page.cells.index(name) + 1] == shown.get(name, given), name
    deep = page.cells[page.cells.index("<b>name</b>.<i>.1") :][:16:2]
    assert deep == [f"<b>name</b>.<i>.{number}" for number in range(1, 9)]
    deep = page.cells[page.cells.index("<b>name</b>.<i>.1") + 1 :][:16:2]
    assert deep == ["<u>deep</u>", *["(empty)", "yes", "no", "0"], *["(empty)"] * 3]
    assert "<b>bob" in page.cells
    assert HOSTILE["broken"] in page.cells


def test_the_page_is_one_file_with_nothing_to_run_or_to_fetch(home: Home) -> None:
    text = page_of(home, **HOSTILE).read_text()
    page = Text(text)
    tags = "html head meta title style body h1 h2 p ul li table thead tbody tr th td span code"
    assert set(page.tags) <= set(tags.split())
    known = "lang charset http-equiv content name class dir scope tabindex data-name"
    assert page.attributes <= set(known.split())
    policy = re.search('http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None and html.unescape(policy[1]).startswith(
        "default-src 'none'; style-src "
    )
    assert "unsafe" not in policy[1]
    assert "url(" not in letter.STYLE and "@import" not in letter.STYLE


@browser.NEEDED
def test_in_a_browser_no_script_runs_and_nothing_is_fetched(home: Home) -> None:
    server = browser.Server()
    try:
        page = page_of(home, server.address, **HOSTILE)
        shown = browser.look(page, "--dump-dom", "--virtual-time-budget=2000")
        assert "<title>Your data</title>" in shown
        assert server.fetched == []
        control = home.directory / "control.html"  # that it would be seen if it did
        bare = "".join(
            one.replace("SERVER", server.address)
            for one in (HOSTILE["script"], HOSTILE["image"], HOSTILE["link"])
        )
        control.write_text(f"<title>Your data</title>{bare}")
        shown = browser.look(control, "--dump-dom", "--virtual-time-budget=2000")
        assert "<title>owned</title>" in shown
        assert {"/img", "/link", "/frame"} <= set(server.fetched)
    finally:
        server.close()


@browser.NEEDED
@pytest.mark.parametrize("width", [360, 1400])
@pytest.mark.parametrize("scheme", [browser.LIGHT, browser.DARK])
def test_no_word_breaks_the_page_narrow_or_wide_light_or_dark(
    home: Home, width: int, scheme: str
) -> None:
    rows = browser.picture(page_of(home, **HOSTILE), width, 600, scheme)
    paper = rows[0][0]
    dark = sum(paper) < 3 * 64
    assert dark == (scheme == browser.DARK), paper  # and so the policy lets the style in
    assert all(row[column] == paper for row in rows for column in (*range(8), *range(-8, 0)))
    assert any(pixel != paper for row in rows for pixel in row)


@browser.NEEDED
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed")
def test_on_paper_nothing_is_cut_off(home: Home) -> None:
    text = browser.printed(page_of(home, **HOSTILE))
    assert text.count("W") >= len(WORD)
    assert text.count("N") >= 3000
    for value in ("<script>document.title='owned'</script>", "<b>bob", "photo\\u202egnp.exe"):
        assert value in text


def test_it_says_in_plain_words_how_long_the_data_stay(home: Home) -> None:
    token = home.add(login="ann")

    def said() -> str:
        return home.ok("export ann --format html").out

    assert "No date is set for erasing your data." in said()
    exptoken = home.start(token, "10d")
    assert "to be erased on 25 January 2027, unless you ask us to keep them" in said()
    assert exptoken in said()
    home.ok(f"exp cancel {token}")
    assert "was set, and taken back" in said()
    home.ok(f"exp retain {home.start(token, '20d')}")
    assert "you asked us to keep them" in said()
    home.ok(f"user hold {token} --reason 'court case' --until 2027-01-20")
    assert "must not be erased until 20 January 2027" in said()
    assert "This is over." not in said()
    home.now += 10 * DAY
    assert "This is over." in said()
    assert "court case" in said()


def test_every_act_that_can_be_about_a_person_has_words() -> None:
    about_the_vault = ("vault.", "key.", "audit.", "backup.")
    lists = {"user.list", "user.import", "user.check", "exp.list", "exp.sweep", "export.all"}
    assert letter.ACTS.keys() - {"backup.restore"} == {
        action
        for action in model.ACTIONS
        if not action.startswith(about_the_vault) and action not in lists
    }
