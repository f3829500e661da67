"""Recovery: the code on paper, that nothing else shows it, and the key put back by it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bunkerctl import crypto, directory
from bunkerctl.keys import code
from conftest import EXECUTABLE, Home, Result
from desktop import Desktop, log_in, needs_desktop
from killing import Step, interfered, killed, needs_strace, steps
from refusals import check_refusal
from residue import found
from terminal import CODE, Terminal
from test_keyring import entries

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act for another owner")
needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc")

ASKED = "Type its last group: "
WARNING = "bunkerctl: no recovery code was made: whoever loses the key loses the records\n"
NOBODY = 65534


def code_in(path: Path) -> str:
    return path.read_text().splitlines()[-1]


def header(home: Home) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((home.vault / "vault.json").read_bytes())
    return said


def files(place: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def outcomes(home: Home, action: str) -> list[str]:
    """Ask in a process: the key may be in a keyring."""
    events = home.process(f"audit list --action {action} --json").json
    return [str(event["outcome"]) for event in events]


def slip(text: str) -> str:
    """Return a code with one letter that is another."""
    return text[:-1] + ("0" if text[-1] != "0" else "2")


def verify(home: Home, text: str) -> int:
    return home.run("key recovery verify --recovery-file -", text).code


def check_told(result: Result, exit_code: int, text: str) -> None:
    """Check a refusal that does not repeat what was typed, nor any code."""
    check_refusal(result, exit_code)
    assert not re.search(CODE, result.err.upper()) and (not text or text not in result.err), result


@pytest.fixture
def coded(bare: Home) -> Home:
    """A place with a vault, a key file, and a recovery code in the file `code`."""
    bare.ok(f"init --recovery-file {bare.directory}/code")
    return bare


@pytest.fixture
def paper(coded: Home) -> str:
    """The recovery code of that vault."""
    return code_in(coded.directory / "code")


@pytest.fixture
def other_paper(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The recovery code of another vault."""
    other = Home(tmp_path_factory.mktemp("other"))
    other.ok(f"init --recovery-file {other.directory}/code")
    return code_in(other.directory / "code")


@pytest.fixture(scope="module")
def desktop() -> Iterator[Desktop]:
    with Desktop() as running:
        yield running


# init, at a terminal


def test_init_shows_the_code_once_and_has_its_last_group_typed_back(bare: Home) -> None:
    with Terminal(bare, "init") as terminal:
        shown = terminal.see(CODE)
        terminal.see(ASKED)
        assert list(bare.directory.iterdir()) == []
        terminal.type(f"{shown[-4:]}\n")
        assert terminal.end() == 0
    assert terminal.shown.count(shown) == 1
    assert terminal.shown.count(ASKED) == 1
    assert terminal.shown.index(shown) < terminal.shown.index(ASKED)
    assert "vault_id" in terminal.shown and "no recovery" not in terminal.shown
    assert verify(bare, shown) == 0
    assert header(bare)["recovery"]["made_at"]


@pytest.mark.parametrize("option", ["", "--json", "-q", "-o plain"])
def test_the_code_never_goes_to_standard_output(bare: Home, option: str) -> None:
    with Terminal(bare, f"init {option}", stdout=subprocess.PIPE) as terminal:
        shown = terminal.see(CODE)
        terminal.see(ASKED)
        terminal.type(f"{shown[-4:]}\n")
        assert terminal.end() == 0
        assert terminal.process.stdout is not None
        out = terminal.process.stdout.read().decode()
    assert bare.vault.name in out
    assert not any(form in out.encode() for form in forms(shown))


@pytest.mark.parametrize("typed", [str.lower, lambda text: f" {text[:2]}-{text[2:]}  "])
def test_the_last_group_may_be_typed_as_a_code_may(bare: Home, typed: Any) -> None:
    with Terminal(bare, "init") as terminal:
        shown = terminal.see(CODE)
        terminal.see(ASKED)
        terminal.type(f"{typed(shown[-4:])}\n")
        assert terminal.end() == 0


def test_who_mistypes_the_last_group_is_asked_again(bare: Home) -> None:
    with Terminal(bare, "init") as terminal:
        shown = terminal.see(CODE)
        for turn, typed in enumerate(("wrong", shown[:4], shown[-4:])):
            terminal.see(ASKED, turn + 1)
            terminal.type(f"{typed}\n")
        assert terminal.end() == 0
    assert terminal.shown.count(shown) == 1
    assert terminal.shown.count("not its last group") == 2
    assert verify(bare, shown) == 0


STOPS: dict[str, tuple[list[str], int]] = {
    "wrong": (["wrong\n"] * 3, 6),
    "empty": (["\n"], 6),
    "end-of-file": (["\x04"], 6),
    "wrong-then-end-of-file": (["wrong\n", "\x04"], 6),
    "garbage": (["\u00df\u00df\u00df\u00df\n", "\ufb01\n", "\x1b[A\n"], 6),
    "ctrl-c": (["\x03"], 130),
    "ctrl-c-later": (["wrong\n", "\x03"], 130),
}


@pytest.mark.parametrize("how", STOPS)
def test_a_code_that_is_not_typed_back_leaves_nothing(bare: Home, how: str) -> None:
    typed, expected = STOPS[how]
    with Terminal(bare, "init") as terminal:
        for turn, keys in enumerate(typed):
            terminal.see(ASKED, turn + 1)
            terminal.type(keys)
        assert terminal.end() == expected
    if expected == 6:
        assert "not typed back: nothing was changed" in terminal.shown
    assert list(bare.directory.iterdir()) == []


def test_a_terminal_that_goes_away_leaves_nothing(bare: Home) -> None:
    with Terminal(bare, "init") as terminal:
        terminal.see(ASKED)
        terminal.hang_up()
        assert terminal.process.wait(timeout=30) == 129
    assert list(bare.directory.iterdir()) == []


