"""The report as a page: charts, the table under each, and how to check what they say.

Everything shown is a field of the report: nothing is counted here.
"""

from __future__ import annotations

import json

from bunkerctl.cli import charts
from bunkerctl.webpage import Markup, text
from bunkerctl.webpage import page as whole_page

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from bunkerctl.cli.answers import Answer

MOST_SLOTS = 72
"""Months that a chart and a table have room for; beyond, they are by year."""

MOVES = {
    "added": "Added",
    "started": "Expirations started",
    "kept": "Kept, at the person's wish",
    "removed": "Removed, at the person's wish",
    "swept": "Swept: nobody answered",
}
MOVE_COLUMNS = {
    "added": "Added",
    "started": "Started",
    "restarted": "Restarted",
    "cancelled": "Taken back",
    "kept": "Kept",
    "removed": "Removed",
    "swept": "Swept",
    "forgotten": "Forgotten on request",
    "restored": "Erased in a restore",
    "held": "Holds placed",
    "released": "Holds lifted",
}
STANDING = {
    "users": "People in the vault",
    "wait": "Waiting to be erased, or for an answer",
    "retain": "Kept at their wish",
    "expired": "Erased, all so far",
}
REASONS = {
    "sweep": "Sweep: the time was over, and nobody answered",
    "link": "Link: the person asked to be removed",
    "request": "Request: forgotten by an admin (user forget)",
    "restore": "Restore: erased again in a restored backup",
}
READS = {
    "user.get": "Records shown",
    "exp.status": "Expirations shown",
    "export.user": "Persons exported",
    "user.list": "Lists of people",
    "exp.list": "Lists of who waits",
    "export.all": "Exports of everybody",
}
NOBODY = "<p>Nobody.</p>"


def page(report: Answer) -> str:
    """Return the page of a report, from its fields."""
    parts = [
        *_head(report),
        *_people(report),
        *_moves(report),
        *_due(report),
        *_aged(report),
        *_erasures(report),
        *_reads(report),
        *_often(report),
        *_health(report),
        *_trail(report),
    ]
    return whole_page(f"Report on the vault {report['vault_id']}", "\n".join(parts))


def _head(report: Answer) -> Iterator[str]:
    yield "<h1>What this vault has kept, erased and shown</h1>"
    yield (
        f"<p>Vault <code>{text(report['vault_id'])}</code>,"
        f" made {_moment(report['created_at'])}. From {_moment(report['since'])}"
        f" to {_moment(report['until'])}; written {_moment(report['at'])}"
        f" by {text(report['program'])}. All times are UTC.</p>"
    )
    yield (
        '<p class="soft">There is nothing personal of the people in the vault in this report: a'
        " token stands for a person, and only the vault tells who that is. Counts of the period are"
        " counts of audit events, but for erasures, which the vault counts by its tombstones; what"
        " is said to be so now was so when this was written.</p>"
    )
    yield from _coverage(report["audit"])
    people, audit = report["people"], report["audit"]
    tiles = [
        ("people in the vault", _n(people["users"])),
        ("waiting", _n(people["waiting"])),
        ("overdue", _n(people["overdue"], bad=people["overdue"] > 0)),
        ("held", _n(people["held"])),
        ("erased, all so far", _n(people["erased"])),
        ("erased in the period", _n(report["erasures"]["people"])),
        ("reads in the period", _n(report["reads"]["reads"])),
        ("audit trail", _verdict(audit["ok"])),
    ]
    items = "".join(f"<li><b>{value}</b><span>{name}</span></li>" for name, value in tiles)
    yield f'<ul class="tiles">{items}</ul>'


def _coverage(audit: Answer) -> Iterator[str]:
    if audit["pruned"]:
        yield (
            f"<p><strong>Not covered:</strong> the events 1 to {_n(audit['pruned'])} were pruned"
            " from the audit trail. What they said (additions, expirations, reads) is not counted"
            " here; how many people stood where in later months is.</p>"
        )
    if audit["untold"]:
        yield (
            f"<p><strong>Assumed:</strong> {_n(audit['untold'])} events were written by an older"
            " bunkerctl and do not say from which state a person came. They are counted as if it"
            " was the usual one, so numbers of people by month may be wrong by as many.</p>"
        )


