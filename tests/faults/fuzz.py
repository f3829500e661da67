"""Whatever is read, nothing but the documented errors comes out: any bytes, for each parser.

`test_fuzz.py` tries each parser for five seconds, and for a quarter of an hour where
BUNKERCTL_TORTURE is set: with atheris if that is installed, else with the mutations below, which
know JSON. By hand: `cd tests; python -m faults.fuzz receipt 60`. What was found once is kept in
`corpus`.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bunkerctl import (
    checkpoints,
    config,
    crypto,
    errors,
    identities,
    incoming,
    intake,
    jsontext,
    keys,
    manifests,
    notes,
    receipts,
    recovery,
    reinstatement,
    schemas,
    times,
    users,
)
from bunkerctl.cli import masks
from bunkerctl.directory import read_header
from bunkerctl.keys import Session, code
from bunkerctl.model import Value

CORPUS = Path(__file__).with_name("corpus")
TESTS = Path(__file__).parent.parent
NOW = 1_800_000_000
MAX_BYTES = 64 * 1024
CSV = intake.Format(form="csv", encoding=None, delimiter=None)
SHAPE = intake.Shape(names={}, types={}, constants={"login": "ann"})
RECORDS: tuple[dict[str, Any], ...] = ({}, {"login": "ann", "age": 3, "a": [{"a": None}, "x"]})
RULES = users.Rules(region="DE", schema=None)
MANY = 3000
"""How often a piece is repeated: deeper than any recursion may go."""


class Target(Value):
    """A parser: `allowed` is all that may come out of it, `words` what its language is made of."""

    parse: Callable[[bytes], object]
    allowed: tuple[type[errors.BunkerError], ...]
    words: tuple[str, ...]


# The parsers, each on bytes.

SEED = bytes(32)
ORIGIN = "bunkerctl/5d1c8f0e-4a43-4a39-9f7b-0d1a5b2f9a10"
OWN = notes.Verifier(name=ORIGIN, public=crypto.public_key(SEED))
SESSION = Session(
    environment={}, attended=False, seconds=None, tell=print, owner=None, unlocked=False
)
SCRATCH = tempfile.TemporaryDirectory()
"""Where files are put that are read by name."""


def text_of(raw: bytes) -> str:
    """Return what an argument may be: text that is UTF-8."""
    return raw.decode("utf-8", "ignore")


def file_of(raw: bytes, name: str) -> str:
    path = os.path.join(SCRATCH.name, name)
    with open(path, "wb") as file:
        file.write(raw)
    return path


def duration(raw: bytes) -> None:
    found = times.parse_duration(text_of(raw))
    for reach in (times.after, times.before):
        try:
            reach(NOW, found)
        except errors.Invalid:
            continue


def date(raw: bytes) -> None:
    times.text(times.parse_date(text_of(raw)))


def moment(raw: bytes) -> None:
    times.parse_moment(text_of(raw), NOW)


def identity(raw: bytes) -> None:
    found = identities.parse(text_of(raw), "DE")
    if found.kind != "token":
        again = identities.normalise(found.kind, found.value, "DE")
        assert again == found.value, "normalised twice is not normalised once"


def phone(raw: bytes) -> None:
    for region in (None, "DE", "US"):
        found = identities.normalise("phone", text_of(raw), region)
        assert identities.normalise("phone", found, None) == found


def record(raw: bytes) -> None:
    value = jsontext.loads(raw, "the record")
    users.check_record(value, RULES)
    assert jsontext.loads(jsontext.dumps(value).encode()) == value


def import_line(raw: bytes) -> None:
    row = incoming.read_row(jsontext.loads(raw, "the line"))
    row.check_times(NOW)
    users.identify(row.record, RULES.region)


def table(raw: bytes) -> None:
    source = intake.open_(io.BytesIO(raw), CSV, SHAPE)
    bad = [row for row in source.rows() if isinstance(row[2], errors.Invalid)]
    kept = [raw for _, raw, _ in bad if raw is not None]
    again = intake.open_(io.BytesIO(b"".join(source.again(kept))), CSV, SHAPE)
    told = [str(said) for _, _, said in again.rows() if isinstance(said, errors.Invalid)]
    assert len(told) == len(kept), "what was rejected is read otherwise a second time"


def schema(raw: bytes) -> None:
    found = schemas.read(file_of(raw, "schema.json"))
    found.compiled()
    for value in RECORDS:
        found.problems(value)
        masks.of_schema(found).of(value)


def checkpoint(raw: bytes) -> None:
    checkpoints.parse(raw, NOW)


def note(raw: bytes) -> None:
    notes.open_(text_of(raw), OWN)


def public_key(raw: bytes) -> None:
    found = notes.verifier(text_of(raw))
    assert notes.verifier(found.text()) == found


def receipt(raw: bytes) -> None:
    for key in (None, OWN):
        try:
            receipts.check(raw, key)
        except errors.IntegrityFailure:
            continue


def manifest(raw: bytes) -> None:
    """Read a whole file, or a manifest that is put behind an empty database."""
    whole = raw if raw.endswith(b"bunkrbk1") else raw + len(raw).to_bytes(8, "big") + b"bunkrbk1"
    found, mac = manifests.read(file_of(whole, "backup"))
    found.key_of(SEED)
    manifests.is_authentic(found, mac, SEED)


def recovery_code(raw: bytes) -> None:
    assert len(code.secret(recovery.in_file(raw))) == code.SECRET_BYTES
    code.secret(text_of(raw))


def settings(raw: bytes) -> None:
    """Read a file of settings, and look at the paths that it names, as every command does."""
    path = file_of(raw, "config.toml")
    found = config.load(path, {})
    for name in ("vault", "key.file"):
        os.path.lexists(found.get(name) or "/")


def header(raw: bytes) -> None:
    """Read a header, and look for the key where it says, as every command does."""
    file_of(raw, "vault.json")
    for place in read_header(SCRATCH.name).places():
        if place.source == "file":
            try:
                keys.fetch(place, str(OWN.name), SESSION)
            except errors.KeyUnavailable:
                continue


def ledger_line(raw: bytes) -> None:
    reinstatement._tombstone(raw)


UNITS = ("s", "min", "h", "d", "w", "mo", "y", "P", "T", "M", "H", "S", "D", "W", "Y", "-", "m")
DATES = (
    "T",
    "Z",
    "z",
    "t",
    "-",
    ":",
    "+00:00",
    "-23:59",
    "24",
    "60",
    "0000",
    "9999",
    "02-30",
    ".5",
)
KINDS = (
    "email:",
    "phone:",
    "login:",
    "custom:",
    "token:",
    "@",
    ".",
    "xn--",
    "+49",
    "\u200b",
    "\xdf",
)
JSON = ('{"a":', "[", "]", "}", '"', "\\ud800", "1e999", "-0", "NaN", "1" * 30, ":", ",", "\\u0000")
NOTE = (
    "\n\n",
    "\n",
    "\u2014 ",
    ORIGIN,
    "0",
    "18446744073709551616",
    "=",
    "\r",
    "\u2028",
    "bunkerctl/",
)
TOML = (
    "[",
    "]",
    "[[",
    "=",
    '"""',
    "'''",
    "#",
    ".",
    "audit.anchor",
    "exp",
    "inf",
    "1979-05-27",
    "{",
)