@needs_desktop
@pytest.mark.parametrize("how", STOPS)
def test_a_code_that_is_not_typed_back_leaves_no_entry_in_the_keyring(
    bare: Home, desktop: Desktop, how: str
) -> None:
    log_in(bare, desktop)
    before = entries(desktop)
    typed, expected = STOPS[how]
    with Terminal(bare, "init") as terminal:
        for turn, keys in enumerate(typed):
            terminal.see(ASKED, turn + 1)
            terminal.type(keys)
        assert terminal.end() == expected
    assert entries(desktop) == before
    assert list(bare.directory.iterdir()) == []


@needs_desktop
def test_at_the_desktop_the_code_recovers_the_key_of_the_keyring(
    bare: Home, desktop: Desktop
) -> None:
    log_in(bare, desktop)
    with Terminal(bare, "init") as terminal:
        shown = terminal.see(CODE)
        terminal.see(ASKED)
        terminal.type(f"{shown[-4:]}\n")
        assert terminal.end() == 0
    assert header(bare)["vault_id"] in entries(desktop)
    bare.environment.pop("DBUS_SESSION_BUS_ADDRESS")
    assert verify(bare, shown) == 0


@pytest.mark.parametrize(
    ("key_file", "message"), [(None, "keyring"), ("{home}/vault/key", "outside")]
)
def test_no_code_is_shown_for_a_vault_that_cannot_be_made(
    bare: Home, key_file: str | None, message: str
) -> None:
    """Whoever has written a code down believes that there is a vault for it."""
    del bare.environment["BUNKERCTL_KEY_FILE"]
    option = f"--key-file {key_file.format(home=bare.directory)}" if key_file else ""
    with Terminal(bare, f"init {option}") as terminal:
        terminal.type("\n\n\n")
        ended = terminal.end()
    assert (ended, re.findall(CODE, terminal.shown)) in [(13, []), (2, [])], terminal.shown
    assert message in terminal.shown


def test_init_into_a_place_that_is_taken_shows_no_code(home: Home) -> None:
    with Terminal(home, "init") as terminal:
        assert terminal.end() == 5
    assert not re.search(CODE, terminal.shown)


# init, with options, and without a terminal


@pytest.mark.parametrize("attended", [True, False])
def test_a_recovery_file_is_for_its_owner_and_says_which_vault_it_is_for(
    bare: Home, attended: bool
) -> None:
    path = bare.directory / "code"
    line = f"init --recovery-file {path}"
    if attended:
        with Terminal(bare, line) as terminal:
            assert terminal.end() == 0
        said = terminal.shown
    else:
        result = bare.process(line)
        assert result.code == 0
        said = result.out + result.err
    label, text = path.read_text().splitlines()
    assert path.stat().st_mode & 0o777 == 0o600
    assert label.startswith("# bunkerctl recovery code") and header(bare)["vault_id"] in label
    assert header(bare)["recovery"]["made_at"] in label
    assert re.fullmatch(CODE, text) and text not in said
    assert ASKED not in said and "no recovery" not in said
    assert bare.run(f"key recovery verify --recovery-file {path}").code == 0


def test_a_recovery_file_that_is_there_is_left_as_it_is(bare: Home) -> None:
    path = bare.directory / "code"
    path.write_text("mine")
    check_refusal(bare.run(f"init --recovery-file {path}"), 5, str(path))
    assert files(bare.directory) == {str(path): b"mine"}


@pytest.mark.parametrize("kind", ["directory", "link", "fifo", "missing"])
def test_what_is_no_place_for_a_recovery_file_is_refused(bare: Home, kind: str) -> None:
    path = bare.directory / "code"
    if kind == "directory":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(bare.directory / "elsewhere")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path /= "below"
    before = list(bare.directory.iterdir())
    check_refusal(bare.run(f"init --recovery-file {path}"), 9, str(path))
    assert list(bare.directory.iterdir()) == before


def test_a_recovery_file_inside_the_vault_is_refused(bare: Home) -> None:
    bare.vault.mkdir(0o700)
    (bare.directory / "link").symlink_to(bare.vault)
    for place in ("vault/code", "link/code"):
        line = f"init --recovery-file {bare.directory}/{place}"
        check_refusal(bare.run(line), 2, "outside the vault")
    assert not files(bare.directory)
    bare.ok("init --no-recovery")
    before = files(bare.directory)
    (bare.vault / "sub").mkdir()
    for place in ("vault/code", "link/code", "vault/sub/code"):
        line = f"key recovery create --recovery-file {bare.directory}/{place}"
        check_refusal(bare.run(line), 2, "outside the vault")
    assert files(bare.directory) == before


def test_a_recovery_file_is_no_standard_output(bare: Home) -> None:
    """`-` is standard input for `verify`; a file of that name would be a surprise."""
    bare.directory.joinpath("here").mkdir()
    result = bare.process("init --recovery-file -", cwd=bare.directory / "here")
    check_refusal(result, 2)
    assert not re.search(CODE, result.out)
    assert not files(bare.directory)


def test_an_init_that_fails_leaves_no_recovery_file(bare: Home) -> None:
    """The long name is free, but the temporary one beside it cannot be made."""
    line = f"init --vault {bare.directory}/{'v' * 250} --recovery-file {bare.directory}/code"
    check_refusal(bare.run(line), 9)
    assert list(bare.directory.iterdir()) == []


@needs_desktop
def test_an_init_that_fails_at_the_desktop_leaves_neither_entry_nor_file(
    bare: Home, desktop: Desktop
) -> None:
    log_in(bare, desktop)
    before = entries(desktop)
    line = f"init --vault {bare.directory}/{'v' * 250} --recovery-file {bare.directory}/code"
    check_refusal(bare.process(line), 9)
    assert entries(desktop) == before
    assert list(bare.directory.iterdir()) == []


