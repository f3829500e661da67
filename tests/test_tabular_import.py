"""Importing what people really have: CSV of every kind, other encodings, names and types."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import messy
from conftest import Home, Result

COUNTS = ("read", "added", "updated", "skipped", "rejected", "duplicates")
ROWS = 100_000 if os.environ.get("BUNKERCTL_TORTURE") else 500
FLAT = """
import sys
from bunkerctl import intake

wanted = intake.Format(form=sys.argv[2], encoding=None, delimiter=None)
shape = intake.Shape(names={}, types={}, constants={})
rows = bad = 0
with open(sys.argv[1], "rb") as file:
    for _, _, said in intake.open_(file, wanted, shape).rows():
        rows += 1
        bad += not isinstance(said, dict)
with open("/proc/self/status") as status:
    peak = next(line.split()[1] for line in status if line.startswith("VmHWM:"))
print(rows, bad, peak)
"""


def counts(result: Result) -> tuple[int, ...]:
    assert tuple(result.json) == COUNTS
    return tuple(result.json.values())


def records(home: Home) -> list[dict[str, object]]:
    """Return the records of everybody, in the order of their logins and addresses."""
    lines = home.ok("user list --reveal -o jsonl").out.splitlines()
    found = [json.loads(line)["data"] for line in lines]
    return sorted(found, key=lambda record: str(record.get("login", record.get("email"))))


def put(home: Home, name: str, content: bytes | str) -> Path:
    path = home.directory / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# A messy file, of which everything is known.


@pytest.mark.parametrize("form", messy.FORMS)
def test_every_row_of_a_messy_file_becomes_what_it_must(home: Home, form: str) -> None:
    for number in range(messy.EARLIER):
        home.add(email=f"stands-{number}@example.com")
    file = messy.generate(messy.FORMS[form], ROWS, seed=7)
    assert file.kinds.keys() == messy.FAULTS.keys()
    path, rejects = put(home, "messy.csv", bytes(file.content)), home.directory / "rejects.csv"
    encoding = {"windows-1252": "--encoding windows-1252", "old-mac": "--encoding macintosh"}
    line = f"user import {path} {messy.OPTIONS} {encoding.get(form, '')} --json"

    dry = home.run(f"{line} --dry-run --rejects {home.directory / 'dry.csv'}")
    assert home.ok("status --json").json["users"] == messy.EARLIER
    real = home.run(f"{line} --rejects {rejects}")
    assert (real.code, dry.code) == (3, 3)
    assert (dry.out, dry.err) == (real.out, real.err)
    assert (home.directory / "dry.csv").read_bytes() == rejects.read_bytes()
    bad = len(file.rejected)
    assert counts(real) == (file.read, len(file.records), 0, 0, bad, file.duplicates)
    told = [text for text in real.err.splitlines() if text.startswith("bunkerctl: ")]
    for found, (number, reason) in zip(told, file.rejected, strict=True):
        assert re.sub("taken by .{36}$", "taken by ...", found) == (
            f"bunkerctl: error: line {number}: {reason}"
        )
    added = [record for record in records(home) if len(record) > 1]
    key = lambda record: record["email"]  # noqa: E731
    assert sorted(added, key=key) == sorted(file.records.values(), key=key)

    again = home.run(line.replace(str(path), str(rejects)))
    assert again.json["read"] == again.json["rejected"] == bad
    assert stat.S_IMODE(rejects.stat().st_mode) == 0o600


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize(
    ("form", "begin", "row", "expected"),
    [
        ("csv", "email,note\n", 'ann@example.com,"x\n""y"""\n', (0, 0)),
        ("csv", "email,note\n", "ann@example.com,x,y\n", (1, 0)),
        ("csv", 'email,note\nann@example.com,"', "behind an open quote\n", (1, 1)),
        ("csv", "email,note\n", "one line without an end ", (1, 1)),
        ("jsonl", "", '{"email":"ann@example.com"}\n', (0, 0)),
        ("jsonl", "\ufeff", '{"email":"ann@example.com"}\n', (0, 0)),
        ("jsonl", "", "one line without an end ", (1, 1)),
    ],
)
def test_a_file_of_any_size_is_read_with_flat_memory(
    tmp_path: Path, form: str, begin: str, row: str, expected: tuple[int, int]
) -> None:
    """`expected` are the share of rows that is rejected, and the rows, if that is known."""
    path = tmp_path / "big"
    with path.open("w", encoding="utf-8") as file:
        file.write(begin)
        for _ in range(16):
            file.write(row * (1024 * 1024 // len(row)))
    done = subprocess.run(
        [sys.executable, "-c", FLAT, path, form], capture_output=True, text=True, check=True
    )
    rows, bad, kibibytes = map(int, done.stdout.split())
    share, count = expected
    assert bad == share * rows
    assert rows == count or count == 0 < rows
    assert kibibytes < 120 * 1024  # of a row 10 MiB are kept: as lines, as text and as bytes


# What a file may be like.


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("a.csv", "login,ort\nann,Köln\n", ""),
        ("a.CSV", "login;ort\r\nann;Köln\r\n", ""),
        ("a.tsv", "login\tort\nann\tKöln", ""),
        ("a.csv", "login|ort\rann|Köln\r", ""),
        ("a.csv", '"login";"ort"\n"ann";"Köln"\n', "--delimiter ;"),
        ("a.csv", "login, ort \nann,Köln\n", ""),
        ("a.txt", "login\tort\nann\tKöln\n", "--format csv --delimiter tab"),
        ("a", '{"login":"ann","ort":"Köln"}', ""),
        ("a.jsonl", '{"login":"ann","ort":"Köln"}\r\n\r\n', ""),
        ("a.csv", '{"login":"ann","ort":"Köln"}\n', "--format jsonl"),
    ],
)
@pytest.mark.parametrize(
    ("mark", "encoding", "told"),
    [
        (b"", "utf-8", ""),
        (b"\xef\xbb\xbf", "utf-8", ""),
        (b"\xff\xfe", "utf-16-le", ""),
        (b"\xfe\xff", "utf-16-be", "--encoding windows-1252"),
        (b"", "utf-16-le", "--encoding UTF-16"),
        (b"", "cp1252", "--encoding windows-1252"),
        (b"", "latin-1", "--encoding latin1"),
        (b"\xef\xbb\xbf", "utf-8", "--encoding cp1252"),
    ],
)
def test_a_file_is_read_in_any_form_and_encoding(
    home: Home, name: str, content: str, options: str, mark: bytes, encoding: str, told: str
) -> None:
    path = put(home, name, mark + content.encode(encoding))
    assert counts(home.ok(f"user import {path} {options} {told} --json")) == (1, 1, 0, 0, 0, 0)
    assert records(home) == [{"login": "ann", "ort": "Köln"}]