KEYWORDS = tuple(
    f'"{word}":'
    for words in (
        ("type", "properties", "items", "required", "$ref", "$defs", "$id", "$schema", "$anchor"),
        ("pattern", "patternProperties", "minimum", "multipleOf", "enum", "const", "format"),
        ("allOf", "anyOf", "not", "if", "then", "unevaluatedProperties", "additionalProperties"),
        ("dependentRequired", "$dynamicRef", "x-mask"),
    )
    for word in words
)

INVALID = (errors.Invalid,)
TARGETS: dict[str, Target] = {
    parse.__name__: Target(parse=parse, allowed=allowed, words=words)
    for parse, allowed, words in (
        (duration, INVALID, UNITS),
        (date, INVALID, DATES),
        (moment, INVALID, (*UNITS, *DATES)),
        (identity, INVALID, KINDS),
        (phone, INVALID, ("+", "(", ")", "-", ".", "ext", ";", "00", "0", " ", "\uff11", "tel:")),
        (record, INVALID, (*JSON, *KINDS, '"email":', '"phone":', '"login":', '"custom":')),
        (import_line, INVALID, (*JSON, *DATES, '"schema":"bunkerctl.user/1"', '"data":{}')),
        (
            table,
            INVALID,
            (*KINDS, ",", ";", "\t", "|", '"', '""', "\r", "\n", "\0", "\ufeff", "'="),
        ),
        (schema, INVALID, (*JSON, *KEYWORDS)),
        (checkpoint, INVALID, (*NOTE, *JSON)),
        (note, (errors.Invalid, errors.IntegrityFailure), NOTE),
        (public_key, INVALID, (*NOTE, "+")),
        (receipt, (errors.Invalid, errors.IntegrityFailure), (*JSON, *NOTE)),
        (
            manifest,
            (errors.Invalid, errors.IntegrityFailure, errors.UnsupportedVersion),
            (*JSON, *DATES, "bunkerctl.backup/1", "bunkrbk1"),
        ),
        (
            recovery_code,
            INVALID,
            ("-", "O", "I", "L", "U", "# x\n", "\n", "\x0b", "\u0130", "\xdf"),
        ),
        (settings, INVALID, TOML),
        (header, (errors.IntegrityFailure, errors.UnsupportedVersion), (*JSON, *DATES)),
        (ledger_line, (errors.IntegrityFailure,), (*JSON, *DATES)),
    )
}


