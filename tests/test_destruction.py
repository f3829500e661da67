"""The end of a vault: only when it was meant, whole, and with nothing left unsaid."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bunkerctl import directory
from conftest import Home
from desktop import Desktop, log_in, needs_desktop
from killing import Step, killed, needs_strace, steps
from refusals import check_refusal
from terminal import Terminal
from test_keyring import entries
from wholeness import count, heed_signals, lines, until

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act for another owner")
needs_credentials = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("systemd-creds") is None,
    reason="systemd-creds needs root, or is not installed",
)

NOBODY = 65534
OTHER = "ab" * 32
NOT_KNOWN = "00000000-0000-4000-8000-000000000000"
VAULT_FILES = ["vault.db", "erasures.jsonl", "vault.lock", "vault.ballast", "vault.json"]


def header(home: Home) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((home.vault / "vault.json").read_bytes())
    return said


def vault_id(home: Home) -> str:
    return str(header(home)["vault_id"])


def destroy(home: Home, option: str = "") -> Any:
    """Destroy a vault in this process; return the answer."""
    return home.ok(f"destroy --confirm {vault_id(home)} --json {option}").json


def newest(home: Home) -> tuple[str, str]:
    event = home.ok("audit list --limit 1 --json").json[0]
    return event["action"], event["outcome"]


def beside(home: Home) -> dict[str, bytes]:
    """Return all the files but the database, which a refusal writes an event into."""
    return {
        str(path): path.read_bytes()
        for path in home.directory.rglob("*")
        if path.is_file() and not path.name.startswith("vault.db")
    }


def names(home: Home) -> list[str]:
    return sorted(path.name for path in home.directory.iterdir())


def write(path: Path, content: str) -> Path:
    path.write_text(content)
    path.chmod(0o600)
    return path


def half_destroyed(home: Home) -> str:
    """Cut a destruction off after the key is gone; return the vault's id."""
    found = vault_id(home)
    altered = json.dumps(header(home) | {"ending": True})
    (home.vault / "vault.json").write_text(altered)
    home.key_file.unlink()
    return found


def check_alive(home: Home) -> None:
    home.ok("audit verify")
    assert home.ok("user get login:ann --json").json["data"] == {"login": "ann"}


@pytest.fixture
def ann(home: Home) -> Home:
    """A place with a vault that has one person in it."""
    home.add(login="ann")
    return home


@pytest.fixture(scope="module")
def desktop() -> Iterator[Desktop]:
    with Desktop() as running:
        yield running


# The confirmation


def test_who_types_the_id_ends_the_vault(ann: Home) -> None:
    found = vault_id(ann)
    with Terminal(ann, "destroy") as terminal:
        terminal.see(f"Destroy {ann.vault}.*1.*id: ")
        ann.ok("user get login:ann --lock-wait 0s")  # who is asked keeps nobody out
        terminal.type(f"{found}\n")
        assert terminal.end() == 0
    assert names(ann) == []
    assert "removed" in terminal.shown and "remains" in terminal.shown


@pytest.mark.parametrize("option", ["", "--yes", "-y --json"])
@pytest.mark.parametrize(
    ("typed", "expected"),
    [("yes\n", 6), ("y\n", 6), ("\n", 6), ("\x04", 6), ("{start}\n", 6), ("\x03", 130)],
)
def test_who_types_anything_else_ends_nothing(
    ann: Home, option: str, typed: str, expected: int
) -> None:
    before = beside(ann)
    with Terminal(ann, f"destroy {option}") as terminal:
        terminal.see("vault's id: ")
        terminal.type(typed.format(start=vault_id(ann)[:8]))
        assert terminal.end() == expected
    assert beside(ann) == before
    if expected == 6:
        assert newest(ann) == ("vault.destroy", "declined")
    check_alive(ann)