def _people(report: Answer) -> Iterator[str]:
    yield "<h2>People by state</h2>"
    slots, rows = _slots(report["months"])
    series = [(name, [row["standing"][key] for row in rows]) for key, name in STANDING.items()]
    yield _figure(
        charts.small_multiples("People by state at the end of each month", slots, series),
        "At the end of each month, or of the period. Each row has a scale of its own.",
    )
    yield _table(
        [_unit(slots), "In the vault", "No expiration", "Waiting", "Kept", "Erased so far"],
        [
            [
                slot,
                *(row["standing"][key] for key in ("users", "none", "wait", "retain", "expired")),
            ]
            for slot, row in zip(slots, rows, strict=True)
        ],
    )


def _moves(report: Answer) -> Iterator[str]:
    yield "<h2>Expirations and erasures</h2>"
    slots, rows = _slots(report["months"])
    series = [(name, [row[key] for row in rows]) for key, name in MOVES.items()]
    yield _figure(
        charts.small_multiples("Expirations started, kept, removed and swept", slots, series),
        "How many in each month. Each row has a scale of its own.",
    )
    yield _table(
        [_unit(slots), *MOVE_COLUMNS.values()],
        [
            [_once(slot), *(row[key] for key in MOVE_COLUMNS)]
            for slot, row in zip(slots, rows, strict=True)
        ],
        last=["In all", *(report["totals"][key] for key in MOVE_COLUMNS)],
    )
    if report["unsuccessful"]:
        yield "<h3>What was refused or failed</h3>"
        yield _table(
            ["Action", "Outcome", "Times"],
            [[one["action"], one["outcome"], one["count"]] for one in report["unsuccessful"]],
        )


def _due(report: Answer) -> Iterator[str]:
    weeks, later, people = report["due"]["weeks"], report["due"]["later"], report["people"]
    yield "<h2>What falls due</h2>"
    yield (
        f"<p>Due now and not held: {_n(people['due'])}, {_n(people['overdue'])} of them overdue."
        f" Due now, but held: {_n(people['due_held'])}.</p>"
    )
    rows = [*((one["begins"][5:], one) for one in weeks), ("later", later)]
    yield _figure(
        charts.columns(
            "People who fall due, by week",
            [slot for slot, _ in rows],
            ("to be erased", [one["people"] - one["held"] for _, one in rows]),
            ("held", [one["held"] for _, one in rows]),
        ),
        "By week, named by its Monday. Whoever chooses to be kept will not be erased.",
    )
    yield _table(
        ["Week", "Begins", "Fall due", "Held of them"],
        [
            *(
                [_once(one["week"]), _once(one["begins"]), one["people"], one["held"]]
                for one in weeks
            ),
            ["later", "", later["people"], later["held"]],
        ],
    )


def _aged(report: Answer) -> Iterator[str]:
    yield "<h2>Overdue and held</h2>"
    overdue, held = report["overdue"], report["held"]
    ages = [(_age(one), one["people"]) for one in overdue["ages"]]
    yield _table(
        ["Since", "Overdue", "Held"],
        [
            [age, people, held["ages"][number]["people"]]
            for number, (age, people) in enumerate(ages)
        ],
        last=["In all", overdue["people"], held["people"]],
    )
    for title, aged, since in (("Overdue", overdue, "due_at"), ("Held", held, "since")):
        yield f"<h3>{title}</h3>"
        if not aged["oldest"]:
            yield NOBODY
            continue
        names = ["Token", "Due" if since == "due_at" else "Since", "Days"]
        rows = [[_code(one["token"]), _moment(one[since]), one["days"]] for one in aged["oldest"]]
        if since == "since":
            names.append("Until")
            for row, one in zip(rows, aged["oldest"], strict=True):
                row.append(_moment(one["until"]) if one["until"] else "released")
        yield _table(names, rows, note=_of(len(rows), aged["people"], "the oldest"))


