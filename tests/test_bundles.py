"""A person's export as an archive: whole, the same again, and checked without the vault."""

from __future__ import annotations

import csv
import io
import json
import shutil
import stat
import subprocess
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from bunkerctl import bundles, config
from bunkerctl.store import registry, schema
from conftest import DAY, Home
from terminal import on_terminal

NAMES = [
    "READ-ME-FIRST.html",
    "subject.json",
    "subject.schema.json",
    "article15.json",
    "access-history.json",
    "csv/subject.csv",
    "csv/access-history.csv",
    "manifest.json",
    "SHA256SUMS",
]
FORMULAS = {
    "sum": "=1+1",
    "phone": "+4520123456",
    "minus": "-2+3",
    "at": "@SUM(A1)",
    "tab": "\t=1",
    "cr": "\r=1",
    "number": -5,
}


def exported(home: Home, identity: str = "ann", name: str = "ann.zip") -> Path:
    path = home.directory / name
    home.ok(f"export {identity} --format zip --force --out {path}")
    return path


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def part(path: Path, name: str) -> Any:
    return json.loads(members(path)[name])


def table(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


def filled(home: Home) -> str:
    token = home.add(login="ann", email="ann@example.com", name="Ann")
    home.start(token)
    home.ok(f"user hold {token} --reason case --until 2028-01-01")
    home.ok(f"user get {token} --actor bob --reason 'asked on the phone' --ref T-7")
    return token


def test_the_archive_has_its_files_and_sha256sum_accepts_them(home: Home) -> None:
    filled(home)
    path = exported(home)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == NAMES
        for entry in archive.infolist():
            assert entry.date_time == (2027, 1, 15, 8, 0, 0)
            assert entry.external_attr >> 16 == stat.S_IFREG | 0o600
        archive.extractall(home.directory / "out")
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"],
        cwd=home.directory / "out",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"{name}: OK" for name in NAMES[:-1]]


def test_subject_json_is_what_format_json_gives(home: Home) -> None:
    filled(home)
    shutil.copytree(home.vault, home.directory / "copy")
    path = exported(home)
    shutil.rmtree(home.vault)
    (home.directory / "copy").rename(home.vault)
    assert members(path)["subject.json"].decode() == home.ok("export ann").out


def test_subject_json_is_as_its_schema_says(home: Home) -> None:
    for state in ("none", "wait", "cancelled", "retain"):
        token = home.add(login=state, x=None)
        if state != "none":
            exptoken = home.start(token)
            home.ok(
                {"cancelled": f"exp cancel {token}", "retain": f"exp retain {exptoken}"}.get(
                    state, "status"
                )
            )
            home.ok(f"user hold {token} --reason case")
        path = exported(home, token)
        subject, wanted = part(path, "subject.json"), part(path, "subject.schema.json")
        Draft202012Validator.check_schema(wanted)
        schema = Draft202012Validator(wanted)
        schema.validate(subject)
        for name in wanted["properties"]:
            assert not schema.is_valid({key: subject[key] for key in subject if key != name})
            assert not schema.is_valid({**subject, name: 7})
    assert set(wanted["properties"]) == set(subject)


def test_the_schema_of_records_is_there_if_one_is_set(home: Home) -> None:
    filled(home)
    wanted = {"type": "object", "properties": {"name": {"title": "Full name \u202e"}}}
    (home.directory / "person.schema.json").write_text(json.dumps(wanted))
    home.ok(f"config set record.schema {home.directory}/person.schema.json")
    path = exported(home)
    assert part(path, "record.schema.json") == wanted
    assert "record.schema.json" in members(path)["READ-ME-FIRST.html"].decode()
    assert home.ok(f"export verify {path} --json").json["files"] == len(NAMES) + 1


def test_the_same_export_gives_the_same_bytes(home: Home) -> None:
    filled(home)
    shutil.copytree(home.vault, home.directory / "copy")
    first = exported(home).read_bytes()
    shutil.rmtree(home.vault)
    (home.directory / "copy").rename(home.vault)
    assert exported(home).read_bytes() == first
    home.now += DAY
    assert exported(home).read_bytes() != first


def test_each_column_about_a_person_is_in_the_archive_or_left_out_with_a_reason(
    home: Home,
) -> None:
    filled(home)
    path = exported(home)
    subject, manifest = part(path, "subject.json"), part(path, "manifest.json")
    left_out = {one["what"]: one["why"] for one in manifest["omitted"]}
    assert all(left_out.values())
    db = home.database()
    columns = schema.columns(db)
    db.close()
    shown = {holding.table: holding.shown for holding in registry.HOLDINGS}
    for name, of_table in columns.items():
        for column in of_table:
            for place in shown.get(name, {}).get(column, "").split(", "):
                value: Any = subject
                for key in place.split(".") if place else ():
                    value = value[key]
                in_it = bool(place) and value is not None
                reason = left_out.get(f"{name}.{column}") or left_out.get(name)
                assert in_it or reason or name == "drawer", f"{name}.{column}"
                assert not (in_it and reason), f"{name}.{column}"