def test_the_key_file_and_the_recovery_file_are_two(bare: Home) -> None:
    refused = bare.run(f"init --recovery-file {bare.key_file}")
    assert (refused.code, refused.out) in [(2, ""), (5, "")]
    assert list(bare.directory.iterdir()) == []


@needs_strace
def test_an_init_that_is_ended_at_any_moment_leaves_nothing_or_all(bare: Home) -> None:
    line = f"init --recovery-file {bare.directory}/code"
    all_steps = [step for step in steps(bare, line) if step.name not in ("pwrite64", "fdatasync")]
    assert {"link", "fsync"} <= {step.name.removesuffix("at") for step in all_steps}
    for step in all_steps:
        for path in ("code", "key"):
            (bare.directory / path).unlink(missing_ok=True)
        shutil.rmtree(bare.vault, ignore_errors=True)
        result = interfered(bare, line, step, "signal=TERM")
        assert result.code in (0, 143), (step, result)
        left = sorted(path.name for path in bare.directory.iterdir())
        assert left in ([], ["code", "key", "vault"]), (step, result)
        if left:
            bare.ok("status")
            bare.ok(f"key recovery verify --recovery-file {bare.directory}/code")


@pytest.mark.parametrize("attended", [True, False])
def test_who_wants_no_recovery_is_not_warned(bare: Home, attended: bool) -> None:
    if attended:
        with Terminal(bare, "init --no-recovery") as terminal:
            assert terminal.end() == 0
        assert ASKED not in terminal.shown
        assert not re.search(CODE, terminal.shown)
        assert "no recovery code" not in terminal.shown
    else:
        result = bare.process("init --no-recovery")
        assert (result.code, result.err) == (0, "")
    assert "recovery" not in header(bare)


def test_off_a_terminal_init_warns_that_there_is_no_recovery(bare: Home) -> None:
    result = bare.process("init")
    assert (result.code, result.err) == (0, WARNING)
    assert "recovery" not in header(bare)
    shutil.rmtree(bare.vault)
    assert bare.process("init --json").err == WARNING
    shutil.rmtree(bare.vault)
    assert bare.process("init -q").err == ""


@pytest.mark.parametrize("stream", ["stdin", "stderr"])
def test_a_terminal_that_cannot_ask_and_be_answered_is_none(bare: Home, stream: str) -> None:
    with Terminal(bare, "init", **{stream: subprocess.PIPE}) as terminal:
        assert terminal.process.stdin is None or not terminal.process.stdin.close()
        assert terminal.end() == 0
        told = terminal.process.stderr.read().decode() if terminal.process.stderr else ""
    assert WARNING in terminal.shown + told
    assert not re.search(CODE, terminal.shown + told)


@pytest.mark.parametrize("how", ["option", "variable"])
def test_with_no_input_a_terminal_is_as_none(bare: Home, how: str) -> None:
    if how == "variable":
        bare.environment["BUNKERCTL_NO_INPUT"] = "1"
    with Terminal(bare, "init --no-input" if how == "option" else "init") as terminal:
        assert terminal.end() == 0
    assert WARNING in terminal.shown
    assert ASKED not in terminal.shown and not re.search(CODE, terminal.shown)
    assert "recovery" not in header(bare)


@pytest.mark.parametrize("order", ["", "--no-recovery "])
def test_both_options_are_a_contradiction(bare: Home, order: str) -> None:
    line = f"init {order}--recovery-file {bare.directory}/code"
    check_refusal(bare.run(line if order else f"{line} --no-recovery"), 2, "--no-recovery")
    assert list(bare.directory.iterdir()) == []


# Where the code is not


def forms(text: str) -> list[bytes]:
    """Return the ways in which a code, half of it, or what it says, could be written."""
    halves = [text[:19], text[20:]]
    raw = code.secret(text)
    shifted = (int.from_bytes(raw, "big") << 4).to_bytes(18, "big")
    spelled = [form for half in halves for form in (half, half.replace("-", ""))]
    return [
        *(case(form).encode() for form in spelled for case in (str.upper, str.lower)),
        *(form for secret in (raw, shifted) for form in (secret, secret.hex().encode())),
    ]


def test_the_code_and_the_key_are_nowhere_in_the_vault(coded: Home, paper: str) -> None:
    coded.add(login="ann")
    coded.ok(f"key recovery create --recovery-file {coded.directory}/second")
    second = code_in(coded.directory / "second")
    coded.ok("key restore --recovery-file -", second)
    assert coded.run("key restore --recovery-file -", paper).code == 12
    key = bytes.fromhex(coded.key_file.read_text())
    hidden = [*forms(paper), *forms(second), key, key.hex().encode(), key.hex().upper().encode()]
    assert found(coded, *hidden) == []
    events = coded.ok("audit list --json").json
    trail = "".join(coded.ok(f"audit show {event['seq']}").out for event in events).encode()
    assert b"key.recovery" in trail
    assert not any(form in trail for form in hidden)


@needs_proc
def test_a_process_shows_no_code_in_its_arguments_or_its_environment(coded: Home) -> None:
    with Terminal(coded, "key recovery create") as terminal:
        shown = terminal.see(CODE)
        terminal.see(ASKED)
        place = Path(f"/proc/{terminal.process.pid}")
        seen = b"".join((place / name).read_bytes() for name in ("cmdline", "environ", "comm"))
        assert b"BUNKERCTL_VAULT" in seen
        assert not any(form in seen for form in forms(shown))
        terminal.type("\x03")
        assert terminal.end() == 130