@pytest.mark.parametrize(
    "line",
    [
        "destroy",
        "destroy --yes",
        "destroy -y --no-input",
        f"destroy --confirm {NOT_KNOWN}",
        f"destroy --yes --confirm {NOT_KNOWN}",
        "destroy --confirm yes",
        "destroy --confirm {upper}",
        "destroy --confirm {start}",
        "destroy --confirm '{id} '",
        "destroy --confirm {key_id}",
    ],
)
def test_without_the_right_id_nothing_is_destroyed(ann: Home, line: str) -> None:
    found, before = vault_id(ann), beside(ann)
    said = {"id": found, "upper": found.upper(), "start": found[:8]}
    refused = ann.run(line.format(**said, key_id=header(ann)["key_id"]))
    check_refusal(refused, 6, "nothing was destroyed")
    assert "--confirm ID" in refused.err
    assert found not in refused.err  # else it could be copied without a thought
    assert beside(ann) == before
    assert newest(ann) == ("vault.destroy", "declined")
    check_alive(ann)


def test_with_no_input_a_terminal_is_not_asked(ann: Home) -> None:
    with Terminal(ann, "destroy --no-input") as terminal:
        assert terminal.end() == 6
    assert "Destroy" not in terminal.shown
    check_alive(ann)


@pytest.mark.parametrize("words", ["--confirm ''", "--confirm", "{id}", "--confirm {id} now"])
def test_what_destroy_does_not_understand_is_a_usage_error(ann: Home, words: str) -> None:
    before = beside(ann)
    check_refusal(ann.run(f"destroy {words.format(id=vault_id(ann))}"), 2)
    assert beside(ann) == before
    check_alive(ann)


# The refusals


@pytest.mark.parametrize("until_", ["", "--until 2028-01-01"])
def test_a_person_under_a_hold_bars_the_destruction(ann: Home, until_: str) -> None:
    ann.ok(f"user hold login:ann --reason case {until_}")
    before = beside(ann)
    for option in ("", "--yes"):
        refused = ann.run(f"destroy --confirm {vault_id(ann)} --json {option}")
        assert (refused.code, refused.out, refused.error["code"]) == (5, "", "held")
        assert "user list --held" in refused.error["hint"]
        assert newest(ann) == ("vault.destroy", "refused")
    with Terminal(ann, "destroy") as terminal:
        assert terminal.end() == 5
    assert "Destroy" not in terminal.shown
    assert beside(ann) == before
    check_alive(ann)
    ann.ok("user release login:ann")
    destroy(ann)
    assert names(ann) == []


def test_a_hold_that_has_lapsed_bars_nothing(ann: Home) -> None:
    ann.ok("user hold login:ann --reason case --until 2027-01-20")
    ann.now += 30 * 86400
    assert destroy(ann)["users"] == 1


def test_another_command_in_the_vault_bars_the_destruction(ann: Home) -> None:
    line = f"destroy --confirm {vault_id(ann)} --lock-wait 0s"
    before = beside(ann)
    with ann.spawn("user import -", preexec_fn=heed_signals) as process:
        assert process.stdin is not None
        process.stdin.write(lines(2010))
        process.stdin.flush()
        until(lambda: count(ann, "users") > 1)
        check_refusal(ann.run(line), 11, "other commands")
        process.communicate(timeout=60)
    assert beside(ann) == before
    check_alive(ann)
    presence = directory.enter(str(ann.vault), 0, alone=True)
    check_refusal(ann.run(line), 11)
    os.close(presence)
    check_alive(ann)
    assert destroy(ann)["users"] == 2011


def test_without_its_key_a_vault_is_not_destroyed(ann: Home) -> None:
    """Nobody could tell whether somebody is held."""
    wrong = write(ann.directory / "wrong", f"{OTHER}\n")
    line = f"destroy --confirm {vault_id(ann)}"
    before = beside(ann)
    check_refusal(ann.run(f"{line} --key-file {wrong}"), 12)
    check_refusal(ann.run(f"{line} --key-file {ann.directory}/none"), 13)
    check_refusal(ann.run(f"{line} --vault {ann.directory}/none"), 10)
    check_refusal(ann.run(f"{line} --vault {ann.directory}"), 10)
    assert beside(ann) == before
    check_alive(ann)


# What is gone, and what is said