def test_standard_input_is_read_as_any_file(home: Home) -> None:
    given = "email;name\nann@example.com;Zoë\n".encode("utf-16")
    home.ok("user import - --format csv", given)
    home.ok("user import -", b'\xef\xbb\xbf{"login":"bob"}')
    assert records(home) == [{"email": "ann@example.com", "name": "Zoë"}, {"login": "bob"}]
    with home.spawn("user import - --format csv --json") as process:
        assert process.stdin and process.stdout
        process.stdin.write(b"lo")  # a pipe may give less than was asked for
        process.stdin.flush()
        process.stdin.write(b"gin\ncid\n")
        process.stdin.close()
        assert json.loads(process.stdout.read())["added"] == 1


def test_an_empty_cell_is_an_absent_field(home: Home) -> None:
    home.add(login="ann", age=41, city="Bonn")
    home.ok("user import - --format csv --on-conflict update", "login,age,city\nann, ,Köln\n")
    assert records(home) == [{"login": "ann", "age": 41, "city": "Köln"}]


def test_fields_are_renamed_left_out_typed_and_set(home: Home) -> None:
    given = (
        "User Name,E-mail,n,x,yes,raw,notes,number\n"
        """'=x,'+y@example.com, 7 ,-1.50,TRUE,"[1,{""a"":null}]",secret,0049\n"""
    )
    home.ok(
        "user import - --format csv --map 'User Name=login' --map E-mail=email --map notes= "
        "--type n=int --type x=number --type yes=bool --type raw=json --type number=text "
        "--set source=crm --set vip:=true --set n:=8",
        given,
    )
    assert records(home) == [
        {
            "login": "=x",
            "email": "+y@example.com",
            "n": 8,
            "x": -1.5,
            "yes": True,
            "raw": [1, {"a": None}],
            "number": "0049",
            "source": "crm",
            "vip": True,
        }
    ]
    assert '"x":-1.50,' in home.ok("user get login:=x --json").out