def fault(target: Target, raw: bytes) -> BaseException | None:
    """Return what comes out of a parser that may not."""
    try:
        target.parse(raw)
    except target.allowed:
        return None
    except Exception as error:
        return error
    return None


# What is tried.

STRANGE: list[Any] = [None, True, 0, -1, 10**30, 1.5, 1e308, "", "x", "\0", "\ud800", [], {}, [[]]]
STRANGE += [{"a": 1}, "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "[" * MANY]
STRANGE += [float("inf"), float("nan"), "/a\0b", "9" * 5000, {"source": "file", "place": "\0"}]


def seeds(name: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]


def mutations(name: str, dice: random.Random) -> Iterator[bytes]:
    """Yield, without an end, what lies near the seeds."""
    known = seeds(name)
    words = [word.encode("utf-8", "surrogatepass") for word in TARGETS[name].words]
    while True:
        raw = dice.choice(known)
        for _ in range(dice.choice((1, 1, 2, 4, 8))):
            raw = dice.choice(MUTATORS)(raw, dice, words, known)[:MAX_BYTES]
        yield raw


Mutator = Callable[[bytes, random.Random, list[bytes], list[bytes]], bytes]


def _cut(raw: bytes, dice: random.Random) -> tuple[int, int]:
    start = dice.randint(0, len(raw))
    return start, min(len(raw), start + dice.choice((0, 1, 2, 4, 16, 64)))


def _flip(raw: bytes, dice: random.Random, _words: list[bytes], _known: list[bytes]) -> bytes:
    if not raw:
        return b"\x00"
    at = dice.randrange(len(raw))
    return raw[:at] + bytes([raw[at] ^ 1 << dice.randrange(8)]) + raw[at + 1 :]


def _replace(raw: bytes, dice: random.Random, words: list[bytes], _known: list[bytes]) -> bytes:
    start, end = _cut(raw, dice)
    return raw[:start] + dice.choice(words) + raw[end:]


def _noise(raw: bytes, dice: random.Random, _words: list[bytes], _known: list[bytes]) -> bytes:
    start, end = _cut(raw, dice)
    return raw[:start] + dice.randbytes(dice.choice((1, 1, 2, 8))) + raw[end:]


def _repeat(raw: bytes, dice: random.Random, words: list[bytes], _known: list[bytes]) -> bytes:
    start, end = _cut(raw, dice)
    piece = dice.choice([raw[start:end] or b"0", dice.choice(words)])
    return raw[:start] + piece * dice.choice((2, 3, 20, MANY)) + raw[end:]


def _splice(raw: bytes, dice: random.Random, _words: list[bytes], known: list[bytes]) -> bytes:
    other = dice.choice(known)
    return raw[: dice.randint(0, len(raw))] + other[dice.randint(0, len(other)) :]


def _json(raw: bytes, dice: random.Random, _words: list[bytes], _known: list[bytes]) -> bytes:
    """Put something strange in the place of any value, or leave a field out."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return raw
    places = list(_places(value))
    if not places:
        return raw
    container, key = dice.choice(places)
    if dice.randrange(4):
        container[key] = dice.choice(STRANGE)
    else:
        del container[key]
    try:
        return json.dumps(value).encode()
    except RecursionError:
        return raw


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, dict | list):
            for key in list(one) if isinstance(one, dict) else range(len(one)):
                yield one, key
                left.append(one[key])


MUTATORS: list[Mutator] = [_flip, _replace, _noise, _repeat, _splice, _json, _json]


def smallest(target: Target, raw: bytes) -> bytes:
    """Leave out of a finding whatever it does not need."""
    kind = type(fault(target, raw))
    if kind is RecursionError:  # what is just deep enough here is not elsewhere
        return raw
    step = len(raw) // 2
    while step:
        at = 0
        while at < len(raw):
            shorter = raw[:at] + raw[at + step :]
            if type(fault(target, shorter)) is kind:
                raw = shorter
            else:
                at += step
        step //= 2
    return raw


def search(name: str, seconds: float, dice: random.Random) -> tuple[int, bytes | None]:
    """Try a parser for some time; return how often, and the smallest that brings a fault."""
    target, number = TARGETS[name], 0
    end = time.monotonic() + seconds
    for raw in mutations(name, dice):
        number += 1
        if fault(target, raw) is not None:
            return number, smallest(target, raw)
        if time.monotonic() > end:
            break
    return number, None


# With atheris, which looks where the program goes.


def has_atheris() -> bool:
    return importlib.util.find_spec("atheris") is not None


def search_with_atheris(name: str, seconds: int, place: Path) -> bytes | None:
    """Let atheris try a parser in a process of its own; return what brings a fault."""
    for number, raw in enumerate(seeds(name)):
        (place / str(number)).write_bytes(raw)
    subprocess.run(
        [
            *(sys.executable, "-m", "faults.fuzz", name, "--atheris", str(place)),
            *(f"-max_total_time={seconds}", f"-artifact_prefix={place}/found-"),
            *(f"-max_len={MAX_BYTES}", "-verbosity=0"),
        ],
        cwd=TESTS,
        check=False,
    )
    return next((path.read_bytes() for path in sorted(place.glob("found-*"))), None)


def _run_atheris(name: str, arguments: list[str]) -> None:
    atheris: Any = importlib.import_module("atheris")
    target = TARGETS[name]

    def one(raw: bytes) -> None:
        error = fault(target, raw)
        if error is not None:
            raise error

    atheris.instrument_all()
    atheris.Setup([sys.argv[0], *arguments], one)
    atheris.Fuzz()


def main(name: str, *arguments: str) -> int:
    if arguments[:1] == ("--atheris",):
        _run_atheris(name, list(arguments[1:]))
        return 0
    number, found = search(name, float(arguments[0]), random.Random())
    print(f"{name}: {number} tried, found {found!r}")
    if found is not None:
        print(repr(fault(TARGETS[name], found)))
    return found is not None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
