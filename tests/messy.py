"""A messy CSV file, and what must become of each row: the generator knows it, the program does not.

Columns are `E-mail`, `Phone No.`, `Name`, `Age`, `VIP`, `Extra`, `Notes` and `Since`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

HEADER = ("E-mail", "Phone No.", "Name", "Age", "VIP", "Extra", "Notes", "Since")
OPTIONS = (
    '--map E-mail=email --map "Phone No.=phone" --map Name=name --map Age=age --map VIP=vip '
    "--map Extra=extra --map Notes= --type age=int --type vip=bool --type extra=json "
    "--set source=crm"
)
NAMES = ("Ann", "Zoë", "Jürgen", "François", "Ana María", 'Bob "Bo" Ray', "Lee, Kim", "O'Neill; Jr")
NOTES = ("", "called\ntwice", "tab\there", 'said "no"', "a,b;c", "=1+1", "line\r\nline\nline")
EARLIER = 10
"""How many people are in the vault before, as `stands-N@example.com`."""


@dataclass
class Form:
    """How a file is written; `no_text` are bytes that its encoding does not have."""

    encoding: str
    mark: bytes
    delimiter: str
    newline: str
    no_text: bytes


FORMS = {
    "utf-8": Form("utf-8", b"", ",", "\n", b"\xc3("),
    "utf-8-mark": Form("utf-8", b"\xef\xbb\xbf", ";", "\r\n", b"\xff"),
    "utf-16": Form("utf-16-le", b"\xff\xfe", "\t", "\r\n", b"\x00\xd8"),
    "utf-16-be": Form("utf-16-be", b"\xfe\xff", "\t", "\n", b"\xdc\x01"),
    "windows-1252": Form("cp1252", b"", ";", "\r\n", b"\x81"),
    "old-mac": Form("mac-roman", b"", ",", "\r", b""),
}


@dataclass
class Messy:
    """A file, and what is known of it: `rejected` are (line, reason), `records` who is added."""

    form: Form
    content: bytearray = field(default_factory=bytearray)
    line: int = 1
    read: int = 0
    duplicates: int = 0
    rejected: list[tuple[int, str]] = field(default_factory=list)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)

    def write(self, text: str) -> None:
        """Add some lines; whatever ends one counts."""
        self.content += text.encode(self.form.encoding)
        self.line += len(text.splitlines())

    def row(self, cells: list[str], ends: str = "") -> None:
        quoted = (
            '"' + cell.replace('"', '""') + '"' if set(cell) & set('",;\t\r\n') else cell
            for cell in cells
        )
        self.write(self.form.delimiter.join(quoted) + (ends or self.form.newline))

    def reject(self, reason: str) -> None:
        self.read += 1
        self.rejected.append((self.line, reason))


def person(rng: random.Random, number: int) -> tuple[list[str], dict[str, Any]]:
    """Return the cells of a good row, and the record that it must become."""
    name, age, vip = rng.choice(NAMES), rng.randrange(100), rng.choice(("yes", "FALSE", "1", ""))
    email = f"P{number}@Example.com"
    phone = rng.choice(("", f"+49 30 {1234000 + number}", f"'+49 30 {1234000 + number}"))
    extra = rng.choice(("", '{"a":[1,2.50]}', "null", '"x"'))
    since = rng.choice(("", " ", "2024-01-31"))
    cells = [email, phone, name, str(age), vip, extra, rng.choice(NOTES), since]
    record: dict[str, Any] = {"email": email}
    if phone:
        record["phone"] = phone.lstrip("'")
    record |= {"name": name, "age": age}
    if vip:
        record["vip"] = vip in ("yes", "1")
    if extra:
        record["extra"] = {'{"a":[1,2.50]}': {"a": [1, 2.5]}, "null": None, '"x"': "x"}[extra]
    if since.strip():
        record["Since"] = since
    return cells, {**record, "source": "crm"}


Fault = Callable[[Messy, random.Random, list[str]], None]


def _with(place: int, value: str, reason: str) -> Fault:
    def fault(file: Messy, _rng: random.Random, cells: list[str]) -> None:
        file.reject(reason)
        file.row([*cells[:place], value, *cells[place + 1 :]])

    return fault


def _cells(count: int) -> Fault:
    def fault(file: Messy, _rng: random.Random, cells: list[str]) -> None:
        file.reject(f"the row has {count} cells, and the header 8")
        file.row([*cells, "x", "y"][:count])

    return fault


def _behind_quote(file: Messy, _rng: random.Random, cells: list[str]) -> None:
    file.reject("there is text behind a closing quote")
    file.write(f'"{cells[0]}"x{file.form.delimiter}y{file.form.newline}')


def _over_lines(file: Messy, _rng: random.Random, cells: list[str]) -> None:
    file.reject(f"there is text behind a closing quote (it is read to line {file.line + 2})")
    end = file.form.newline
    file.write(f'{cells[0]}{file.form.delimiter}"a{end}b{end}"c{end}')


def _nul(file: Messy, _rng: random.Random, cells: list[str]) -> None:
    file.reject("the row has a NUL character")
    file.row([cells[0], "", "A\0B", *cells[3:]])


def _no_text(file: Messy, _rng: random.Random, cells: list[str]) -> None:
    if not file.form.no_text:
        return
    names = {"utf-8": "UTF-8", "utf-16-le": "text in utf-16le", "utf-16-be": "text in utf-16be"}
    name = names.get(file.form.encoding, "text in windows-1252")
    file.reject(f"the row is not {name}")
    file.content += cells[0].encode(file.form.encoding) + file.form.no_text
    file.write(file.form.delimiter * 7 + file.form.newline)


def _blank(file: Messy, rng: random.Random, _cells: list[str]) -> None:
    blank = rng.choice(("", "  ", file.form.delimiter * 7, f" {file.form.delimiter} "))
    file.write(blank + file.form.newline)


def _again(file: Messy, rng: random.Random, cells: list[str]) -> None:
    if not file.records:
        return
    email = rng.choice([*file.records])
    file.duplicates += 1
    file.reject(f"it is about the person of line {file.lines[email]}")
    file.row([f" {email.upper()} ", *cells[1:]])


def _taken(file: Messy, rng: random.Random, cells: list[str]) -> None:
    email = f"stands-{rng.randrange(EARLIER)}@example.com"
    if email in file.lines:
        file.duplicates += 1
        file.reject(f"it is about the person of line {file.lines[email]}")
    else:
        file.lines[email] = file.line
        file.reject("the email is taken by ...")
    file.row([email, *cells[1:]])


FAULTS: dict[str, Fault] = {
    "too few cells": _cells(7),
    "too many cells": _cells(9),
    "no integer": _with(3, "1.5", "column 4 is not an integer"),
    "padded integer": _with(3, "007", "column 4 is not an integer"),
    "no truth": _with(4, "maybe", "column 5 is not one of true, false, yes, no, 1 and 0"),
    "no JSON": _with(5, "{a}", "column 6 is not JSON"),
    "no address": _with(0, "ann@", "the email has not the form of an address"),
    "no phone": _with(1, "+4", "the phone is not a valid number"),
    "text behind a quote": _behind_quote,
    "a quote over lines": _over_lines,
    "NUL": _nul,
    "no text": _no_text,
    "a blank row": _blank,
    "a duplicate": _again,
    "a taken identity": _taken,
    "nobody": lambda file, rng, cells: _with(0, "", "a record needs at least one identity")(
        file, rng, [cells[0], "", *cells[2:]]
    ),
}


def generate(form: Form, rows: int, seed: int) -> Messy:
    """Return a file of so many rows: one in five has a fault, and the last quote stays open."""
    rng = random.Random(seed)
    file = Messy(form, bytearray(form.mark))
    file.row(list(HEADER))
    kinds = list(FAULTS)
    for number in range(rows - 1):
        cells, record = person(rng, number)
        if rng.randrange(5):
            email = record["email"].lower()
            file.lines[email] = file.line
            file.records[email] = record
            file.read += 1
            file.row(cells)
        else:
            kind = kinds[number % len(kinds)]
            file.kinds[kind] = file.kinds.get(kind, 0) + 1
            FAULTS[kind](file, rng, cells)
    file.reject(f"a quote is not closed (it is read to line {file.line + 1})")
    file.write(f'last@example.com{form.delimiter}"open{form.newline}behind')
    return file


def expected(file: Messy) -> Iterator[str]:
    """Yield what must be told on standard error."""
    for line, reason in file.rejected:
        yield f"bunkerctl: error: line {line}: {reason}"
    yield f"bunkerctl: error: {len(file.rejected)} of {file.read} lines were rejected"
