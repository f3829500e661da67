"""A person's export as a bundle of files: made, and checked again without the vault.

The same facts three times: a page for the person, JSON for programs, CSV for spreadsheets. What
counts is subject.json.
"""

from __future__ import annotations

import json
import os
from hashlib import sha256

from bunkerctl import __version__, article15, escapes, flat, jsontext, letter, times, zips
from bunkerctl.errors import IntegrityFailure, Invalid
from bunkerctl.letter import Enclosed
from bunkerctl.model import Value
from bunkerctl.store import registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, BinaryIO

    from bunkerctl.article15 import Notice
    from bunkerctl.exports import Person

LETTER = "READ-ME-FIRST.html"
SUBJECT = "subject.json"
SUBJECT_SCHEMA = "subject.schema.json"
RECORD_SCHEMA = "record.schema.json"
ARTICLE = "article15.json"
HISTORY = "access-history.json"
TABLE = "csv/subject.csv"
HISTORY_TABLE = "csv/access-history.csv"
MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"
ENCLOSED = (
    Enclosed(name=SUBJECT, what="All that is held about you. This is what counts."),
    Enclosed(name=SUBJECT_SCHEMA, what="What the fields of subject.json mean (JSON Schema)."),
    Enclosed(name=RECORD_SCHEMA, what="What the fields of your record must be (JSON Schema)."),
    Enclosed(name=ARTICLE, what="What the law wants you to be told besides."),
    Enclosed(name=HISTORY, what="Who did what with your data, when and why."),
    Enclosed(name=TABLE, what="subject.json as a table, for a spreadsheet."),
    Enclosed(name=HISTORY_TABLE, what="The history as a table."),
    Enclosed(name=MANIFEST, what="What made this, when, and what was left out and why."),
    Enclosed(name=SUMS, what="Checksums: `sha256sum -c SHA256SUMS` shows that all is whole."),
)
"""Every file besides the letter, in their order; the record's schema is there if there is one."""
NAMES = (LETTER, *(one.name for one in ENCLOSED))
MANIFEST_SCHEMA = "bunkerctl.manifest/1"
HISTORY_SCHEMA = "bunkerctl.access-history/1"
ACT = ("seq", "at", "action", "outcome", "actor", "os_user", "host", "fields", "reason", "ref")
MOST_BYTES = 256 << 20
"""What is read of one file; a record has at most 10 MiB."""


WHOLE = ("user", "user.data", "access_history")
MOST_SUMS = 1 << 16


class Bundle(Value):
    """What goes into an export: `document` is the person as JSON, `record_schema` a file."""

    found: Person
    told: Notice
    document: dict[str, Any]
    record_schema: bytes | None


def page(bundle: Bundle) -> bytes:
    """Return the letter by itself."""
    left_out = [(one["what"], one["why"]) for one in _omitted(bundle.found)]
    return letter.page(bundle.found, bundle.told, left_out, ()).encode()


def table(bundle: Bundle) -> bytes:
    """Return everything as one CSV table of names and values, the history too."""
    return _table(bundle.document)


def zipped(bundle: Bundle) -> bytes:
    """Return the whole bundle as an archive: the same export of the same second, the same bytes."""
    found = bundle.found
    omitted = _omitted(found)
    enclosed = [one for one in ENCLOSED if one.name != RECORD_SCHEMA or bundle.record_schema]
    left_out = [(one["what"], one["why"]) for one in omitted]
    history = bundle.document["access_history"]
    acts = [{name: event.get(name) for name in ACT} for event in history]
    subject = {name: part for name, part in bundle.document.items() if name != "access_history"}
    files = {
        LETTER: letter.page(found, bundle.told, left_out, enclosed).encode(),
        SUBJECT: _line(bundle.document),
        SUBJECT_SCHEMA: _schema(),
        RECORD_SCHEMA: bundle.record_schema or b"",
        ARTICLE: _text(article15.document(bundle.told, found)),
        HISTORY: _text({"schema": HISTORY_SCHEMA, "token": found.user.token, "events": acts}),
        TABLE: _table(subject),
        HISTORY_TABLE: _rows(ACT, ([act[name] for name in ACT] for act in acts)),
    }
    if bundle.record_schema is None:
        del files[RECORD_SCHEMA]
    files[MANIFEST] = _text(
        {
            "schema": MANIFEST_SCHEMA,
            "tool": "bunkerctl",
            "version": __version__,
            "vault_id": found.vault_id,
            "token": found.user.token,
            "exported_at": times.text(found.at),
            "counts": _counts(bundle.document),
            "files": {name: len(content) for name, content in files.items()},
            "omitted": omitted,
            "missing": bundle.told.missing,
        }
    )
    files[SUMS] = "".join(
        f"{sha256(content).hexdigest()}  {name}\n" for name, content in files.items()
    ).encode()
    return zips.pack(files, found.at)