def test_json_lines_are_renamed_and_set_too(home: Home) -> None:
    home.add(login="old", Notes="x")
    exported = home.ok("export --all --yes").out
    home.ok("user forget old --yes")
    lines = ['{"User":"ann","Notes":"x"}', '{"User":"bob","login":"bob"}', "[1]", exported]
    result = home.run(
        "user import - --map User=login --map Notes= --set source=crm", "\n".join(lines)
    )
    assert result.code == 3
    assert "line 2: two keys of the line become one field\n" in result.err
    assert "line 3: the line is not a JSON object\n" in result.err
    assert "line 4: the line's token belongs to an erased person\n" in result.err
    assert records(home) == [{"login": "ann", "source": "crm"}]
    other = json.loads(exported) | {"token": "0" * 8 + "-0000-4000-8000-" + "0" * 12}
    home.ok("user import - --map User=login --map Notes= --set source=crm", json.dumps(other))
    assert records(home)[1] == {"login": "old", "source": "crm"}
    assert json.loads(home.ok(f"user get {other['token']} --json").out)["version"] == 1


# What is refused before anything is read or written.


@pytest.mark.parametrize(
    "options",
    [
        "--format xml",
        "--encoding nonsense",
        "--encoding rot13",
        "--encoding utf-7",
        "--delimiter x",
        "--delimiter ,,",
        "--map email",
        "--map =email",
        "--map a=email --map a=login",
        "--map ' a=x' --map 'a =y'",
        "--type age",
        "--type age=date",
        "--type =int",
        "--type age=int --type age=text",
        "--set source",
        "--set source:=crm",
        "--set a=1 --set a=2",
        "--set =x",
        "--format jsonl --type age=int",
        "--format jsonl --delimiter ,",
        "--on-conflict never",
    ],
)
def test_bad_options_are_refused_before_anything_is_read(home: Home, options: str) -> None:
    events = home.ok("audit head --json").json["size"]
    rejects = home.directory / "rejects.csv"
    result = home.run(f"user import /nowhere.csv {options} --rejects {rejects} --json")
    assert (result.code, result.out) == (2, ""), result
    assert not rejects.exists()
    assert home.ok("audit head --json").json["size"] == events


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", "", "there is no header line"),
        ("\n\nemail\n", "", "there is no header line"),
        ("email,\n", "", "column 2 of the header has no name"),
        ("email,a, a\n", "", "columns 2 and 3 of the header have the same name"),
        ("email,a;b\nx", "", "the header line does not tell the delimiter"),
        ('email,"a\nx', "", "the header line has a quote out of place"),
        ('email,"a"b\nx', "", "the header line has a quote out of place"),
        (
            "name,age\n",
            "",
            "no column is called email, phone, login, custom",
        ),
        ("email,age\n", "--map Age=age", "the header has no column as --map number 1 names it"),
        ("email,a,b\n", "--map a=b", "columns 2 and 3 become one field"),
        (
            "email,a\n",
            "--type a=int --type b=int",
            "no column becomes the field of --type num",
        ),
        ("email,a\n", "--map a= --type a=int", "no column becomes the field of --type number 1"),
        ("email,a\n", "--delimiter ;", "no column is called"),
        (b"email,\xff\n", "", "the header line is not UTF-8"),
        ("email\n".encode("utf-16-le"), "", "the header line has a NUL character"),
        ('"' + "x" * (10 * 1024 * 1024) + '",email\n', "", "the header line is too long"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(
    home: Home, content: str | bytes, options: str, message: str
) -> None:
    rejects = home.directory / "rejects.csv"
    path = put(home, "a.csv", content)
    result = home.run(f"user import {path} {options} --rejects {rejects} --json")
    assert (result.code, result.out, result.error["code"]) == (2, "", "invalid"), result
    assert result.error["message"].startswith(message)
    assert not rejects.exists()


def test_a_header_alone_is_a_file_of_nobody(home: Home) -> None:
    rejects = home.directory / "rejects.csv"
    path = put(home, "a.csv", "email,name")
    result = home.ok(f"user import {path} --rejects {rejects} --json")
    assert counts(result) == (0, 0, 0, 0, 0, 0)
    assert rejects.read_text() == "email,name\n"


# The rejected lines, and the second run.


def test_rejects_are_mended_and_imported_with_the_same_options(home: Home) -> None:
    header = "User;Alter;Größe\r\n"
    rows = ["ann;41;1\r\n", "bob;x;Zoë\r\n", ';1;"two\r\nlines"\r\n', 'cid;"a"b;']
    path = put(home, "a.csv", (header + "".join(rows)).encode("cp1252"))
    options = "--encoding windows-1252 --map User=login --type Alter=int"
    rejects = home.directory / "b.csv"
    assert counts(home.run(f"user import {path} {options} --rejects {rejects} --json")) == (
        *(4, 1, 0, 0),
        *(3, 0),
    )
    assert rejects.read_bytes().decode("utf-8-sig") == header + "".join(rows[1:]) + "\n"
    mended = rejects.read_text("utf-8-sig").replace(";x;", ";7;").replace('"a"b', "8")
    rejects.write_text(mended.replace("\n;1;", "\neve;1;"), "utf-8-sig")
    assert counts(home.ok(f"user import {rejects} {options} --json")) == (3, 3, 0, 0, 0, 0)
    assert [record["Größe"] for record in records(home)[:2]] == ["1", "Zoë"]


def test_rejects_of_json_lines_say_what_they_are_in(home: Home) -> None:
    for name, encoding, mark in (("a", "utf-8", b""), ("b", "utf-16", b"\xef\xbb\xbf")):
        path = put(home, name, '{"x":"ö"}\r\n[2\r\r\n'.encode(encoding))
        rejects = home.directory / f"{name}.rejects"
        assert home.run(f"user import {path} --rejects {rejects}").code == 3
        assert rejects.read_bytes().replace(b"\r", b"") == mark + '{"x":"ö"}\n[2\n'.encode()
        assert home.run(f"user import {rejects} --json").json["rejected"] == 2


def test_rejects_never_replace_a_file_and_nothing_is_done_then(home: Home) -> None:
    path = put(home, "a.csv", "login\nann\n")
    rejects = put(home, "b.csv", "mine")
    assert home.run(f"user import {path} --rejects {rejects}").code == 5
    assert (rejects.read_text(), home.ok("status --json").json["users"]) == ("mine", 0)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("error", (1, 0, 0, 4)), ("skip", (1, 0, 4, 0)), ("update", (1, 4, 0, 0))],
)
def test_duplicates_inside_a_file_are_counted_whatever_becomes_of_them(
    home: Home, policy: str, expected: tuple[int, ...]
) -> None:
    home.add(login="old")
    given = "login,email,n\nann,a@example.com,1\nold,,1\n ann,,2\nann,A@EXAMPLE.com,2\nold,,3\n"
    line = f"user import - --format csv --on-conflict {policy} --json"
    dry = home.run(f"{line} --dry-run", given)
    real = home.run(line, given)
    assert dry.json == real.json
    assert counts(real) == (5, *expected, 3)
    if policy == "error":
        told = [line.removeprefix("bunkerctl: error: ") for line in real.err.splitlines()[:-1]]
        assert told[1:4] == [
            "line 4: it is about the person of line 2",
            "line 5: it is about the person of line 2",
            "line 6: it is about the person of line 3",
        ]


def test_an_import_of_a_table_is_one_event_a_person_and_one_for_it(home: Home) -> None:
    home.run("user import - --format csv", "login,a\nann,1\nbob\nann,2\n")
    events = home.ok("audit list --json").json
    assert [(one["action"], one["outcome"], one["fields"]) for one in events[-3:]] == [
        ("user.add", "ok", ["a", "login"]),
        ("user.add", "refused", None),
        ("user.import", "ok", None),
    ]
    counted = home.ok(f"audit show {events[-1]['seq']} --json").json["counts"]
    assert counted == dict(zip(COUNTS, (3, 1, 0, 0, 2, 1), strict=True))