def _erasures(report: Answer) -> Iterator[str]:
    erasures = report["erasures"]
    yield "<h2>Erasures and their receipts</h2>"
    rows = [[name, erasures["reasons"][key]] for key, name in REASONS.items()]
    chart = charts.bars("Erasures by reason", [(name, people) for name, people in rows])
    yield _figure(chart, "Erasures of the period, by reason.")
    yield _table(["Reason", "People"], rows, last=["In all", erasures["people"]])
    yield (
        "<p>Each has a receipt: the audit event of the erasure word for word, and the proof that it"
        " is in the signed trail. The vault's owner makes it; anybody can check it with the vault's"
        " public key (at the end of this page) and without the vault:</p>"
        "<pre>bunkerctl erasure show TOKEN --json &gt; receipt.json\n"
        "bunkerctl erasure verify receipt.json --key vault.pub</pre>"
        "<p>Take some tokens from the list below. The leaf is the hash of the event (RFC 6962), as"
        " <code>audit show EVENT</code> has it too; <code>erasure list</code> lists every"
        " erasure.</p>"
    )
    if erasures["without_receipt"]:
        yield (
            f"<p>The events of {_n(erasures['without_receipt'])} of them were pruned: their"
            " receipts are those that were made before.</p>"
        )
    if not erasures["newest"]:
        yield NOBODY
        return
    yield _table(
        ["Erased", "Token", "Reason", "Event", "Leaf"],
        [
            [
                _moment(one["erased_at"]),
                _code(one["token"]),
                one["reason"],
                one["event"],
                _code(one["leaf"], "hash") if one["leaf"] else "pruned",
            ]
            for one in erasures["newest"]
        ],
        note=_of(len(erasures["newest"]), erasures["people"], "the newest"),
    )


def _reads(report: Answer) -> Iterator[str]:
    yield "<h2>Who read</h2>"
    actors = report["reads"]["actors"]
    yield (
        "<p>Reads of people's data by actor: whom the caller named, or the login name. Each is an"
        " audit event that was written before anything was shown.</p>"
    )
    if not actors:
        yield NOBODY
        return
    rows = [("all others" if one["actor"] is None else one["actor"], one) for one in actors]
    most = [(name, one["reads"]) for name, one in rows[: charts.MOST_BARS]]
    yield _figure(charts.bars("Reads by actor", most), "Reads of the period, most first.")
    yield _table(
        ["Actor", "Reads", *READS.values()],
        [[name, one["reads"], *(one["actions"][key] for key in READS)] for name, one in rows],
    )


def _often(report: Answer) -> Iterator[str]:
    often = report["read_often"]
    yield "<h2>Who was read unusually often</h2>"
    yield (
        f"<p>The rule: {text(often['rule'])}. People who were read at all in the period:"
        f" {_n(often['people_read'])}; the median of their reads: {_n(often['median'])}; so the"
        f" limit: {_n(often['limit'])}; people who were read more often: {_n(often['people'])}."
        " <code>audit list TOKEN</code> shows by whom.</p>"
    )
    if not often["most"]:
        yield NOBODY
        return
    yield _table(
        ["Token", "Reads", "Now"],
        [
            [_code(one["token"]), one["reads"], "erased" if one["erased"] else "in the vault"]
            for one in often["most"]
        ],
        note=_of(len(often["most"]), often["people"], "the most read"),
    )


def _health(report: Answer) -> Iterator[str]:
    key, backup = report["key"], report["backup"]
    yield "<h2>Key, backups, sweep and clock</h2>"
    since = _moment(key["since"]) if key["since"] else "before the oldest event that is left"
    age = "" if key["days"] is None else f", {_n(key['days'])} days"
    in_use = f"id {_code(key['key_id'])}, in use since {since}{age}"
    ago = f"{_moment(backup['last'])}, {_n(backup['days'])} days ago" if backup["last"] else "none"
    standing = f"{_n(backup['standing'])}, {_n(backup['past_their_time'])} of them past their time"
    yield _table(
        ["", ""],
        [
            ["Master key", Markup(in_use)],
            ["Recovery code made", _moment(key["recovery_at"]) if key["recovery_at"] else "none"],
            ["Last backup", Markup(ago)],
            ["Backups that stand", Markup(standing)],
            ["Last sweep", _moment(report["last_sweep"]) if report["last_sweep"] else "none"],
        ],
    )
    yield _table(
        ["Check", "Finding", "What it says"],
        [[one["check"], _level(one["level"]), _said(one)] for one in report["checks"]],
    )