def test_everything_that_is_the_vaults_is_gone_and_named(ann: Home) -> None:
    copy = ann.directory / "jobs" / "key"
    ann.ok(f"key enroll file {copy}")
    found = vault_id(ann)
    answer = destroy(ann)
    assert list(answer) == ["vault", "vault_id", "users", "removed", "remains", "changed"]
    assert (answer["vault"], answer["vault_id"]) == (str(ann.vault), found)
    assert (answer["users"], answer["changed"]) == (1, True)
    assert answer["removed"] == [
        f"the key in the key file {ann.key_file}",
        f"the key in the key file {copy}",
        *VAULT_FILES,
    ]
    assert len(answer["remains"]) == 1
    assert all(word in answer["remains"][0] for word in ("backups", "snapshots", "recovery code"))
    assert names(ann) == ["jobs"]
    assert list((ann.directory / "jobs").iterdir()) == []
    check_refusal(ann.run("status"), 10)
    check_refusal(ann.run(f"destroy --confirm {found}"), 10)


def test_after_it_a_vault_can_be_made_there_anew(ann: Home) -> None:
    first = vault_id(ann)
    destroy(ann)
    ann.ok("init --no-recovery")
    assert vault_id(ann) != first
    assert ann.ok("status --json").json["users"] == 0


def test_the_recovery_file_is_the_persons_own(bare: Home) -> None:
    bare.ok(f"init --recovery-file {bare.directory}/code")
    assert "recovery code" in " ".join(destroy(bare)["remains"])
    assert names(bare) == ["code"]


def test_a_key_that_waited_beside_the_key_file_is_gone_too(ann: Home) -> None:
    copy = ann.directory / "copy"
    ann.ok(f"key enroll file {copy}")
    for place in (ann.key_file, copy):
        write(place.with_name(f"{place.name}.next"), ann.key_file.read_text())
    destroy(ann)
    assert names(ann) == []


def test_the_key_of_another_vault_beside_the_key_file_is_left(ann: Home) -> None:
    """Its name is nothing but chance: `people.key.next` may be next year's vault."""
    other = Home(ann.directory / "elsewhere")
    other.directory.mkdir()
    other.environment["BUNKERCTL_KEY_FILE"] = f"{ann.key_file}.next"
    other.ok("init --no-recovery")
    destroy(ann)
    other.ok("status")


def test_a_key_file_that_a_vault_beside_it_uses_is_left_and_named(ann: Home) -> None:
    second = ann.directory / "second"
    ann.ok(f"init --vault {second} --no-recovery")
    answer = destroy(ann)
    (told,) = (text for text in answer["remains"] if "key file" in text)
    assert str(ann.key_file) in told and str(second) in told
    assert answer["removed"] == VAULT_FILES
    ann.ok(f"status --vault {second}")
    assert names(ann) == ["key", "second"]


