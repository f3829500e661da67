"""The command line: options anywhere, forms of output, errors, help, batches."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex

import pytest

from bunkerctl import __version__
from bunkerctl.cli import grammar, parser
from conftest import Home

COMMANDS = grammar.load_all()
FORMS = ("table", "plain", "json", "jsonl", "csv")
NOBODY = "00000000-0000-4000-8000-000000000000"
PLACES = (
    "{} user get login:ann",
    "user {} get login:ann",
    "user get {} login:ann",
    "user get login:ann {}",
)
JSON_OPTIONS = ("--json", "-o json", "-ojson", "--output json", "--output=json", "-qojson")
USER = "token created_at updated_at version identities data expstatus exptime due_at held"
EXP = "token expstatus exptime due_at exptoken started_at due overdue held retain_url delete_url"
ERASED = "token erased_at reason erased event changed"
EVENT = "seq at action outcome actor os_user host token fields reason ref hash"
PROVEN = "pruned consistency people unchecked bad"
SWEEP = "dry_run guard due erased held failed finished_earlier tokens started_at finished_at"
STATUS = "vault vault_id users waiting due overdue held erased last_sweep next_due key_source"


def newest(home: Home, field: str) -> object:
    return home.ok("audit list --limit 1 -o json").json[0][field]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("option", JSON_OPTIONS)
def test_an_output_option_is_taken_anywhere(home: Home, place: str, option: str) -> None:
    home.add(login="ann")
    assert home.ok(place.format(option)).json["data"] == {"login": "ann"}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("mark", [" ", "="])
def test_options_with_values_are_taken_anywhere(home: Home, place: str, mark: str) -> None:
    home.add(login="ann")
    del home.environment["BUNKERCTL_VAULT"], home.environment["BUNKERCTL_KEY_FILE"]
    options = (
        f"--actor{mark}carol --reason{mark}asked --ref{mark}T-1 --vault{mark}{home.vault}"
        f" --key-file{mark}{home.key_file} --lock-wait{mark}0s --color{mark}never -qy --no-input"
    )
    home.ok(place.format(options))
    home.environment["BUNKERCTL_VAULT"] = str(home.vault)
    assert [newest(home, name) for name in ("actor", "reason", "ref")] == ["carol", "asked", "T-1"]


def test_the_last_of_two_wins_and_json_bears_no_other_form(home: Home) -> None:
    assert home.ok("-o csv status -o json").json["users"] == 0
    home.add(login="ann")
    home.ok("--actor a user get login:ann --actor b")
    assert newest(home, "actor") == "b"
    assert home.ok("status --json -o json").json["users"] == 1
    assert home.run("status --json -o csv").code == 2
    home.environment["BUNKERCTL_OUTPUT"] = "csv"
    assert home.ok("status --json").json["users"] == 1


def test_two_dashes_end_the_options(home: Home) -> None:
    home.ok("user add -- login=-x")
    assert home.ok("user get --json -- login:-x").json["data"] == {"login": "-x"}
    assert home.ok("user get --json -- -x").json["data"] == {"login": "-x"}
    refused = home.run("user get -- --json")
    assert (refused.code, refused.out) == (4, "")
    assert refused.err == "bunkerctl: error: no user with that login\n"
    assert home.run("user get -x").code == 2


def test_the_forms_of_one_thing(home: Home) -> None:
    path = home.directory / "config.toml"
    path.write_text("")
    line = f"--config {path} config set exp.grace 4d"
    expected = {
        "table": f"name     exp.grace\nvalue    4d\npath     {path}\nchanged  yes\n",
        "plain": f"name\texp.grace\nvalue\t4d\npath\t{path}\nchanged\ttrue\n",
        "csv": f"name,value,path,changed\nexp.grace,4d,{path},true\n",
        "json": f'{{"name":"exp.grace","value":"4d","path":"{path}","changed":true}}\n',
    }
    for form, out in {**expected, "jsonl": expected["json"]}.items():
        path.write_text("")
        assert home.ok(f"{line} -o {form}").out == out


def test_the_forms_of_a_list(home: Home) -> None:
    a = home.add(login="a", n="x\ty\nz\x1b")
    b = home.add(login="b", n=None)
    objects = (
        f'{{"token":"{a}","field":"n","value":"x\\ty\\nz\\u001b"}}',
        f'{{"token":"{b}","field":"n","value":null}}',
    )
    expected = {
        "table": (
            f"token{' ' * 33}field  value\n{a}  n      x\\ty\\nz\\x1b\n{b}  n      -\n2 people\n"
        ),
        "plain": f"{a}\tn\tx\\ty\\nz\\x1b\n{b}\tn\t\n",
        "json": f"[\n{objects[0]},\n{objects[1]}\n]\n",
        "jsonl": f"{objects[0]}\n{objects[1]}\n",
        "csv": f'token,field,value\n{a},n,"x\ty\nz\\x1b"\n{b},n,\n',
    }
    for form, out in expected.items():
        assert home.ok(f"user get - --field n -o {form}", "login:a\nlogin:b\n").out == out
    header = USER.replace(" ", ",")
    empty = {"plain": "", "json": "[]\n", "jsonl": "", "csv": f"{header}\n"}
    for form, out in empty.items():
        assert home.ok(f"user list --limit 1 --held -o {form}").out == out
        assert home.ok(f"user get - -o {form}").out == out


def test_every_documented_field_is_there_in_its_order(home: Home) -> None:
    token, other, third, gone = (home.add(login=name) for name in "abcd")
    exptoken, last = home.start(other), home.start(gone)
    for line, fields in (
        ("status", STATUS),
        ("user add login=e", f"{USER} changed"),
        (f"user get {token}", USER),
        (f"user update {token} x=y", f"{USER} changed"),
        (f"user hold {token} --reason case", f"{USER} hold changed"),
        (f"user release {token}", f"{USER} hold changed"),
        (f"exp status {token}", EXP),
        (f"exp cancel {token}", f"{EXP} changed"),
        (f"exp retain {exptoken}", f"{EXP} changed"),
        (f"exp start {other}", f"{EXP} changed"),
        ("exp sweep", SWEEP),
        ("user import -", "read added updated skipped rejected duplicates"),
        ("audit head", "vault_id size root at"),
        ("audit verify", f"ok events head first_bad {PROVEN}"),
        ("audit checkpoint", "vault_id size root at checkpoint"),
        ("audit key", "vault_id key"),
        ("config get exp.max", "name value source"),
        (
            f"export {token}",
            "schema vault_id exported_at user expiration hold"
            " lapsed_hold cancelled_expiration access_history",
        ),
        (f"user forget {third} --yes", ERASED),
        (f"exp delete {last} --yes", ERASED),
    ):
        answer = home.ok(f"{line} --json").json
        assert list(answer) == fields.split(), line
        empty = {"exptime", "due_at", "exptoken", "started_at", "retain_url", "delete_url", "hold"}
        if line.startswith(("exp status", "user get", "user release")):
            assert all(answer[name] is None for name in empty & answer.keys()), line
    for line, fields in (("user list", USER), ("exp list", EXP), ("audit list", EVENT)):
        for one in home.ok(f"{line} --json").json:
            assert list(one) == fields.split()


@pytest.mark.parametrize("line", ["user list", "audit list", "config show", "exp status login:ann"])
@pytest.mark.parametrize("form", ["json", "jsonl", "csv"])
def test_json_and_csv_are_never_coloured(home: Home, line: str, form: str) -> None:
    home.add(login="ann")
    result = home.ok(f"{line} -o {form} --color always")
    assert "\x1b" not in result.out and result.out.endswith("\n")
    if form == "json":
        assert json.JSONDecoder().raw_decode(result.out)[1] == len(result.out) - 1
    if form == "jsonl":
        assert all(isinstance(json.loads(one), dict) for one in result.out.splitlines())


@pytest.mark.parametrize(
    ("options", "environment", "colored"),
    [
        ("", {}, True),
        ("", {"NO_COLOR": ""}, True),
        ("", {"NO_COLOR": "1"}, False),
        ("", {"TERM": "dumb"}, False),
        ("--color never", {}, False),
        ("--color always", {"NO_COLOR": "1", "TERM": "dumb"}, True),
    ],
)
def test_a_terminal_gets_a_table(
    home: Home, options: str, environment: dict[str, str], colored: bool
) -> None:
    master, slave = pty.openpty()
    result = home.process(f"config show {options}", environment=environment, stdout=slave)
    assert (result.code, result.err) == (0, "")  # else there is nothing to read
    seen = os.read(master, 65536).decode()
    os.close(slave)
    os.close(master)
    assert ("\x1b" in seen) is colored
    assert re.match(r"name +value +source *\r\n", re.sub(r"\x1b\[[0-9;]*m", "", seen))


@pytest.mark.parametrize(
    "line",
    [
        "user get login:ann",
        "user get login:ann --json",
        "user list -o table",
        "user get - -o csv",
        "exp list",
        "exp sweep --dry-run",
        "exp sweep",
        "status",
        "config show",
        "export --all --yes",
        "audit list --limit 1 --action vault.init -o jsonl",
        "user get login:none --json",
    ],
)
def test_quiet_and_debug_never_change_standard_output(home: Home, line: str) -> None:
    home.start(home.add(login="ann"))
    outputs = {home.run(f"{line} {how}", "login:ann\n").out for how in ("", "--quiet", "--debug")}
    assert len(outputs) == 1
    loud, quiet = (home.run(f"{line} {how}", "login:ann\n").err for how in ("", "-q"))
    assert len(quiet) <= len(loud)


# Words that are not known, too few or too many.

CANARY = "canary@example.com"


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        (f"usr get {CANARY}", "did you mean `bunkerctl user`?"),
        (f"user gett {CANARY}", "did you mean `bunkerctl user get`?"),
        (f"exp sweeep {CANARY}", "did you mean `bunkerctl exp sweep`?"),
        (CANARY, "bunkerctl --help"),
        (f"user {CANARY}", "bunkerctl user --help"),
        (f"user get {CANARY} --feild x", "did you mean --field?"),
        (f"user get {CANARY} --jsn", "did you mean --json?"),
        (f"--valt {CANARY} status", "did you mean --vault?"),
        (f"user get --{CANARY}", "see --help"),
        (f"user get {CANARY} -X{CANARY}", "see --help"),
        (f"user get {CANARY} --json={CANARY}", None),
        (f"user get {CANARY} --field", None),
        ("user get", "bunkerctl user get --help"),
        (f"user get {CANARY} {CANARY}", "bunkerctl user get --help"),
        (f"status {CANARY}", "bunkerctl status --help"),
        ("config set exp.grace", "bunkerctl config set --help"),
        (f"exp retain {NOBODY} {CANARY}", "bunkerctl exp retain --help"),
        (f"user add --data {CANARY} {CANARY}=x", None),
        (f"user add {CANARY}", None),
    ],
)
def test_a_line_that_is_not_understood_gets_a_hint_and_no_echo(
    home: Home, line: str, hint: str | None
) -> None:
    refused = home.run(line)
    assert (refused.code, refused.out) == (2, "")
    assert CANARY not in refused.err and "canary" not in refused.err
    lines = refused.err.splitlines()
    assert lines[0].startswith("bunkerctl: error: ")
    assert hint is None or lines[1:] == [f"bunkerctl: hint: {hint}"]
    told = home.run(["--json", *shlex.split(line)])
    assert (told.code, told.error["code"], told.error["hint"]) == (2, "usage", told.error["hint"])
    assert hint is None or told.error["hint"] == hint


# Help.


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_each_command_has_help(bare: Home, words: tuple[str, ...]) -> None:
    bare.environment["BUNKERCTL_CONFIG"] = "/nowhere"  # help needs no settings
    texts = {
        bare.ok([*words, "--help"]).out,
        bare.ok([*words, "-h"]).out,
        bare.ok([*words, "--json", "-h", "login:ann"]).out,
    }
    assert len(texts) == 1
    text = texts.pop()
    assert text.startswith(f"Usage: bunkerctl {' '.join(words)}")
    assert " ".join(" ".join(COMMANDS[words].text()).split()) in " ".join(text.split())
    assert all(option.names[-1] in text for option in COMMANDS[words].options)
    assert max(map(len, text.splitlines())) <= 80
    assert "Traceback" not in text


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_each_example_is_a_line_that_the_program_understands(words: tuple[str, ...]) -> None:
    _, _, examples = "\n".join(COMMANDS[words].text()).partition("Examples:")
    lines = re.findall(r"bunkerctl ([^|<>\n]*)", examples)
    for line in lines:
        assert parser.parse(shlex.split(line)).words == words


@pytest.mark.parametrize(
    "words", [(), *[tuple(group.split()) for group in grammar.GROUPS]], ids=" ".join
)
def test_the_program_and_each_group_alone_show_help(bare: Home, words: tuple[str, ...]) -> None:
    text = bare.ok(list(words)).out
    assert text == bare.ok([*words, "--help"]).out == bare.ok([*words, "-h", "-q"]).out
    assert text.startswith(" ".join(("Usage: bunkerctl", *words, "COMMAND")))
    assert max(map(len, text.splitlines())) <= 100
    inside = [found for found in COMMANDS if found[: len(words)] == words]
    assert all(re.search(rf"^  {found[len(words)]} ", text, re.MULTILINE) for found in inside)


def test_help_and_version_are_taken_anywhere(bare: Home) -> None:
    for line in ("-h user get x", "user --help get x", "user get x --help", "--help --json"):
        assert bare.ok(line).out.startswith("Usage: bunkerctl")
    for line in ("--version", "user --version", "user get --version", "user get x --version"):
        assert bare.ok(line).out == f"bunkerctl {__version__}\n"