def _trail(report: Answer) -> Iterator[str]:
    audit = report["audit"]
    head = audit["head"]
    yield "<h2>The audit trail</h2>"
    where = f" The first bad event is {_n(audit['first_bad'])}." if audit["first_bad"] else ""
    problem = "" if audit["ok"] else f" {text(audit['problem'])}.{where}"
    yield (
        f"<p>{_verdict(audit['ok'])}: {_n(audit['counted'])} events were read for this report, and"
        f" {'give' if audit['ok'] else 'do not give'} the signed head below.{problem}</p>"
    )
    yield "<h3>Its head, signed</h3>"
    yield f"<pre>{text(audit['checkpoint'])}</pre>"
    yield "<p>The same in one line, as <code>audit checkpoint --json</code> prints it:</p>"
    yield f"<pre>{text(json.dumps({**head, 'checkpoint': audit['checkpoint']}))}</pre>"
    yield "<h3>The public key it is signed with</h3>"
    yield f"<pre>{text(audit['key'])}</pre>"
    yield (
        "<h3>How to check it</h3><ul>"
        "<li>Compare the key with the one that the vault's owner has published.</li>"
        "<li>Copy that one line into a file, and keep it where the vault's owner cannot change it."
        " At any time later <code>bunkerctl audit verify --against"
        " FILE</code> proves that the trail continues it: nothing up to here was altered or left"
        " out.</li>"
        "<li>Ask for the same of a head from last year.</li>"
        "<li><code>bunkerctl audit verify --deep</code> also compares each record with the trail,"
        " and <code>bunkerctl doctor</code> examines every page of the database.</li>"
        "<li><code>bunkerctl report --json</code> has the same figures for other tools.</li>"
        "</ul>"
    )


def _slots(months: list[Answer]) -> tuple[list[str], list[Answer]]:
    """Return the names and rows of the months, or of the years if there are too many months."""
    if len(months) <= MOST_SLOTS:
        return [one["month"] for one in months], months
    years: dict[str, Answer] = {}
    for one in months:
        year = years.setdefault(one["month"][:4], {})
        for name, value in one.items():
            year[name] = year.get(name, 0) + value if isinstance(value, int) else value
    return list(years), list(years.values())


def _unit(slots: list[str]) -> str:
    return "Month" if "-" in slots[0] else "Year"


def _figure(chart: str, caption: str) -> str:
    return f"<figure>{chart}<figcaption>{caption}</figcaption></figure>"


def _table(
    names: list[str], rows: list[list[Any]], *, last: list[Any] | None = None, note: str = ""
) -> str:
    """Return a table; numbers stand to the right, `last` is the line below all."""
    numeric = [isinstance(value, int) for value in (rows or [last or names])[0]]
    head = "".join(
        f'<th scope="col"{_right(right)}>{name}</th>'
        for name, right in zip(names, numeric, strict=True)
    )
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in rows)
    foot = "" if last is None else f"<tr><th>{last[0]}</th>{''.join(map(_cell, last[1:]))}</tr>"
    below = "" if last is None else f"<tfoot>{foot}</tfoot>"
    caption = f"<caption>{note}</caption>" if note else ""
    top = f"<thead><tr>{head}</tr></thead>" if any(names) else ""
    table = f"<table>{caption}{top}\n<tbody>{body}</tbody>{below}</table>"
    return f'<div class="wide" tabindex="0">{table}</div>'


def _cell(value: Any) -> str:
    if isinstance(value, int):
        return f'<td class="n">{_n(value)}</td>'
    return f"<td>{value if isinstance(value, Markup) else text(value)}</td>"


def _right(numeric: bool) -> str:
    return ' class="n"' if numeric else ""


def _n(value: int, *, bad: bool = False) -> Markup:
    """Write a number in groups of three, with thin blanks between them that do not break."""
    told = f"{value:,}".replace(",", "\u202f")
    return Markup(f'<b class="bad">{told}</b>' if bad else told)


def _moment(instant: str) -> Markup:
    """Write a time to the minute."""
    return _once(f"{instant[:10]} {instant[11:16]}")


def _once(value: str) -> Markup:
    """Keep a value on one line."""
    return Markup(f'<span class="once">{text(value)}</span>')


def _code(value: str, kind: str = "once") -> Markup:
    return Markup(f'<code class="{kind}">{text(value)}</code>')


def _verdict(ok: bool) -> Markup:
    return Markup(
        f'<span class="{"good" if ok else "bad"}">{"whole" if ok else "NOT whole"}</span>'
    )


def _level(level: str) -> Markup:
    kind = {"ok": "good", "note": "soft"}.get(level, "bad")
    return Markup(f'<span class="{kind}">{text(level)}</span>')


def _said(finding: Answer) -> str:
    return "; ".join(filter(None, (finding["message"], finding["hint"])))


def _age(band: Answer) -> str:
    low, high = band["days_from"], band["days_to"]
    if high is None:
        return f"over {low} days"
    return f"{low} to {high} days" if low else f"up to {high} days"


def _of(shown: int, people: int, which: str) -> str:
    return f"{which[0].upper()}{which[1:]} {_n(shown)} of {_n(people)}." if shown < people else ""