@pytest.mark.parametrize("command", ["key recovery verify", "key restore"])
def test_a_code_in_place_of_a_file_is_not_repeated(coded: Home, paper: str, command: str) -> None:
    """It is in the shell's history already; it need not be in a log too."""
    for typed in (paper, paper.lower(), paper.replace("-", ""), slip(paper)):
        result = coded.run([*command.split(), "--recovery-file", typed])
        assert (result.code, result.out) == (2, ""), result
        assert typed not in result.err, result
        assert paper[:14] not in coded.run([*command.split(), typed]).err


def test_a_code_in_place_of_a_new_file_is_not_taken_for_its_name(bare: Home) -> None:
    text = code.new()
    here = bare.directory / "here"
    here.mkdir()
    result = bare.process(["init", "--recovery-file", text], cwd=here)
    check_told(result, 2, text)
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("mode", ["", "--json", "--debug"])
def test_no_refusal_repeats_a_code(coded: Home, paper: str, other_paper: str, mode: str) -> None:
    """Not a good one, nor what was typed in its place."""
    for line in ("key recovery verify --recovery-file -", "key restore --recovery-file -"):
        for typed in (slip(paper), paper[:-1], paper + "X", f"{paper}\n{paper}", other_paper, "x"):
            result = coded.run(f"{line} {mode}", typed)
            assert result.code in (2, 12) and result.out == "", result
            assert not any(group in result.err for group in typed.split("-") if len(group) == 4)


# key recovery create


def test_a_new_code_in_a_file_ends_the_former_one(coded: Home, paper: str) -> None:
    path = coded.directory / "second"
    coded.now += 60
    answer = coded.ok(f"key recovery create --recovery-file {path} --json").json
    assert answer == {
        "vault": str(coded.vault),
        "vault_id": header(coded)["vault_id"],
        "key_id": header(coded)["key_id"],
        "recovery_at": "2027-01-15T08:01:00Z",
        "recovery_file": str(path),
        "changed": True,
    }
    label, text = path.read_text().splitlines()
    assert (path.stat().st_mode & 0o777, answer["vault_id"] in label) == (0o600, True)
    assert text != paper
    assert (verify(coded, text), verify(coded, paper)) == (0, 12)
    check_told(coded.run("key restore --recovery-file -", paper), 12, paper)
    assert outcomes(coded, "key.recovery") == ["ok"]
    coded.ok("audit verify")


def test_a_vault_without_a_code_gets_one(home: Home) -> None:
    home.add(login="ann")
    home.ok(f"key recovery create --recovery-file {home.directory}/code")
    assert verify(home, code_in(home.directory / "code")) == 0
    assert home.ok("key status --json").json["recovery_at"] == "2027-01-15T08:00:00Z"


def test_a_new_code_at_a_terminal_is_shown_once_and_typed_back(coded: Home, paper: str) -> None:
    with Terminal(coded, "key recovery create", stdout=subprocess.PIPE) as terminal:
        shown = terminal.see(CODE)
        terminal.see(ASKED)
        terminal.type(f"{shown[-4:]}\n")
        assert terminal.end() == 0
        assert terminal.process.stdout is not None
        assert not re.search(CODE, terminal.process.stdout.read().decode())
    assert terminal.shown.count(shown) == 1
    assert (verify(coded, shown), verify(coded, paper)) == (0, 12)
    assert outcomes(coded, "key.recovery") == ["ok"]


@pytest.mark.parametrize("how", STOPS)
def test_a_new_code_that_is_not_typed_back_leaves_the_former_one(
    coded: Home, paper: str, how: str
) -> None:
    before = (coded.vault / "vault.json").read_bytes()
    typed, expected = STOPS[how]
    with Terminal(coded, "key recovery create") as terminal:
        shown = terminal.see(CODE)
        for turn, keys in enumerate(typed):
            terminal.see(ASKED, turn + 1)
            terminal.type(keys)
        assert terminal.end() == expected
    assert (coded.vault / "vault.json").read_bytes() == before
    assert (verify(coded, paper), verify(coded, shown)) == (0, 12)
    assert "ok" not in outcomes(coded, "key.recovery")


@pytest.mark.parametrize("option", ["", "--no-input", "-y"])
def test_a_new_code_needs_a_terminal_or_a_file(coded: Home, paper: str, option: str) -> None:
    before = files(coded.directory)
    check_refusal(coded.run(f"key recovery create {option}"), 2, "a terminal", "a file")
    assert files(coded.directory) == before
    if option == "--no-input":
        with Terminal(coded, f"key recovery create {option}") as terminal:
            assert terminal.end() == 2
        assert not re.search(CODE, terminal.shown)
    assert verify(coded, paper) == 0


def test_a_new_code_goes_into_no_file_that_is_there(coded: Home, paper: str) -> None:
    before = (coded.vault / "vault.json").read_bytes()
    for path in (coded.directory / "code", coded.key_file):
        check_refusal(coded.run(f"key recovery create --recovery-file {path}"), 5, str(path))
    assert code_in(coded.directory / "code") == paper
    assert (coded.vault / "vault.json").read_bytes() == before
    assert verify(coded, paper) == 0
    coded.ok("status")


@needs_strace
def test_a_new_code_that_the_header_did_not_take_is_in_no_file(coded: Home, paper: str) -> None:
    """Who finds the file believes in it; only the former code works."""
    line = f"key recovery create --recovery-file {coded.directory}/second"
    check_refusal(interfered(coded, line, Step("rename", 1, "the header"), "error=ENOSPC"), 9)
    assert verify(coded, paper) == 0
    assert not (coded.directory / "second").exists()
    assert "ok" not in outcomes(coded, "key.recovery")


@needs_strace
def test_a_new_code_that_is_cut_off_leaves_one_that_works(coded: Home, paper: str) -> None:
    path = coded.directory / "second"
    line = f"key recovery create --recovery-file {path}"
    good, works = (coded.vault / "vault.json").read_bytes(), set()
    all_steps = [step for step in steps(coded, line) if step.name in ("rename", "linkat", "fsync")]
    for step in all_steps:
        path.unlink()
        (coded.vault / "vault.json").write_bytes(good)
        killed(coded, line, step)
        new = verify(coded, code_in(path)) if path.exists() else 12
        assert sorted([verify(coded, paper), new]) == [0, 12], step
        coded.ok("status")
        works.add(new)
        path.touch()
    assert works == {0, 12}