def test_a_key_file_that_a_vault_elsewhere_uses_is_left_until_the_last_one_ends(
    ann: Home, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The file itself notes who uses it, where a file can have a note."""
    try:
        os.setxattr(ann.key_file, "user.test", b"")
    except (OSError, AttributeError):
        pytest.skip("no notes on files here")
    other = Home(tmp_path_factory.mktemp("other"))
    other.environment["BUNKERCTL_KEY_FILE"] = str(ann.key_file)
    other.ok("init --no-recovery")
    (told,) = (text for text in destroy(ann)["remains"] if "key file" in text)
    assert str(ann.key_file) in told and vault_id(other) in told
    other.ok("status")
    assert f"the key in the key file {ann.key_file}" in destroy(other)["removed"]
    assert names(ann) == []


def test_so_it_is_when_the_vault_is_named_by_a_link(ann: Home) -> None:
    """The vaults beside it are those beside the vault, not those beside the link."""
    second = ann.directory / "second"
    ann.ok(f"init --vault {second} --no-recovery")
    (ann.directory / "far" / "away").mkdir(parents=True)
    link = ann.directory / "far" / "away" / "link"
    link.symlink_to(ann.vault)
    ann.run(f"--vault {link} destroy --confirm {vault_id(ann)}")
    ann.ok(f"status --vault {second}")


def test_a_vault_that_is_named_by_a_link_is_gone_all_the_same(ann: Home) -> None:
    link = ann.directory / "link"
    link.symlink_to(ann.vault)
    result = ann.ok(f"--vault {link} destroy --confirm {vault_id(ann)} --json")
    assert not ann.vault.exists()
    assert not any("not the vault's" in text for text in result.json["remains"])


def test_a_key_file_that_has_another_key_by_now_is_left_and_named(ann: Home) -> None:
    copy = ann.directory / "copy"
    shutil.copy(ann.key_file, copy)
    write(ann.key_file, f"{OTHER}\n")
    answer = destroy(ann, f"--key-file {copy}")
    assert ann.key_file.read_text() == f"{OTHER}\n"
    told = " ".join(answer["remains"])
    assert f"{ann.key_file}: another key is there" in told
    assert f"{copy}, which this call took it from" in told
    assert copy.exists()


def test_a_key_that_came_from_elsewhere_is_named(ann: Home) -> None:
    copy = ann.directory / "copy"
    shutil.copy(ann.key_file, copy)
    del ann.environment["BUNKERCTL_KEY_FILE"]
    result = ann.process(["destroy", "--confirm", vault_id(ann), "--key-command", f"cat {copy}"])
    assert result.code == 0 and "the key command, which this call took it from" in result.out
    assert names(ann) == ["copy"]


def test_a_key_file_that_cannot_be_judged_is_left_and_named(ann: Home) -> None:
    copies = [ann.directory / name for name in ("open", "folder", "gone", "note")]
    for copy in copies:
        ann.ok(f"key enroll file {copy}")
    copies[0].chmod(0o644)
    copies[1].unlink()
    copies[1].mkdir()
    copies[2].unlink()
    write(copies[3], "what I noted\n")
    answer = destroy(ann)
    told = [text for text in answer["remains"] if "key file" in text]
    assert len(told) == 3
    assert all(any(str(copy) in text for text in told) for copy in copies if copy.name != "gone")
    assert names(ann) == ["folder", "note", "open"]


def test_a_place_that_was_left_by_a_restoration_is_removed_or_named(bare: Home) -> None:
    bare.ok(f"init --recovery-file {bare.directory}/code")
    bare.ok(f"key restore --key-file {bare.directory}/new --recovery-file {bare.directory}/code")
    del bare.environment["BUNKERCTL_KEY_FILE"]
    answer = destroy(bare)
    assert not (bare.directory / "new").exists()
    assert names(bare) == ["code"] or str(bare.key_file) in " ".join(answer["remains"]), answer


def test_files_that_are_not_the_vaults_are_left_and_named(ann: Home) -> None:
    write(ann.vault / "notes.txt", "mine")
    (ann.vault / "old").mkdir()
    write(ann.vault / "old" / "vault.db", "mine too")
    answer = destroy(ann)
    assert sorted(path.name for path in ann.vault.rglob("*")) == ["notes.txt", "old", "vault.db"]
    (told,) = (text for text in answer["remains"] if str(ann.vault) in text)
    assert all(name in told for name in ("notes.txt", "old"))
    assert answer["removed"][1:] == VAULT_FILES


def test_what_remains_is_said_at_a_terminal_too(ann: Home) -> None:
    write(ann.vault / "notes.txt", "mine")
    found = vault_id(ann)
    with Terminal(ann, "destroy", columns=60) as terminal:
        terminal.see("vault's id: ")
        terminal.type(f"{found}\n")
        assert terminal.end() == 0
    shown = " ".join(terminal.shown.split())
    assert "snapshots" in shown and "not the vault's" in shown


def test_an_answer_that_cannot_be_shown_says_that_it_was_done(ann: Home) -> None:
    with Path("/dev/full").open("wb") as full:
        result = ann.process(["destroy", "--confirm", vault_id(ann)], stdout=full)
    assert result.code == 74 and "the change was saved" in result.err
    assert names(ann) == []


def test_the_directory_that_one_stands_in_can_go(ann: Home) -> None:
    result = ann.process(["destroy", "--confirm", vault_id(ann)], cwd=ann.vault)
    assert result.code == 0
    assert names(ann) == []


@needs_desktop
def test_the_entry_in_the_keyring_is_gone(bare: Home, desktop: Desktop) -> None:
    log_in(bare, desktop)
    other = bare.process(f"init --vault {bare.directory}/other --json").json["vault_id"]
    made = bare.process("init --json").json["vault_id"]
    assert bare.process(f"key enroll file {bare.directory}/job").code == 0
    assert {made, other} <= entries(desktop).keys()
    answer = bare.process(f"destroy --confirm {made} --json").json
    assert answer["removed"][:2] == [
        "the key in the keyring",
        f"the key in the key file {bare.directory}/job",
    ]
    assert made not in entries(desktop)
    assert bare.process(f"status --vault {bare.directory}/other").code == 0
    assert names(bare) == ["other"]


@needs_desktop
def test_an_entry_that_cannot_be_reached_is_named(bare: Home, desktop: Desktop) -> None:
    log_in(bare, desktop)
    made = bare.process("init --json").json["vault_id"]
    assert bare.process(f"key enroll file {bare.directory}/job").code == 0
    bare.environment.pop("DBUS_SESSION_BUS_ADDRESS")
    line = f"destroy --confirm {made} --key-file {bare.directory}/job --json"
    answer = bare.process(line).json
    (told,) = (text for text in answer["remains"] if "keyring" in text)
    assert "session bus" in told
    assert made in entries(desktop)
    assert names(bare) == []


@needs_credentials
def test_a_credential_is_gone(ann: Home) -> None:
    place = ann.directory / "cred"
    ann.ok(f"key enroll systemd-credential {place}")
    assert f"the key in the credential {place}" in destroy(ann)["removed"]
    assert names(ann) == []


@needs_credentials
def test_the_credential_of_another_vault_is_left(ann: Home, tmp_path_factory: Any) -> None:
    """It has come to the one place that the units look at."""
    other = Home(tmp_path_factory.mktemp("other"))
    other.ok("init --no-recovery")
    place, theirs = ann.directory / "cred", other.directory / "cred"
    ann.ok(f"key enroll systemd-credential {place}")
    other.ok(f"key enroll systemd-credential {theirs}")
    shutil.copy(theirs, place)
    answer = destroy(ann)
    assert place.read_bytes() == theirs.read_bytes()
    assert str(place) in " ".join(answer["remains"])


@needs_credentials
def test_a_credential_that_cannot_be_removed_does_not_keep_the_rest(ann: Home) -> None:
    """As root's is for the vault's owner: else the person is stuck with a vault without a key."""
    place = ann.directory / "cred"
    ann.ok(f"key enroll systemd-credential {place}")
    place.unlink()
    place.mkdir()
    found = vault_id(ann)
    for _ in range(2):
        result = ann.run(f"destroy --confirm {found} --json")
        if result.code == 0:
            break
    assert result.code == 0, result
    assert str(place) in " ".join(result.json["remains"])
    assert names(ann) == ["cred"]


@as_root
def test_root_ends_the_vault_of_another_owner(ann: Home) -> None:
    ann.ok(f"key enroll file {ann.directory}/copy")
    for path in (ann.directory, *ann.directory.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    before = beside(ann)
    check_refusal(ann.run("destroy"), 6)
    assert beside(ann) == before
    assert all(path.stat().st_uid == NOBODY for path in ann.directory.rglob("*"))
    assert len(destroy(ann)["removed"]) == 2 + len(VAULT_FILES)
    assert names(ann) == []


# Cut off


@needs_strace
def test_a_destruction_that_is_cut_off_anywhere_is_finished_by_the_next(bare: Home) -> None:
    copy = bare.directory / "copy"

    def begin() -> str:
        bare.ok("init --no-recovery")
        bare.ok(f"key enroll file {copy}")
        bare.add(login="ann")
        return vault_id(bare)

    def relevant(step: Step) -> bool:
        return not step.name.startswith("write") and step.name != "pwrite64"

    all_steps = [*filter(relevant, steps(bare, f"destroy --confirm {begin()}"))]
    assert len(all_steps) > 10
    seen = set()
    for step in all_steps:
        assert names(bare) == [], step
        found = begin()
        killed(bare, f"destroy --confirm {found}", step)
        if not (bare.vault / "vault.json").exists():
            check_refusal(bare.run("status"), 10)
            if bare.vault.exists():  # empty
                bare.vault.rmdir()
            continue
        whole = "ending" not in header(bare)
        seen.add(whole)
        result = bare.run("user get login:ann")
        if whole:
            assert result.code == 0, (step, result)
        else:
            check_refusal(result, 10, "being destroyed")
            assert "bunkerctl destroy" in result.err
        result = bare.run(f"destroy --confirm {found} --json")
        assert (result.code, len(result.json["remains"])) == (0, 1), (step, result)
        assert names(bare) == [], step
    assert seen == {True, False}


@pytest.mark.parametrize(
    "line",
    [
        "status",
        "status --check",
        "user list",
        "user get login:ann",
        "user add login=ben",
        "exp sweep",
        "export login:ann",
        "audit list",
        "audit verify",
        "key test",
        "key enroll file {home}/job",
        "key rotate --no-recovery",
        "key recovery create --recovery-file {home}/second",
        "key recovery verify --recovery-file {home}/code",
        "key restore --recovery-file {home}/code",
        "key restore --recovery-file {home}/code --key-file {home}/new",
    ],
)
def test_of_a_vault_that_is_half_destroyed_nothing_is_used(bare: Home, line: str) -> None:
    """Its key above all does not come back."""
    bare.ok(f"init --recovery-file {bare.directory}/code")
    found = half_destroyed(bare)
    refused = bare.run(line.format(home=bare.directory))
    check_refusal(refused, 10, "being destroyed")
    assert "bunkerctl destroy" in refused.err
    assert names(bare) == ["code", "vault"]
    bare.ok(f"destroy --confirm {found}")
    assert names(bare) == ["code"]


def test_what_is_half_destroyed_is_not_explained_as_something_else(ann: Home) -> None:
    half_destroyed(ann)
    (ann.vault / "vault.db").unlink()
    told = ann.run("doctor -o plain")
    assert told.code == 10
    assert "being destroyed" in told.out
    assert "look for a backup" not in told.out
    refused = ann.run(f"init --key-file {ann.directory}/new")
    check_refusal(refused, 5)
    assert not (ann.directory / "new").exists()


def test_to_go_on_needs_the_id_too(ann: Home) -> None:
    found = half_destroyed(ann)
    before = beside(ann)
    for line in ("destroy", "destroy --yes", f"destroy --confirm {NOT_KNOWN}"):
        check_refusal(ann.run(line), 6)
    assert beside(ann) == before
    with Terminal(ann, "destroy") as terminal:
        terminal.see("vault's id: ")
        terminal.type(f"{found}\n")
        assert terminal.end() == 0
    assert names(ann) == []


def test_the_rest_is_answered_alike_but_nobody_can_be_counted(ann: Home) -> None:
    found = half_destroyed(ann)
    answer = ann.ok(f"destroy --confirm {found} --json").json
    assert answer["users"] is None
    assert (answer["vault_id"], answer["removed"]) == (found, VAULT_FILES)
    assert len(answer["remains"]) == 1


def test_to_go_on_leaves_a_shared_key_file_as_well(ann: Home) -> None:
    second = ann.directory / "second"
    ann.ok(f"init --vault {second} --no-recovery")
    found = vault_id(ann)
    altered = json.dumps(header(ann) | {"ending": True})
    (ann.vault / "vault.json").write_text(altered)
    answer = ann.ok(f"destroy --confirm {found} --json").json
    assert str(second) in answer["remains"][0]
    ann.ok(f"status --vault {second}")


def test_two_that_destroy_at_once_do_not_trip_over_each_other(ann: Home) -> None:
    line = f"destroy --confirm {vault_id(ann)}"
    running = [ann.spawn(line, stdin=subprocess.DEVNULL) for _ in range(3)]
    for process in running:
        with process:
            out, err = process.communicate(timeout=60)
        assert process.returncode in (0, 10), (out, err)
    assert sorted(process.returncode for process in running) == [0, 10, 10]
    assert names(ann) == []