def test_the_manifest_says_what_made_it_and_counts(home: Home) -> None:
    token = filled(home)
    manifest = part(exported(home), "manifest.json")
    assert list(manifest) == (
        [
            "schema",
            "tool",
            "version",
            "vault_id",
            "token",
            "exported_at",
            "counts",
            "files",
            "omitted",
            "missing",
        ]
    )
    assert manifest["schema"] == "bunkerctl.manifest/1"
    assert manifest["tool"] == "bunkerctl"
    assert manifest["vault_id"] == home.ok("status --json").json["vault_id"]
    assert (manifest["token"], manifest["exported_at"]) == (token, "2027-01-15T08:00:00Z")
    assert manifest["counts"] == {"fields": 3, "identities": 2, "access_history": 5}
    assert list(manifest["files"]) == NAMES[:-2]


def test_events_that_were_pruned_are_named_as_left_out(home: Home) -> None:
    filled(home)
    home.now += 400 * DAY
    home.ok("audit prune --before 1y --yes")
    path = exported(home)
    left_out = {one["what"]: one["why"] for one in part(path, "manifest.json")["omitted"]}
    assert "pruned" in left_out["events 1 to 5"]
    assert "it was pruned" in members(path)["READ-ME-FIRST.html"].decode()
    assert len(part(path, "access-history.json")["events"]) == 1


def test_the_history_says_who_when_and_why(home: Home) -> None:
    token = filled(home)
    path = exported(home)
    history = part(path, "access-history.json")
    assert (history["schema"], history["token"]) == ("bunkerctl.access-history/1", token)
    read = history["events"][3]
    assert (read["action"], read["actor"], read["at"]) == (
        "user.get",
        "bob",
        "2027-01-15T08:00:00Z",
    )
    assert (read["reason"], read["ref"]) == ("asked on the phone", "T-7")
    rows = table(members(path)["csv/access-history.csv"])
    assert [row[2] for row in rows[1:]] == [event["action"] for event in history["events"]]
    assert {len(row) for row in rows} == {len(rows[0])}


def test_article_15_comes_from_the_settings_and_what_is_missing_is_flagged(home: Home) -> None:
    home.start(home.add(login="ann"), "10d")
    result = home.ok(f"export ann --format zip --out {home.directory / 'a.zip'}")
    article = part(home.directory / "a.zip", "article15.json")
    names = [f"privacy.{name}" for name in config.PRIVACY]
    assert article["missing"] == names
    assert all(name in result.err for name in names)
    assert {article[name]["said"] for name in config.PRIVACY} == {None}
    assert article["retention"]["due_at"] == "2027-01-25T08:00:00Z"
    assert len(article["rights"]["by_law"]) == 6

    for name in config.PRIVACY:
        home.ok(["config", "set", f"privacy.{name}", f"{name} one\n{name} two"])
    result = home.ok(f"export ann --format zip --out {home.directory / 'b.zip'}")
    assert "warning" not in result.err
    article = part(home.directory / "b.zip", "article15.json")
    assert article["missing"] == []
    assert article["purposes"] == {"article": "15(1)(a)", "said": ["purposes one", "purposes two"]}
    page = members(home.directory / "b.zip")["READ-ME-FIRST.html"].decode()
    assert all(f"{name} two" in page for name in config.PRIVACY)
    assert "not said this yet" not in page


def test_no_cell_is_a_formula(home: Home) -> None:
    home.add(login="ann", **FORMULAS)
    content = members(exported(home))["csv/subject.csv"]
    cells = dict(table(content))
    for name, value in FORMULAS.items():
        cell = cells[f"user.data.{name}"]
        assert cell == ("\\x0d=1" if name == "cr" else f"'{value}"), name
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), name


def test_a_table_alone_has_the_history_too(home: Home) -> None:
    token = filled(home)
    rows = dict(table(home.ok("export ann --format csv").raw))
    assert rows["user.token"] == token
    assert rows["user.data.name"] == "Ann"
    assert rows["access_history.4.reason"] == "asked on the phone"


@pytest.mark.parametrize("record", [{"x": [[1]] * 2000}, {f"f{n}": n for n in range(21_000)}])
def test_a_record_of_thousands_of_parts_is_not_thousands_of_pages(
    home: Home, record: dict[str, Any]
) -> None:
    home.add(login="ann", **record)
    path = exported(home)
    assert home.ok(f"export verify {path} --json").json["ok"]
    rows = dict(table(members(path)["csv/subject.csv"]))
    assert len(rows) < 20_100
    if "x" in record:
        assert json.loads(rows["user.data.x"]) == record["x"]
    else:
        rest = json.loads(rows["user.data.(all else)"])
        assert rest == {f"f{n}": n for n in range(19_999, 21_000)}