def test_a_new_code_waits_for_other_commands(coded: Home, paper: str) -> None:
    presence = directory.enter(str(coded.vault), 0, alone=False)
    line = f"key recovery create --recovery-file {coded.directory}/second --lock-wait 0s"
    check_refusal(coded.run(line), 11, "other commands")
    os.close(presence)
    assert not (coded.directory / "second").exists()
    assert verify(coded, paper) == 0


def test_who_waits_for_a_person_at_a_prompt_is_told_no_tale(coded: Home) -> None:
    """Nobody rotates a key there."""
    with Terminal(coded, "key recovery create") as terminal:
        terminal.see(ASKED)
        result = coded.run("status --lock-wait 0s")
    assert result.code in (0, 11)
    assert "rotated" not in result.err


# key recovery verify


def test_a_code_is_verified_with_no_key_at_hand_from_wherever_it_comes(
    coded: Home, paper: str
) -> None:
    coded.key_file.unlink()
    before = files(coded.directory)
    path = coded.directory / "code"
    answer = coded.ok(f"key recovery verify --recovery-file {path} --json").json
    assert answer == {
        "vault": str(coded.vault),
        "vault_id": header(coded)["vault_id"],
        "key_id": header(coded)["key_id"],
        "recovery_at": header(coded)["recovery"]["made_at"],
        "ok": True,
    }
    for typed in (path.read_text(), paper, paper.lower(), paper.replace("-", " ")):
        assert coded.ok("key recovery verify --recovery-file - --json", typed).json == answer
    with Terminal(coded, "key recovery verify --json", stdout=subprocess.PIPE) as terminal:
        terminal.see("Recovery code: ")
        terminal.type(f"{paper.lower().replace('-', ' ')}\n")
        assert terminal.end() == 0
        assert terminal.process.stdout is not None
        assert json.loads(terminal.process.stdout.read()) == answer
    assert files(coded.directory) == before


@pytest.mark.parametrize(
    "written",
    [
        "{code}",
        "{code}\n",
        "{code}\r\n",
        "\n{code}\n\n",
        "  {code}  \n",
        "{half}\n{rest}\n",
        "# note\n# another\n{code}\n",
        "# {other}\n{code}\n",
    ],
)
def test_a_recovery_file_may_have_been_copied_by_hand(
    coded: Home, paper: str, other_paper: str, written: str
) -> None:
    path = coded.directory / "copy"
    text = written.format(code=paper, half=paper[:19], rest=paper[20:], other=other_paper)
    path.write_bytes(text.encode())
    coded.ok(f"key recovery verify --recovery-file {path}")


def test_a_slip_is_bad_input_and_another_code_a_wrong_key(
    coded: Home, paper: str, other_paper: str
) -> None:
    line = "key recovery verify --recovery-file -"
    check_told(coded.run(line, slip(paper)), 2, paper)
    check_told(coded.run(line, other_paper), 12, other_paper)
    for nothing in ("", "\n", "# only a label\n", "x", paper[:-1], "\u00df", b"\xff", paper * 200):
        check_refusal(coded.run(line, nothing), 2)
    check_refusal(coded.run(f"key recovery verify --recovery-file {coded.vault}/none"), 9)
    check_refusal(coded.run(f"key recovery verify --recovery-file {coded.vault}"), 9)
    check_refusal(coded.run("key recovery verify"), 2, "terminal")


@pytest.mark.parametrize(("typed", "expected"), [("\x04", 2), ("\n", 2), ("\x03", 130)])
def test_who_types_no_code_is_refused(coded: Home, typed: str, expected: int) -> None:
    with Terminal(coded, "key recovery verify") as terminal:
        terminal.see("Recovery code: ")
        terminal.type(typed)
        assert terminal.end() == expected


@pytest.mark.parametrize("command", ["key recovery verify", "key restore"])
def test_a_vault_without_a_code_says_so(home: Home, other_paper: str, command: str) -> None:
    result = home.run(f"{command} --recovery-file - --json", other_paper)
    assert (result.code, result.out, result.error["reason"]) == (13, "", "no_recovery")
    assert "key recovery create" in result.error["hint"]


def test_a_code_is_verified_without_the_keyring_it_stands_for(coded: Home, paper: str) -> None:
    del coded.environment["BUNKERCTL_KEY_FILE"]
    altered = header(coded) | {
        "key": {"source": "keyring", "place": "keyring.backends.SecretService.Keyring"}
    }
    (coded.vault / "vault.json").write_text(json.dumps(altered))
    assert coded.run("status").code == 13
    assert verify(coded, paper) == 0


# A damaged header


WRAPPED = "00" * 60
MADE_AT = "2027-01-15T08:00:00Z"
BROKEN = {
    "a-text": "text",
    "a-number": 7,
    "a-list": [],
    "empty": {},
    "false": False,
    "no-time": {"wrapped": WRAPPED},
    "no-key": {"made_at": MADE_AT},
    "not-hex": {"made_at": MADE_AT, "wrapped": "z" * 120},
    "key-a-number": {"made_at": MADE_AT, "wrapped": 7},
    "key-null": {"made_at": MADE_AT, "wrapped": None},
    "time-a-number": {"made_at": 1_800_000_000, "wrapped": WRAPPED},
    "not-a-time": {"made_at": "yesterday", "wrapped": WRAPPED},
}
CUT = {"nothing": 0, "one-byte": 2, "the-nonce": 24, "cut-off": 118, "longer": 122}