class Checked(Value):
    """What a bundle that holds says of itself."""

    vault_id: str
    token: str
    exported_at: str
    version: str
    files: int


def check(file: BinaryIO) -> Checked:
    """Check an archive whole: its structure, its sums, its manifest, and what that counts.

    This shows that nothing was damaged or lost. It does not show who made it: nothing is signed.

    Raises:
        IntegrityFailure: something is not as it must be.
    """
    archive = zips.Archive(file, NAMES)
    names = archive.names
    lacking = set(NAMES) - {RECORD_SCHEMA} - set(names)
    if lacking:
        raise IntegrityFailure(f"it lacks {min(lacking)}")
    sums = _sums(archive.start(SUMS, MOST_SUMS))
    kept: dict[str, bytes] = {}
    sizes: dict[str, int] = {}
    for name in names:
        if name == SUMS:
            continue
        digest, size, pieces = sha256(), 0, []
        for chunk in archive.chunks(name):
            digest.update(chunk)
            size += len(chunk)
            if size > MOST_BYTES:
                raise IntegrityFailure(f"{name} is too large for an export")
            if name in (MANIFEST, SUBJECT):
                pieces.append(chunk)
        if sums.pop(name, None) != digest.hexdigest():
            raise IntegrityFailure(f"{name} is not what SHA256SUMS says")
        kept[name], sizes[name] = b"".join(pieces), size
    if sums:
        raise IntegrityFailure("SHA256SUMS has a file that is not there")
    del sizes[MANIFEST]
    checked = _agree(_parsed(kept[MANIFEST], MANIFEST), _parsed(kept[SUBJECT], SUBJECT), sizes)
    if archive.moment != _moment(checked.exported_at):
        raise IntegrityFailure("its files are of another time than its manifest")
    return checked


def _agree(manifest: Any, document: Any, sizes: dict[str, int]) -> Checked:
    """Return what the manifest says; raise unless it fits the files."""
    try:
        fits = (
            manifest["schema"] == MANIFEST_SCHEMA
            and manifest["tool"] == "bunkerctl"
            and manifest["files"] == sizes
            and manifest["counts"] == _counts(document)
            and manifest["vault_id"] == document["vault_id"]
            and manifest["exported_at"] == document["exported_at"]
            and manifest["token"] == document["user"]["token"]
            and all(one["what"] and one["why"] for one in manifest["omitted"])
        )
        checked = Checked(
            vault_id=str(manifest["vault_id"]),
            token=str(manifest["token"]),
            exported_at=str(manifest["exported_at"]),
            version=str(manifest["version"]),
            files=len(sizes) + 2,
        )
    except (KeyError, TypeError, AttributeError):
        fits = False
    if not fits:
        raise IntegrityFailure("manifest.json does not fit the files")
    return checked


def _moment(text: str) -> zips.Moment | None:
    try:
        return zips.moment(times.parse_date(text))
    except Invalid:
        return None


def _counts(document: dict[str, Any]) -> dict[str, int]:
    return {
        "fields": len(document["user"]["data"]),
        "identities": len(document["user"]["identities"]),
        "access_history": len(document["access_history"]),
    }


def _omitted(found: Person) -> list[dict[str, str]]:
    omitted = registry.left_out()
    if found.pruned:
        why = "pruned from the audit trail: who read or changed the record then is known no more"
        omitted.append((f"events 1 to {found.pruned}", why))
    return [{"what": what, "why": why} for what, why in omitted]


def _table(document: dict[str, Any]) -> bytes:
    return _rows(("name", "value"), flat.rows(document, WHOLE))


def _rows(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> bytes:
    lines = [escapes.csv_row(columns)]
    lines += [escapes.csv_row(map(escapes.csv_cell, row)) for row in rows]
    return "".join(lines).encode()


def _schema() -> bytes:
    path = os.path.join(os.path.dirname(__file__), "export.schema.json")
    with open(path, "rb") as file:
        return file.read()


def _line(document: dict[str, Any]) -> bytes:
    return (jsontext.escaped(jsontext.dumps(document)) + "\n").encode()


def _text(document: dict[str, Any]) -> bytes:
    return (jsontext.escaped(json.dumps(document, ensure_ascii=False, indent=2)) + "\n").encode()


def _parsed(raw: bytes, name: str) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise IntegrityFailure(f"{name} is not JSON") from None


def _sums(raw: bytes) -> dict[str, str]:
    """Return the sums by name, of lines as sha256sum writes them."""
    sums: dict[str, str] = {}
    for line in raw.decode("utf-8", "replace").splitlines():
        digest, mark, name = line.partition("  ")
        if not mark or name in sums:
            raise IntegrityFailure("SHA256SUMS is malformed")
        sums[name] = digest
    return sums