def test_an_archive_is_not_sent_to_a_terminal(home: Home) -> None:
    filled(home)
    code, shown = on_terminal(home, "export ann --format zip", 100)
    assert code == 2
    assert "--out FILE" in shown
    assert home.ok("audit list --action export.user").out == ""


def test_verify_works_without_a_vault_and_from_a_pipe(home: Home) -> None:
    token = filled(home)
    path = exported(home)
    shutil.rmtree(home.vault)
    home.key_file.unlink()
    answer = home.ok(f"export verify {path} --json").json
    assert list(answer) == ["ok", "vault_id", "token", "exported_at", "version", "files"]
    assert (answer["ok"], answer["token"], answer["files"]) == (True, token, 9)
    assert home.ok("export verify - --json", path.read_bytes()).json == answer
    assert home.run("export verify nowhere.zip").code == 9
    assert home.run(f"export verify {home.directory}").code == 9
    assert home.run("export verify").code == 2


def test_no_altered_byte_goes_unseen(home: Home) -> None:
    filled(home)
    whole = exported(home).read_bytes()
    for place in range(0, len(whole), 13):
        altered = bytearray(whole)
        altered[place] ^= 0xFF
        assert home.run("export verify -", bytes(altered)).code == 7, place
    for size in (0, 1, 22, len(whole) // 2, len(whole) - 1):
        assert home.run("export verify -", whole[:size]).code == 7, size
    for around in (b"x" + whole, whole + b"x", whole + whole):
        assert home.run("export verify -", around).code == 7


def rewritten(
    home: Home,
    change: dict[str, bytes | None],
    *,
    honest: bool = True,
    compression: int = zipfile.ZIP_DEFLATED,
) -> int:
    """Return how `verify` ends after files were replaced or taken away; `honest` sums fit them."""
    files = members(exported(home))
    for name, content in change.items():
        if content is None:
            del files[name]
        else:
            files[name] = content
    if honest and "SHA256SUMS" not in change:
        sums(files)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, (2027, 1, 15, 8, 0, 0))
            entry.compress_type = compression
            entry.external_attr = (stat.S_IFREG | 0o600) << 16
            archive.writestr(entry, content)
    return home.run("export verify -", packed.getvalue()).code


def sums(files: dict[str, bytes]) -> None:
    files["SHA256SUMS"] = "".join(
        f"{sha256(content).hexdigest()}  {name}\n"
        for name, content in files.items()
        if name != "SHA256SUMS"
    ).encode()


def test_a_lost_changed_or_foreign_file_is_found(home: Home) -> None:
    filled(home)
    assert rewritten(home, {}, honest=False) == 0
    assert rewritten(home, {}) == 0
    for name in NAMES:
        assert rewritten(home, {name: None}) == 7, name
        assert rewritten(home, {name: b"{}"}, honest=False) == 7, name
    for name in ("more.txt", "../out.txt", "/etc/passwd", "csv/../../x", "csv\\x", "csv/"):
        assert rewritten(home, {name: b""}) == 7, name
    assert rewritten(home, {}, compression=zipfile.ZIP_STORED) == 7


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, 0),
        ({"tool": "x"}, 7),
        ({"schema": "bunkerctl.manifest/2"}, 7),
        ({"token": "x"}, 7),
        ({"counts": {}}, 7),
        ({"exported_at": "2027-01-15T08:00:02Z"}, 7),
        ({"exported_at": "never"}, 7),
        ({"omitted": [{"what": "x"}]}, 7),
        ({"files": {}}, 7),
    ],
    ids=str,
)
def test_a_manifest_that_does_not_fit_the_files_is_found(
    home: Home, changes: dict[str, Any], code: int
) -> None:
    filled(home)
    shutil.copytree(home.vault, home.directory / "copy")
    manifest = part(exported(home), "manifest.json")
    shutil.rmtree(home.vault)
    (home.directory / "copy").rename(home.vault)
    assert rewritten(home, {"manifest.json": json.dumps({**manifest, **changes}).encode()}) == code


def test_a_bomb_is_refused_before_it_is_unpacked(home: Home) -> None:
    filled(home)
    assert rewritten(home, {"subject.json": bytes(300 << 20)}) == 7
    assert rewritten(home, {"subject.json": b"[" * 200_000}) == 7


def test_a_file_twice_is_refused(home: Home) -> None:
    filled(home)
    path = exported(home)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("subject.json", "{}")
    assert home.run(f"export verify {path}").code == 7


def test_every_name_in_an_archive_is_one_that_verify_knows() -> None:
    assert [name for name in bundles.NAMES if name != bundles.RECORD_SCHEMA] == NAMES