@pytest.mark.parametrize("how", BROKEN)
def test_a_header_whose_recovery_is_damaged_is_told(coded: Home, paper: str, how: str) -> None:
    altered = header(coded) | {"recovery": BROKEN[how]}
    (coded.vault / "vault.json").write_text(json.dumps(altered))
    for line in ("status", "key status", "key recovery verify --recovery-file -"):
        check_refusal(coded.run(line, paper), 7, "vault.json is damaged")
    check_refusal(coded.run("key restore --recovery-file -", paper), 7, "vault.json is damaged")


@pytest.mark.parametrize("how", CUT)
def test_a_wrapped_key_of_another_length_is_damage(coded: Home, paper: str, how: str) -> None:
    altered = header(coded)
    whole = altered["recovery"]["wrapped"]
    altered["recovery"]["wrapped"] = (whole + "00")[: CUT[how]]
    (coded.vault / "vault.json").write_text(json.dumps(altered))
    for command in ("key recovery verify", "key restore"):
        result = coded.run(f"{command} --recovery-file -", paper)
        check_refusal(result, 7, "vault.json is damaged")


def test_an_altered_wrapped_key_gives_no_key(coded: Home, paper: str) -> None:
    """AES-GCM tells; and the key of another vault is not taken for this one's."""
    good = header(coded)
    whole = bytes.fromhex(good["recovery"]["wrapped"])
    for place in (0, 11, 12, 43, 44, 59):
        bad = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        altered = good | {"recovery": good["recovery"] | {"wrapped": bad.hex()}}
        (coded.vault / "vault.json").write_text(json.dumps(altered))
        check_told(coded.run("key recovery verify --recovery-file -", paper), 12, paper)
    foreign = crypto.wrap(code.secret(paper), uuid.UUID(good["vault_id"]).bytes, os.urandom(32))
    altered = good | {"recovery": good["recovery"] | {"wrapped": foreign.hex()}}
    (coded.vault / "vault.json").write_text(json.dumps(altered))
    before = files(coded.directory)
    for command in ("key recovery verify", "key restore"):
        assert coded.run(f"{command} --recovery-file -", paper).code == 12
    assert files(coded.directory) == before


# key restore


def test_a_key_file_that_is_gone_comes_back_as_it_was(coded: Home, paper: str) -> None:
    token = coded.add(login="ann")
    key = coded.key_file.read_bytes()
    before = (coded.vault / "vault.json").read_bytes()
    coded.key_file.unlink()
    hint = coded.run("status")
    check_refusal(hint, 13, "missing")
    assert "key restore" in hint.err
    answer = coded.ok(f"key restore --recovery-file {coded.directory}/code --json").json
    assert answer == {
        "vault": str(coded.vault),
        "vault_id": header(coded)["vault_id"],
        "key_source": "file",
        "place": str(coded.key_file),
        "key_id": header(coded)["key_id"],
        "changed": True,
    }
    assert coded.key_file.read_bytes() == key
    assert coded.key_file.stat().st_mode & 0o777 == 0o600
    assert (coded.vault / "vault.json").read_bytes() == before
    assert coded.ok("user get login:ann --json").json["token"] == token
    assert outcomes(coded, "key.restore") == ["ok"]
    assert verify(coded, paper) == 0
    coded.ok("audit verify")


def test_a_key_is_restored_at_a_terminal(coded: Home, paper: str) -> None:
    coded.key_file.unlink()
    with Terminal(coded, "key restore") as terminal:
        terminal.see("Recovery code: ")
        terminal.type(f"{paper}\n")
        assert terminal.end() == 0
    coded.ok("status")


@pytest.mark.parametrize("named_by", ["option", "variable"])
def test_a_key_is_restored_into_another_file_which_is_then_its_source(
    coded: Home, paper: str, named_by: str
) -> None:
    key = coded.key_file.read_bytes()
    coded.key_file.unlink()
    new = coded.directory / "new.key"
    option = f"--key-file {new}" if named_by == "option" else ""
    if named_by == "variable":
        coded.environment["BUNKERCTL_KEY_FILE"] = str(new)
    answer = coded.ok(f"key restore {option} --recovery-file - --json", paper).json
    assert (answer["place"], answer["changed"]) == (str(new), True)
    assert header(coded)["key"] == {"source": "file", "place": str(new)}
    assert (new.read_bytes(), new.stat().st_mode & 0o777) == (key, 0o600)
    assert not coded.key_file.exists()
    del coded.environment["BUNKERCTL_KEY_FILE"]
    coded.ok("status")


