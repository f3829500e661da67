"""The page that a person reads first: what is held about it and why, in plain words.

One file that needs nothing else: no script, nothing fetched, and whatever comes from outside goes
through `escapes.html` alone, in `_html` below: unlike the report's, its text is a person's own,
where joiners have a meaning.
"""

from __future__ import annotations

import time

from bunkerctl import article15, escapes, flat, webpage
from bunkerctl.model import Value
from bunkerctl.webpage import Markup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from bunkerctl.article15 import Notice
    from bunkerctl.events import Event
    from bunkerctl.exports import Person

STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--faint:#57606a;--paper:#fff;--line:#d0d7de;
--shade:#f6f8fa;--flag:#8a4b00}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ed;--faint:#a0a9b3;--paper:#15181c;
--line:#3a414a;--shade:#1e2329;--flag:#f0b35e}}
*{box-sizing:border-box}
body{margin:0 auto;padding:2rem 1.25rem 4rem;max-width:56rem;background:var(--paper);
color:var(--ink);font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;
overflow-wrap:anywhere}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 .5rem}
h2{font-size:1.25rem;line-height:1.3;margin:2.5rem 0 .5rem;padding-top:1rem;
border-top:1px solid var(--line)}
p{margin:.5rem 0}
td p{margin:0}
ul{margin:.5rem 0;padding-left:1.4rem}
.lead,.faint{color:var(--faint)}
.flag{color:var(--flag)}
table{width:100%;border-collapse:collapse;table-layout:fixed;margin:.75rem 0}
th,td{padding:.4rem .6rem;text-align:left;vertical-align:top;border-bottom:1px solid var(--line);
overflow:hidden}
thead th{background:var(--shade)}
.facts th{width:32%;font-weight:600;color:var(--faint)}
.acts th:nth-child(1){width:17%}
.acts th:nth-child(2){width:43%}
.acts th:nth-child(3){width:16%}
.value{white-space:pre-wrap;unicode-bidi:isolate}
.long{display:block}
code{font:.9em ui-monospace,"DejaVu Sans Mono",monospace}
@media screen{.long{max-height:14rem;overflow:auto;padding:.3rem .5rem;background:var(--shade)}}
@media screen and (max-width:40rem){
body{padding:1.25rem .9rem 3rem}
table,tbody,tr,th,td{display:block;width:auto}
thead{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}
tr{padding:.5rem 0;border-bottom:1px solid var(--line)}
th,td,.facts th{width:auto;border:0;padding:.1rem 0}
td[data-name]::before{content:attr(data-name) ": ";color:var(--faint)}
}
@media print{
:root{color-scheme:light;--ink:#000;--faint:#333;--paper:#fff;--line:#999;--shade:#eee;--flag:#000}
@page{margin:18mm 16mm}
body{max-width:none;padding:0;font-size:10.5pt}
h2{break-after:avoid}
tr{break-inside:avoid}
tr:has(.long){break-inside:auto}
thead{display:table-header-group}
}
"""
LONG = 600
ACTS = {
    "user.add": "Your record was made",
    "user.get": "Your record was read",
    "user.update": "Your record was changed",
    "user.forget": "It was asked to erase you",
    "user.hold": "A legal hold was put on your record",
    "user.release": "A legal hold was lifted",
    "exp.start": "An expiration was started: a date for your erasure was set",
    "exp.status": "It was looked up how your expiration stands",
    "exp.retain": "It was recorded that you want to stay",
    "exp.delete": "It was asked to erase you now",
    "exp.cancel": "The expiration was taken back",
    "exp.erase": "It was tried to erase you, because your date had come",
    "export.user": "Your data were exported",
    "backup.restore": "The vault was restored from a backup",
}
"""What an action of the audit trail means to the person it is about."""
WORDS = {
    "purposes": "What we use your data for",
    "categories": "What kinds of data we hold",
    "recipients": "Who receives your data",
    "transfers": "Where your data go outside the reach of this law",
    "retention": "How long we keep your data",
    "source": "Where we have your data from",
    "decisions": "Which decisions are made about you by machines alone",
}


class Enclosed(Value):
    """A file that lies beside this page, and what it is."""

    name: str
    what: str


def page(
    found: Person, told: Notice, left_out: Iterable[tuple[str, str]], beside: Iterable[Enclosed]
) -> str:
    """Return the page; `left_out` are (what, why), `beside` the files that it comes with."""
    body = _join(
        _element("h1", "Your data"),
        *_opening(found, told),
        *_record(found),
        *_keeping(found, told),
        *_reasons(told),
        *_rights(told),
        *_history(found),
        *_omissions(left_out),
        *_enclosures(beside),
    )
    return webpage.page("Your data", body, STYLE)


def _opening(found: Person, told: Notice) -> list[Markup]:
    said = [
        _element(
            "p",
            f"This is everything that our records hold about you, as it stood on {day(found.at)}. "
            "You have a right to know it, and to a copy, by Article 15 of the General Data "
            "Protection Regulation (GDPR).",
            cls="lead",
        )
    ]
    facts = [
        ("Who answers for your data", _address(told.said["controller"])),
        ("Whom you can write to", _address(told.said["contact"])),
        ("Your number in our records", _code(found.user.token)),
    ]
    return [*said, _facts(facts)]


def _record(found: Person) -> list[Markup]:
    rows = [(name, _value(_plainly(value))) for name, value in flat.rows(found.user.data)]
    dates = [
        ("Recorded since", _html(day(found.user.created_at))),
        ("Last changed", _html(day(found.user.updated_at))),
        ("Version", _html(str(found.user.version))),
    ]
    return [_element("h2", "What we hold about you"), _facts(rows), _facts(dates)]


def _keeping(found: Person, told: Notice) -> list[Markup]:
    user = found.user
    due_at, hold = user.due_at(), user.hold
    if due_at is not None:
        words = f"Your data are to be erased on {day(due_at)}, unless you ask us to keep them."
    elif user.expstatus() == "retain":
        words = "A date for erasing your data was set, and you asked us to keep them."
    elif user.expiration is not None:
        words = "A date for erasing your data was set, and taken back."
    else:
        words = "No date is set for erasing your data."
    said = [_element("h2", WORDS["retention"]), _element("p", words)]
    if user.expiration is not None:
        plan = user.expiration
        said.append(
            _facts(
                [
                    ("The date was set on", _html(day(plan.started_at))),
                    ("It was set to", _html(day(plan.due_at))),
                    ("Its number in our records", _code(plan.exptoken)),
                ]
            )
        )
    if hold is not None:
        until = "until it is lifted" if hold.until is None else f"until {day(hold.until)}"
        past = "" if hold.active(found.at) else " This is over."
        said += [
            _element(
                "p",
                f"By law they must not be erased {until}: a legal hold, since {day(hold.since)}."
                + past,
            ),
            _facts([("The reason", _value(hold.reason)), ("Put there by", _value(hold.by))]),
        ]
    return [*said, _items(told.said["retention"])]


def _reasons(told: Notice) -> list[Markup]:
    said: list[Markup] = []
    for name, title in WORDS.items():
        if name != "retention":
            said += [_element("h2", title), _items(told.said[name])]
    return said


def _rights(told: Notice) -> list[Markup]:
    return [
        _element("h2", "Your rights"),
        _element("p", "Under the conditions that the law sets, you have the right:"),
        _list(map(_html, article15.RIGHTS)),
        _facts(
            [
                ("How to ask", _items(told.said["rights"])),
                ("Where to complain", _items(told.said["authority"])),
            ]
        ),
    ]


def _history(found: Person) -> list[Markup]:
    said = [
        _element("h2", "Who did what with your data, when and why"),
        _element("p", "Times are in UTC. Making this file is the last line.", cls="faint"),
    ]
    if found.pruned:
        said.append(
            _element("p", "What was done longest ago is no longer recorded: it was pruned.")
        )
    names = ("When", "What", "Who", "Why")
    rows = [
        _element(
            "tr",
            *(
                _element("td", part, data_name=name)
                for name, part in zip(names, _act(event), strict=True)
            ),
        )
        for event in found.events
    ]
    head = _element("tr", *(_element("th", name) for name in names))
    return [*said, _element("table", _element("thead", head), _element("tbody", *rows), cls="acts")]


def _act(event: Event) -> list[Markup]:
    said = event.said
    what = ACTS.get(said["action"], said["action"])
    if said["outcome"] != "ok":
        what += f", but it did not succeed ({said['outcome']})"
    if said.get("fields"):
        what += ": " + ", ".join(said["fields"])
    why = [said[name] for name in ("reason", "ref") if said.get(name)]
    when = str(said["at"]).replace("T", " ").removesuffix("Z")
    return [_html(when), _value(what), _value(said["actor"]), _value(" · ".join(why) or "not said")]


def _omissions(left_out: Iterable[tuple[str, str]]) -> list[Markup]:
    said = [
        _element("h2", "What is not in here"),
        _element(
            "p",
            "Our records also have numbers and hashes that the program works with, and what is "
            "about nobody. This is all of it, and why it is not here:",
        ),
    ]
    return [*said, _facts([(what, _html(why)) for what, why in left_out])]


def _enclosures(beside: Iterable[Enclosed]) -> list[Markup]:
    rows = [(one.name, _html(one.what)) for one in beside]
    if not rows:
        return []
    said = "The same in forms that programs read. What counts is subject.json."
    return [_element("h2", "The other files"), _element("p", said), _facts(rows)]


def day(at: int) -> str:
    """Return a day as people write it: 24 November 2026."""
    moment = time.gmtime(at)
    return time.strftime(f"{moment.tm_mday} %B %Y", moment)


def _plainly(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return flat.text(value) if value or value == 0 else "(empty)"


def _items(lines: list[str]) -> Markup:
    """Return what the controller has said, and a flag where it has said nothing."""
    if not lines:
        return _element("p", "We have not said this yet. You can ask us.", cls="flag")
    if len(lines) == 1:
        return _value(lines[0])
    return _list(map(_value, lines))


def _address(lines: list[str]) -> Markup:
    return _value("\n".join(lines)) if lines else _items(lines)


def _facts(rows: Iterable[tuple[str, Markup]]) -> Markup:
    cells = [
        _element("tr", _element("th", _value(name), scope="row"), _element("td", what))
        for name, what in rows
    ]
    return _element("table", _element("tbody", *cells), cls="facts")


def _list(items: Iterable[Markup]) -> Markup:
    return _element("ul", *(_element("li", item) for item in items))


def _value(text: str) -> Markup:
    """Return foreign text: in its own direction, its lines kept; a long one in a box to scroll."""
    if len(text) > LONG:
        return _element("span", text, cls="value long", dir="auto", tabindex="0")
    return _element("span", text, cls="value", dir="auto")


def _code(text: str) -> Markup:
    return _element("code", text)


def _element(tag: str, *inside: str, **attributes: str) -> Markup:
    return Markup(f"{_empty(tag, **attributes)}{''.join(map(_html, inside))}</{tag}>")


def _empty(tag: str, **attributes: str) -> Markup:
    names = {"cls": "class"}
    said = "".join(
        f' {names.get(name, name.replace("_", "-"))}="{_html(value)}"'
        for name, value in attributes.items()
    )
    return Markup(f"<{tag}{said}>")


def _html(text: str) -> Markup:
    return text if isinstance(text, Markup) else Markup(escapes.html(text))


def _join(*parts: Markup) -> Markup:
    return Markup("\n".join(parts))
