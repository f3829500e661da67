"""Signed checkpoints: notes that others have signed verify, and malformed ones are refused."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bunkerctl import crypto, notes
from bunkerctl.errors import BunkerError, IntegrityFailure, Invalid
from conftest import DAY, Home
from refusals import check_refusal

# golang.org/x/mod/sumdb/note, note_test.go
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
PETER_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
PETER_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6"
    "KE6RyyBwJnAM=\n"
)
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
ENOCH_LINE = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ov"
    "TG01oOTGwnWLox33WWd"
    "1RvMc+QQ=\n"
)

# Heads of Go's checksum database, as it signed them; the first is the tree of the example in
# https://c2sp.org/tlog-checkpoint, which has it under another name.
SUMDB = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
SUMDB_LINE = (
    "— sum.golang.org Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zh"
    "cyv2q1gGzGku9nTo+zyWE"
    "+xeMcTOAYQ8=\n"
)
SUMDB_TEXT = "go.sum database tree\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
SUMDB_NOTES = [
    (20852163, f"{SUMDB_TEXT}\n{SUMDB_LINE}"),
    (
        6476701,
        "go.sum database tree\n6476701\nmb8QLQIs0Z0yP5Cstq6guj87oXWeC9gEM8oVikmm9Wk=\n\n"
        "— sum.golang.org Az3grsLX85Gz+s1SiTbgkuqxgItqFq7gsMUEyVnrsa9LM7Us9S+1xbF"
        "IGu95949rj4nPRYfvimWEP"
        "WL+o3GeoWwOoAw=\n",
    ),
    (  # with the line of a witness
        15067302,
        "go.sum database tree\n15067302\ngJyioq6dwR9n+NjEWORfYmH+ubeYm3kH42BBQ0bTpYI=\n\n"
        "— sum.golang.org Az3grp1rvWOs5NKlr/xR4GLN/CDyzzakmt1o61uSxYKpK1SerqOP2Cl"
        "bX/peKUZjYnyomH5Xz7GZ"
        "G3TpB7OeKn4E2ww=\n"
        "— test.example.com qTGhC/xIPQ0AXKHK6Y+9ypRfuvMZWPjRXM8NiOg5M1WREn07VQXyu"
        "IXM3NRNav3ieVFLUqDRK7"
        "7PWDmL6w8w84UqeAw=\n",
    ),
]
# A cosignature with a time (type 4), of the example in https://c2sp.org/tlog-cosignature
WITNESS_LINE = (
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OW"
    "XEhZCB9dlrDJsX3b2oyin"
    "1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
)

SEED = bytes(range(32))
ORIGIN = "bunkerctl/5d1c8f0e-4a43-4a39-9f7b-0d1a5b2f9a10"
ROOT = base64.b64encode(sha256(b"").digest()).decode()
OWN = notes.Verifier(name=ORIGIN, public=crypto.public_key(SEED))
TEXT = f"{ORIGIN}\n42\n{ROOT}\n"


def line_of(text: str, seed: bytes = SEED, name: str = ORIGIN) -> str:
    """Return the line of whoever signs any text at all."""
    key = notes.Verifier(name=name, public=crypto.public_key(seed))
    signature = key.hash() + crypto.sign(seed, text.encode())
    return f"— {name} {base64.b64encode(signature).decode()}\n"


def signed(text: str) -> str:
    return f"{text}\n{line_of(text)}"


def test_the_key_of_the_go_package_is_read_and_written() -> None:
    for key in (PETER, ENOCH, SUMDB):
        found = notes.verifier(key)
        assert (found.name, found.text()) == (key.split("+")[0], key)
        assert notes.verifier(key + "\n") == found


def test_no_part_of_a_key_is_a_key_nor_is_one_with_a_letter_changed() -> None:
    parts = [PETER[start:end] for end in range(len(PETER) + 1) for start in range(end)]
    changed = [
        PETER[:at] + chr(ord(letter) + 1) + PETER[at + 1 :] for at, letter in enumerate(PETER)
    ]
    too_long = "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY=="
    other_kind = "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    for wrong in {*parts, *changed, too_long, other_kind, "", "+", "++", "\N{EM DASH}"} - {PETER}:
        with pytest.raises(Invalid):
            notes.verifier(wrong)


def test_the_signature_of_the_go_packages_note_is_good_and_is_the_one_that_we_make() -> None:
    key = notes.verifier(PETER)
    signature = base64.b64decode(PETER_LINE.split(" ")[2])
    assert signature[:4] == key.hash() == bytes.fromhex("c74f20a3")
    assert crypto.is_signed(key.public, PETER_TEXT.encode(), signature[4:])
    assert crypto.public_key(PETER_SEED) == key.public
    assert line_of(PETER_TEXT, PETER_SEED, "PeterNeumann") == PETER_LINE


@pytest.mark.parametrize(("size", "note"), SUMDB_NOTES)
def test_heads_that_another_log_has_signed_verify(size: int, note: str) -> None:
    found = notes.open_(note, notes.verifier(SUMDB))
    assert (found.origin, found.size, len(found.root)) == ("go.sum database tree", size, 32)
    for key in (PETER, ENOCH):
        with pytest.raises(IntegrityFailure):
            notes.open_(note, notes.verifier(key))


def test_every_bit_of_a_foreign_head_counts() -> None:
    size, note = SUMDB_NOTES[0]
    for at in range(len(SUMDB_TEXT)):
        wrong = note[:at] + chr(ord(note[at]) ^ 1) + note[at + 1 :]
        with pytest.raises((Invalid, IntegrityFailure)):
            notes.open_(wrong, notes.verifier(SUMDB))
    signature = bytearray(base64.b64decode(SUMDB_LINE.split(" ")[2]))
    for at in range(len(signature)):
        signature[at] ^= 1
        line = f"— sum.golang.org {base64.b64encode(bytes(signature)).decode()}\n"
        with pytest.raises(IntegrityFailure):
            notes.open_(f"{SUMDB_TEXT}\n{line}", notes.verifier(SUMDB))
        signature[at] ^= 1
    assert notes.open_(note, notes.verifier(SUMDB)).size == size


def test_lines_of_other_signers_are_passed_over_wherever_they_are() -> None:
    own = line_of(TEXT)
    same_name = line_of(TEXT, bytes(32))
    same_key = line_of(TEXT, SEED, "bunkerctl/other")
    others = [PETER_LINE, ENOCH_LINE, WITNESS_LINE, same_name, same_key]
    for at in range(len(others) + 1):
        note = f"{TEXT}\n{''.join([*others[:at], own, *others[at:]])}"
        assert notes.open_(note, OWN).size == 42
    assert notes.open_(f"{TEXT}\n{PETER_LINE * 15}{own}", OWN).size == 42
    with pytest.raises(IntegrityFailure, match="not signed by that key"):
        notes.open_(f"{TEXT}\n{''.join(others)}", OWN)


def test_a_bad_signature_of_the_known_key_is_not_passed_over() -> None:
    bad = line_of(TEXT + "x\n")
    with pytest.raises(IntegrityFailure, match="not good"):
        notes.open_(f"{TEXT}\n{bad}{line_of(TEXT)}", OWN)


def test_what_we_sign_is_exactly_what_the_specifications_say() -> None:
    checkpoint = notes.Checkpoint(origin=ORIGIN, size=42, root=sha256(b"").digest())
    note = notes.sign(checkpoint, SEED)
    assert note == f"{ORIGIN}\n42\n{ROOT}\n\n{line_of(TEXT)}"
    text, _, line = note.rpartition("\n\n")
    dash, name, encoded = line.split(" ")
    raw = base64.b64decode(encoded)
    public = crypto.public_key(SEED)
    assert (dash, name) == ("\u2014", ORIGIN)
    assert raw[:4] == sha256(ORIGIN.encode() + b"\n\x01" + public).digest()[:4]
    Ed25519PublicKey.from_public_bytes(public).verify(raw[4:], (text + "\n").encode())
    assert notes.open_(note, OWN) == checkpoint


def test_the_tree_of_no_leaves_has_size_zero() -> None:
    assert notes.open_(signed(f"{ORIGIN}\n0\n{ROOT}\n"), OWN).size == 0


def test_the_largest_size_is_that_of_a_signed_number() -> None:
    assert notes.open_(signed(f"{ORIGIN}\n{2**63 - 1}\n{ROOT}\n"), OWN).size == 2**63 - 1


def test_extension_lines_are_signed_and_not_looked_at() -> None:
    text = f"{TEXT}first\nsecond — line\n"
    assert notes.open_(signed(text), OWN).size == 42
    with pytest.raises(IntegrityFailure):
        notes.open_(f"{text}third\n\n{line_of(text)}", OWN)


MALFORMED_TEXTS = {
    "leading zero": f"{ORIGIN}\n042\n{ROOT}\n",
    "two zeros": f"{ORIGIN}\n00\n{ROOT}\n",
    "no size": f"{ORIGIN}\n\n{ROOT}\n",
    "sign": f"{ORIGIN}\n+42\n{ROOT}\n",
    "negative": f"{ORIGIN}\n-1\n{ROOT}\n",
    "blank in size": f"{ORIGIN}\n42 \n{ROOT}\n",
    "underscore": f"{ORIGIN}\n4_2\n{ROOT}\n",
    "other digits": f"{ORIGIN}\n\u0664\u0662\n{ROOT}\n",
    "superscript": f"{ORIGIN}\n\u00b2\n{ROOT}\n",
    "hexadecimal": f"{ORIGIN}\n0x2a\n{ROOT}\n",
    "2**63": f"{ORIGIN}\n{2**63}\n{ROOT}\n",
    "2**64": f"{ORIGIN}\n{2**64}\n{ROOT}\n",
    "5000 digits": f"{ORIGIN}\n{'9' * 5000}\n{ROOT}\n",
    "short root": f"{ORIGIN}\n42\n{base64.b64encode(bytes(31)).decode()}\n",
    "long root": f"{ORIGIN}\n42\n{base64.b64encode(bytes(33)).decode()}\n",
    "root without padding": f"{ORIGIN}\n42\n{ROOT[:-1]}\n",
    "root with too much padding": f"{ORIGIN}\n42\n{ROOT}=\n",
    "root with a blank": f"{ORIGIN}\n42\n{ROOT[:9]} {ROOT[9:]}\n",
    "root for URLs": f"{ORIGIN}\n42\n{'_' + ROOT[1:]}\n",
    "root not base64": f"{ORIGIN}\n42\n{'*' * 44}\n",
    "no root": f"{ORIGIN}\n42\n",
    "no origin": f"\n42\n{ROOT}\n",
    "one line": f"{ORIGIN}\n",
    "nothing": "\n",
    "CRLF": f"{ORIGIN}\r\n42\r\n{ROOT}\r\n",
    "CRLF behind the origin": f"{ORIGIN}\r\n42\n{ROOT}\n",
    "control character": f"{ORIGIN}\n42\n{ROOT}\nx\x1b[2J\n",
    "tab": f"{ORIGIN}\n42\n{ROOT}\nx\ty\n",
    "NUL": f"{ORIGIN}\n42\n{ROOT}\n\0\n",
    "empty extension line": f"{ORIGIN}\n42\n{ROOT}\n\nextension\n",
}


@pytest.mark.parametrize("text", MALFORMED_TEXTS.values(), ids=list(MALFORMED_TEXTS))
def test_a_malformed_text_is_refused_though_it_is_signed(text: str) -> None:
    with pytest.raises(Invalid):
        notes.open_(signed(text), OWN)


LINE = line_of(TEXT)
MALFORMED_NOTES = {
    "empty": "",
    "text alone": TEXT,
    "no signature": f"{TEXT}\n",
    "no blank line": f"{TEXT}{LINE}",
    "two blank lines": f"{TEXT}\n\n{LINE}",
    "no last newline": f"{TEXT}\n{LINE[:-1]}",
    "CRLF": f"{TEXT}\n{LINE}".replace("\n", "\r\n"),
    "CRLF at the end": f"{TEXT}\n{LINE[:-1]}\r\n",
    "garbage behind": f"{TEXT}\n{LINE}garbage\n",
    "garbage behind, without newline": f"{TEXT}\n{LINE}garbage",
    "garbage after a blank line": f"{TEXT}\n{LINE}\ngarbage\n",
    "blank line behind": f"{TEXT}\n{LINE}\n",
    "garbage in the line": f"{TEXT}\n{LINE[:-1]} garbage\n",
    "hyphen": f"{TEXT}\n-{LINE[1:]}",
    "no blank after the dash": f"{TEXT}\n{LINE.replace('— ', '—')}",
    "two blanks": f"{TEXT}\n{LINE.replace('— ', '—  ')}",
    "no name": f"{TEXT}\n— {LINE.split(' ')[2]}",
    "name with a blank": f"{TEXT}\n— Bad Name {LINE.split(' ')[2]}{LINE}",
    "name with a plus": f"{TEXT}\n— Bad+Name {LINE.split(' ')[2]}{LINE}",
    "name with another blank": f"{TEXT}\n— Bad\u2003Name {LINE.split(' ')[2]}{LINE}",
    "signature not base64": f"{TEXT}\n— other ***\n{LINE}",
    "signature of another, cut": f"{TEXT}\n— other AAA\n{LINE}",
    "signature of another, too short": f"{TEXT}\n— other AAAA\n{LINE}",
    "line separator": f"{TEXT}\n{LINE[:-1]}\u2028{LINE}",
    "form feed": f"{TEXT}\n{LINE[:-1]}\f{LINE}",
    "byte order mark": f"\ufeff{TEXT}\n{LINE}",
}


@pytest.mark.parametrize("note", MALFORMED_NOTES.values(), ids=list(MALFORMED_NOTES))
def test_a_malformed_note_is_refused(note: str) -> None:
    with pytest.raises((Invalid, IntegrityFailure)):
        notes.open_(note, OWN)


def test_a_note_with_anything_before_it_is_not_the_note_that_was_signed() -> None:
    for before in ("x", "x\n", " ", "\n", "\x01", "a\n1\n" + ROOT + "\n"):
        with pytest.raises((Invalid, IntegrityFailure)):
            notes.open_(f"{before}{TEXT}\n{LINE}", OWN)


def test_a_note_of_the_go_package_that_is_no_checkpoint_is_none() -> None:
    with pytest.raises(Invalid):
        notes.open_(f"{PETER_TEXT}\n{PETER_LINE}", notes.verifier(PETER))


def test_the_vaults_checkpoint_verifies_by_the_key_that_it_prints(home: Home) -> None:
    home.add(login="ann")
    key = notes.verifier(home.ok("audit key").out)
    answer = home.ok("audit key --json").json
    assert answer == {"vault_id": answer["vault_id"], "key": key.text()}
    note = home.ok("audit checkpoint").out
    head = home.ok("audit head --json").json
    found = notes.open_(note, key)
    assert (found.origin, found.size) == (f"bunkerctl/{head['vault_id']}", head["size"])
    assert found.root.hex() == head["root"]
    assert home.ok("audit checkpoint --json").json == {**head, "checkpoint": note}


def test_neither_a_checkpoint_nor_the_key_changes_with_the_master_key(home: Home) -> None:
    note, key = home.ok("audit checkpoint").out, home.ok("audit key").out
    home.ok("key rotate --no-recovery --yes")
    assert home.ok("audit key").out == key
    home.ok("audit verify --against -", note)


def test_the_trail_is_held_against_a_note_a_head_or_an_anchor(home: Home) -> None:
    kept = [
        home.ok(line).out
        for line in ("audit checkpoint", "audit checkpoint --json", "audit head --json")
    ]
    anchor = kept[1]
    for number in range(5):
        home.add(login=f"u{number}")
        anchor += home.ok("audit checkpoint --json").out
    for text in (*kept, anchor):
        found = home.ok("audit verify --json --against -", text).json
        assert (found["ok"], found["first_bad"]) == (True, None)
    assert found["consistency"] == []
    earlier = home.ok("audit verify --json --against -", kept[0]).json
    proof = [base64.b64decode(node) for node in earlier["consistency"]]
    assert len(proof) == 3 and all(len(node) == 32 for node in proof)


def changed(note: str, at: int, to: str) -> str:
    lines = note.split("\n")
    lines[at] = to
    return "\n".join(lines)


NOT_SIGNED: dict[str, tuple[int, Callable[[str], str]]] = {
    "smaller": (7, lambda note: changed(note, 1, "1")),
    "larger": (7, lambda note: changed(note, 1, "99")),
    "another root": (7, lambda note: changed(note, 2, ROOT)),
    "no signature": (7, lambda note: note.rpartition("\n\n")[0] + "\n"),
    "another's signature": (7, lambda note: f"{note.rpartition(chr(10) * 2)[0]}\n\n{PETER_LINE}"),
    "another vault": (2, lambda note: changed(note, 0, f"bunkerctl/{uuid.UUID(int=1)}")),
    "another log": (2, lambda note: changed(note, 0, "go.sum database tree")),
    "no vault": (2, lambda note: changed(note, 0, "bunkerctl/")),
    "CRLF": (2, lambda note: note.replace("\n", "\r\n")),
    "leading zero": (2, lambda note: changed(note, 1, "01")),
    "too large": (2, lambda note: changed(note, 1, str(2**63))),
    "foreign": (2, lambda _note: SUMDB_NOTES[0][1]),
    "garbage": (2, lambda _note: "\x00\u00ff"),
}


@pytest.mark.parametrize(("code", "wrong"), NOT_SIGNED.values(), ids=list(NOT_SIGNED))
def test_the_trail_is_not_held_against_what_the_vault_has_not_signed(
    home: Home, code: int, wrong: Callable[[str], str]
) -> None:
    home.add(login="ann")
    note = home.ok("audit checkpoint").out
    result = home.run("audit verify --against -", wrong(note))
    assert result.code == code, result


def test_a_checkpoint_that_another_key_has_signed_in_the_vaults_name_is_refused(home: Home) -> None:
    found = notes.open_(home.ok("audit checkpoint").out, notes.verifier(home.ok("audit key").out))
    forged = notes.sign(found, SEED)
    result = home.run("audit verify --json --against -", forged)
    assert (result.code, result.error["code"], result.json["ok"]) == (7, "integrity", False)


def test_a_head_and_a_note_that_differ_are_no_anchor(home: Home) -> None:
    old = home.ok("audit checkpoint --json").json
    home.add(login="ann")
    new = home.ok("audit checkpoint --json").json
    mixed = json.dumps({**new, "checkpoint": old["checkpoint"]})
    check_refusal(home.run("audit verify --against -", mixed), 2)


def test_an_anchor_file_of_any_length_is_read_to_its_last_line(home: Home) -> None:
    anchors = home.directory / "anchors"
    home.ok(["config", "set", "audit.anchor", f"file:{anchors}"])
    for _ in range(2):
        home.now += DAY
        home.ok("exp sweep")
    first, last = anchors.read_bytes().splitlines(keepends=True)
    anchors.write_bytes(first * ((1 << 20) // len(first) + 1) + last)
    home.ok(f"audit verify --against {anchors}")


def test_no_note_ends_in_anything_but_the_two_errors() -> None:
    for size in range(len(LINE) + 1):
        for note in (f"{TEXT}\n{LINE[:size]}", f"{TEXT[: size % len(TEXT)]}\n{LINE}"):
            try:
                assert notes.open_(note, OWN).size == 42
            except BunkerError as error:
                assert isinstance(error, Invalid | IntegrityFailure)