@pytest.mark.parametrize("new", [False, True], ids=["recorded", "named"])
def test_with_a_restored_key_a_bare_environment_is_enough(
    coded: Home, paper: str, new: bool
) -> None:
    coded.key_file.unlink()
    place = coded.directory / ("new.key" if new else "key")
    line = ["key", "restore", "--recovery-file", "-", *(["--key-file", str(place)] if new else [])]
    coded.environment.pop("BUNKERCTL_KEY_FILE")
    restored = coded.process(line, paper.encode())
    assert restored.code == 0, restored
    bare_call = [EXECUTABLE, "--vault", str(coded.vault), "status", "--json"]
    done = subprocess.run(bare_call, env={}, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["key_source"] == "file"


def test_a_key_that_is_there_is_left_and_nothing_is_changed(coded: Home, paper: str) -> None:
    before = coded.key_file.stat(), (coded.vault / "vault.json").read_bytes()
    events = coded.ok("audit head --json").json["size"]
    answer = coded.ok("key restore --recovery-file - --json", paper).json
    assert answer["changed"] is False
    after = coded.key_file.stat()
    assert after.st_ino == before[0].st_ino and after.st_mtime_ns == before[0].st_mtime_ns
    assert (coded.vault / "vault.json").read_bytes() == before[1]
    assert coded.ok("audit head --json").json["size"] == events


def test_a_key_that_another_file_has_already_makes_that_the_source(coded: Home, paper: str) -> None:
    copy = coded.directory / "copy"
    shutil.copy(coded.key_file, copy)
    answer = coded.ok(f"key restore --key-file {copy} --recovery-file - --json", paper).json
    assert (answer["changed"], header(coded)["key"]["place"]) == (True, str(copy))
    assert outcomes(coded, "key.restore") == ["ok"]


@pytest.mark.parametrize("named", [False, True], ids=["recorded", "named"])
def test_another_key_at_the_place_is_left_untouched(coded: Home, paper: str, named: bool) -> None:
    place = coded.directory / "other.key" if named else coded.key_file
    place.write_text("ab" * 32 + "\n")
    place.chmod(0o600)
    before = files(coded.directory)
    option = f"--key-file {place}" if named else ""
    refused = coded.run(f"key restore {option} --recovery-file -", paper)
    check_refusal(refused, 5, "another key")
    assert "ab" * 8 not in refused.err
    after = files(coded.directory)
    assert after[str(place)] == before[str(place)]
    assert after[str(coded.vault / "vault.json")] == before[str(coded.vault / "vault.json")]


def test_an_old_key_at_the_place_is_replaced_by_who_says_so(coded: Home) -> None:
    old = coded.key_file.read_text()
    coded.ok(f"key rotate --recovery-file {coded.directory}/second")
    key = coded.key_file.read_text()
    coded.key_file.write_text(old)
    line = f"key restore --recovery-file {coded.directory}/second"
    check_refusal(coded.run(line), 5, "another key")
    assert coded.ok(f"{line} --replace --json").json["changed"] is True
    assert coded.key_file.read_text() == key
    assert coded.ok(f"{line} --replace --json").json["changed"] is False


def test_not_even_then_is_the_key_of_another_vault_replaced(
    coded: Home, paper: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The file says that another vault has its key there, and it may be all that opens that one."""
    other = Home(tmp_path_factory.mktemp("another"))
    other.ok("init --no-recovery")
    line = f"key restore --key-file {other.key_file} --replace --recovery-file -"
    result = coded.run(line, paper)
    other.ok("status")
    check_refusal(result, 5)


@pytest.mark.parametrize("how", ["empty", "malformed", "open", "link", "directory", "fifo"])
def test_what_is_no_key_file_is_not_replaced_and_the_way_out_is_said(
    coded: Home, paper: str, how: str
) -> None:
    key = coded.key_file.read_bytes()
    coded.key_file.unlink()
    if how in ("empty", "malformed"):
        coded.key_file.write_bytes(b"" if how == "empty" else b"what I noted\n")
        coded.key_file.chmod(0o600)
    elif how == "open":
        coded.key_file.write_bytes(key)
        coded.key_file.chmod(0o644)
    elif how == "link":
        coded.key_file.symlink_to(coded.directory / "elsewhere")
    elif how == "directory":
        coded.key_file.mkdir()
    else:
        os.mkfifo(coded.key_file, 0o600)
    before = files(coded.directory)
    refused = coded.run("key restore --recovery-file -", paper)
    check_refusal(refused, 13, str(coded.key_file))
    assert files(coded.directory) == before
    assert refused.err.splitlines()[1:], "no hint"
    coded.ok(f"key restore --key-file {coded.directory}/new --recovery-file -", paper)


def test_a_wrong_code_changes_nothing(coded: Home, paper: str, other_paper: str) -> None:
    coded.key_file.unlink()
    before = files(coded.directory)
    for typed, expected in ((other_paper, 12), (slip(paper), 2), ("", 2)):
        for option in ("", f"--key-file {coded.directory}/new"):
            result = coded.run(f"key restore {option} --recovery-file -", typed)
            check_told(result, expected, typed)
    check_refusal(coded.run("key restore"), 2, "terminal")
    assert files(coded.directory) == before


@pytest.mark.parametrize("option", ["--key-fd 3", "--key-command true"])
def test_a_key_is_restored_into_nothing_but_a_file_or_the_keyring(
    coded: Home, paper: str, option: str
) -> None:
    check_refusal(coded.run(f"key restore {option} --recovery-file -", paper), 2, "--key-file")


def test_a_key_is_not_restored_into_the_vault(coded: Home, paper: str) -> None:
    """It would lie beside what it locks, and go where the vault's copies go."""
    coded.key_file.unlink()
    (coded.directory / "link").symlink_to(coded.vault)
    before = files(coded.directory)
    for place in ("vault/key", "link/key"):
        line = f"key restore --key-file {coded.directory}/{place} --recovery-file -"
        check_refusal(coded.run(line, paper), 2, "outside the vault")
    assert files(coded.directory) == before


def test_the_directory_of_a_key_file_is_made_anew(bare: Home) -> None:
    """`key enroll file` makes one as well."""
    place = bare.directory / "keys" / "below" / "key"
    place.parent.mkdir(parents=True)
    bare.environment["BUNKERCTL_KEY_FILE"] = str(place)
    bare.ok(f"init --recovery-file {bare.directory}/code")
    key = place.read_bytes()
    shutil.rmtree(bare.directory / "keys")
    bare.ok(f"key restore --recovery-file {bare.directory}/code")
    assert place.read_bytes() == key
    bare.ok("status")


@needs_proc
def test_a_key_that_could_not_be_stored_is_no_success_in_the_trail(coded: Home, paper: str) -> None:
    before = (coded.vault / "vault.json").read_bytes()
    result = coded.run("key restore --key-file /proc/bunkerctl.key --recovery-file -", paper)
    check_refusal(result, 9, "/proc/bunkerctl.key")
    assert (coded.vault / "vault.json").read_bytes() == before
    assert "ok" not in outcomes(coded, "key.restore")


def test_a_place_that_still_has_the_key_is_not_forgotten(coded: Home, paper: str) -> None:
    """A rotation would leave the old key there, and `destroy` the vault's."""
    coded.ok(f"key restore --key-file {coded.directory}/new --recovery-file -", paper)
    assert coded.key_file.exists()
    assert f"the key file {coded.key_file}" in coded.ok("key status --json").json["copies"]


@needs_strace
def test_a_restoration_that_is_cut_off_is_repeated(coded: Home, paper: str) -> None:
    line = f"key restore --key-file {coded.directory}/new --recovery-file {coded.directory}/code"
    good, key = (coded.vault / "vault.json").read_bytes(), coded.key_file.read_bytes()
    coded.key_file.unlink()

    def lose() -> None:
        (coded.directory / "new").unlink(missing_ok=True)
        (coded.vault / "vault.json").write_bytes(good)

    coded.ok(line)  # the first event of its kind adds to what events have in common
    lose()
    for step in steps(coded, line):
        lose()
        killed(coded, line, step)
        assert not (coded.directory / "new").exists() or (
            (coded.directory / "new").read_bytes() == key
        ), step
        coded.ok(line)
        coded.ok(f"status --key-file {coded.directory}/new")


def test_a_restoration_waits_for_other_commands(coded: Home, paper: str) -> None:
    coded.key_file.unlink()
    presence = directory.enter(str(coded.vault), 0, alone=False)
    check_refusal(coded.run("key restore --recovery-file - --lock-wait 0s", paper), 11)
    os.close(presence)
    assert not coded.key_file.exists()
    coded.ok("key restore --recovery-file -", paper)


def test_without_a_vault_there_is_nothing_to_recover(bare: Home, other_paper: str) -> None:
    for command in ("key recovery verify", "key restore"):
        check_refusal(bare.run(f"{command} --recovery-file -", other_paper), 10)
    check_refusal(bare.run(f"key recovery create --recovery-file {bare.directory}/code"), 10)
    assert list(bare.directory.iterdir()) == []


@as_root
def test_what_root_restores_belongs_to_the_owner_of_the_vault(coded: Home, paper: str) -> None:
    """Else its owner cannot read the key file, and root's help locks them out."""
    for path in (coded.directory, *coded.directory.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    coded.key_file.unlink()
    coded.ok("key restore --recovery-file -", paper)
    coded.ok(f"key recovery create --recovery-file {coded.directory}/second")
    coded.ok(f"key restore --recovery-file {coded.directory}/second")
    for path in (*coded.vault.iterdir(), coded.key_file):
        assert (path.stat().st_uid, path.stat().st_gid) == (NOBODY, NOBODY), path


@needs_desktop
def test_on_a_new_machine_the_code_puts_the_key_into_its_keyring(bare: Home) -> None:
    with Desktop() as old:
        log_in(bare, old)
        made = bare.process(f"init --recovery-file {bare.directory}/code --json").json
        token = bare.process("user add", b'{"login":"ann"}').out.strip()
        entry = entries(old)[made["vault_id"]]
    line = f"key restore --recovery-file {bare.directory}/code --json"
    with Desktop() as new:
        log_in(bare, new)
        lost = bare.process("status --json")
        assert (lost.code, lost.error["reason"]) == (13, "entry_missing")
        assert "key restore" in lost.error["hint"]
        before = (bare.vault / "vault.json").read_bytes()
        assert bare.process(line).json["changed"] is True
        assert entries(new) == {made["vault_id"]: entry}
        assert (bare.vault / "vault.json").read_bytes() == before
        assert bare.process("user get login:ann --json").json["token"] == token
        again = bare.process(line).json
        assert (again["changed"], again["key_source"]) == (False, "keyring")
        assert outcomes(bare, "key.restore") == ["ok"]


@needs_desktop
def test_another_entry_in_the_keyring_is_left_untouched(bare: Home) -> None:
    replace = """
import sys, secretstorage
with secretstorage.dbus_init() as bus:
    asked = {"service": "bunkerctl", "username": sys.argv[1]}
    for item in list(secretstorage.search_items(bus, asked)):
        item.set_secret(b"ab" * 32)
"""
    with Desktop() as running:
        log_in(bare, running)
        made = bare.process(f"init --recovery-file {bare.directory}/code --json").json
        running.ask(replace, made["vault_id"])
        before = entries(running), (bare.vault / "vault.json").read_bytes()
        refused = bare.process(f"key restore --recovery-file {bare.directory}/code")
        check_refusal(refused, 5, "another key")
        assert (entries(running), (bare.vault / "vault.json").read_bytes()) == before
        path = bare.directory / "new.key"
        line = f"key restore --key-file {path} --recovery-file {bare.directory}/code"
        assert bare.process(line).code == 0
        assert bare.process("status").code == 0


@needs_desktop
def test_without_a_keyring_the_key_file_is_named_as_the_way_out(bare: Home) -> None:
    with Desktop() as running:
        log_in(bare, running)
        assert bare.process(f"init --recovery-file {bare.directory}/code").code == 0
    bare.environment.pop("DBUS_SESSION_BUS_ADDRESS")
    line = f"key restore --recovery-file {bare.directory}/code"
    refused = bare.process(line)
    check_refusal(refused, 13, "keyring")
    assert "--key-file" in refused.err
    assert bare.process(f"{line} --key-file {bare.directory}/new.key").code == 0
    assert bare.process("status --json").json["key_source"] == "file"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_the_prompt_changes_nothing(coded: Home, number: signal.Signals) -> None:
    before = files(coded.directory)
    for line in ("key restore", "key recovery verify"):
        with Terminal(coded, line) as terminal:
            terminal.see("Recovery code: ")
            terminal.process.send_signal(number)
            assert terminal.end() == 128 + number
    assert files(coded.directory) == before
