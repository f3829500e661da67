"""Enrolment: one more place for the key, and nothing there is overwritten for it."""

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
from conftest import EXECUTABLE, Home, Result
from desktop import Desktop, log_in, log_out, needs_desktop
from refusals import check_refusal
from test_keyring import SECRET_SERVICE, entries

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act for another owner")
needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc")

NAMED = "--name=bunkerctl-key"
NOBODY = 65534
OTHER = "ab" * 32


def _unfit_for_credentials() -> str:
    """Say why no credential can be made here; nothing if one can."""
    if shutil.which("systemd-creds") is None:
        return "systemd-creds is not installed"
    if os.geteuid() != 0:
        return "only root can use the machine's own key"
    words = ["systemd-creds", "encrypt", NAMED, "-", "-"]
    done = subprocess.run(words, input=b"x", capture_output=True, check=False)
    return "systemd-creds cannot encrypt here" if done.returncode else ""


needs_credentials = pytest.mark.skipif(bool(why := _unfit_for_credentials()), reason=why)


def header(home: Home) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((home.vault / "vault.json").read_bytes())
    return said


def files(place: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def beside(home: Home) -> dict[str, bytes]:
    """Return all the files but the database, which a refusal writes an event into."""
    return {
        path: content for path, content in files(home.directory).items() if "/vault.db" not in path
    }


def outcomes(home: Home) -> list[str]:
    events = home.process("audit list --action key.enroll --json").json
    return [str(event["outcome"]) for event in events]


def write(path: Path, content: str, mode: int = 0o600) -> Path:
    path.write_text(content)
    path.chmod(mode)
    return path


def opened_with_nothing_else(home: Home, *options: str) -> Any:
    """Open the vault as a job would, with an empty environment; return what `status` says."""
    words = [EXECUTABLE, "--vault", str(home.vault), "status", "--json", *options]
    done = subprocess.run(words, env={}, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def copies(home: Home) -> Any:
    return home.process("key status --json").json["copies"]


@pytest.fixture
def other(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Another vault, elsewhere, with a key file of its own."""
    home = Home(tmp_path_factory.mktemp("other"))
    home.ok("init --no-recovery")
    return home


@pytest.fixture(scope="module")
def desktop() -> Iterator[Desktop]:
    with Desktop() as running:
        yield running


@pytest.fixture
def kept(bare: Home, desktop: Desktop) -> Home:
    """A place with a vault whose key is in the keyring."""
    assert log_in(bare, desktop).process("init").code == 0
    return bare


# A file


def test_a_key_file_is_made_for_its_owner_alone_with_its_directory(home: Home) -> None:
    place = home.directory / "jobs" / "sweep" / "key"
    answer = home.process(f"key enroll file {place} --json").json
    assert answer == {
        "vault": str(home.vault),
        "vault_id": header(home)["vault_id"],
        "key_source": "file",
        "place": str(place),
        "key_id": header(home)["key_id"],
        "default": False,
        "changed": True,
    }
    assert place.read_bytes() == home.key_file.read_bytes()
    assert place.stat().st_mode & 0o777 == 0o600
    assert {path.stat().st_mode & 0o777 for path in list(place.parents)[:2]} == {0o700}
    assert header(home)["key"] == {"source": "file", "place": str(home.key_file)}
    assert header(home)["copies"] == [{"source": "file", "place": str(place)}]
    assert copies(home) == [f"the key file {place}"]
    assert outcomes(home) == ["ok"]
    home.ok(f"status --key-file {place}")
    home.ok("audit verify")


def test_an_enrolled_file_is_enough_for_an_unattended_job(home: Home) -> None:
    place = home.directory / "job.key"
    home.ok(f"key enroll file {place}")
    home.key_file.unlink()
    assert opened_with_nothing_else(home, "--key-file", str(place))["key_source"] == "file"
    tested = home.ok(f"key test --key-file {place} --json").json
    assert (tested["key_source"], tested["place"]) == ("file", str(place))


def test_a_relative_path_is_remembered_as_an_absolute_one(home: Home) -> None:
    result = home.process("key enroll file job.key --json", cwd=home.directory)
    assert (result.code, result.json["place"]) == (0, str(home.directory / "job.key"))
    assert header(home)["copies"][0]["place"] == str(home.directory / "job.key")


def test_the_same_key_there_already_is_left(home: Home) -> None:
    place = home.directory / "job.key"
    home.ok(f"key enroll file {place}")
    before = place.stat(), (home.vault / "vault.json").read_bytes()
    assert home.ok(f"key enroll file {place} --json").json["changed"] is False
    assert home.ok(f"key enroll file {home.key_file} --json").json == {
        **home.ok(f"key enroll file {place} --json").json,
        "place": str(home.key_file),
        "default": True,
    }
    assert (place.stat().st_ino, place.stat().st_mtime_ns) == (
        before[0].st_ino,
        before[0].st_mtime_ns,
    )
    assert (home.vault / "vault.json").read_bytes() == before[1]
    assert outcomes(home) == ["ok"]


def test_a_copy_that_somebody_made_is_remembered(home: Home) -> None:
    place = home.directory / "copy.key"
    shutil.copy(home.key_file, place)
    before = place.stat().st_ino
    assert home.ok(f"key enroll file {place} --json").json["changed"] is True
    assert (place.stat().st_ino, copies(home)) == (before, [f"the key file {place}"])


def test_another_key_there_is_left_untouched(home: Home, other: Home) -> None:
    mine = write(home.directory / "mine.key", f"{OTHER}\n")
    for place in (mine, other.key_file):
        for option in ("", "--default"):
            before = beside(home), beside(other)
            refused = home.run(f"key enroll file {place} {option}")
            check_refusal(refused, 5, "another key")
            assert OTHER not in refused.err
            assert (beside(home), beside(other)) == before
    other.ok("status")
    assert "ok" not in outcomes(home)


def test_an_old_key_is_replaced_by_who_says_so(home: Home) -> None:
    place = home.directory / "job.key"
    old = home.key_file.read_text()
    home.ok("key rotate --no-recovery")
    write(place, old)
    check_refusal(home.run(f"key enroll file {place}"), 5, "another key")
    assert place.read_text() == old
    assert home.ok(f"key enroll file {place} --replace --json").json["changed"] is True
    assert place.read_bytes() == home.key_file.read_bytes()
    assert home.ok(f"key enroll file {place} --replace --json").json["changed"] is False


def test_not_even_then_is_the_key_of_another_vault_replaced(home: Home, other: Home) -> None:
    """The file says that another vault has its key there, and it may be all that opens that one."""
    for line in (
        "key enroll file {place} --replace",
        "key enroll file {place} --replace --default",
    ):
        before = beside(home), beside(other)
        result = home.run(line.format(place=other.key_file))
        other.ok("status")
        check_refusal(result, 5)
        assert (beside(home), beside(other)) == before


@pytest.mark.parametrize("how", ["link", "dangling", "open", "group", "hard-link", "malformed"])
def test_what_is_no_key_file_is_left_untouched(home: Home, how: str) -> None:
    place = home.directory / "there"
    key = home.key_file.read_text()
    if how in ("link", "dangling"):
        aim = home.directory / "aim"
        if how == "link":
            write(aim, key)
        place.symlink_to(aim)
    elif how == "hard-link":
        write(place, key)
        (home.directory / "second").hardlink_to(place)
    elif how == "malformed":
        write(place, "what I noted\n")
    else:
        write(place, key, 0o644 if how == "open" else 0o640)
    before = beside(home)
    check_refusal(home.run(f"key enroll file {place}"), 13, str(place))
    assert beside(home) == before
    assert place.is_symlink() == (how in ("link", "dangling"))
    assert copies(home) == []


def test_a_directory_or_a_pipe_is_no_key_file(home: Home) -> None:
    (home.directory / "folder").mkdir()
    os.mkfifo(home.directory / "pipe", 0o600)
    for name in ("folder", "pipe"):
        check_refusal(home.run(f"key enroll file {home.directory}/{name}"), 13, name)
    check_refusal(home.run("key enroll file /dev/null"), 13, "/dev/null")
    check_refusal(home.run(f"key enroll file {home.key_file}/below"), 13, "below")


@pytest.mark.parametrize("place", ["vault/key", "vault/sub/key", "link/key", "vault/../vault/key"])
@pytest.mark.parametrize("vault", ["vault", "link"])
def test_a_key_file_inside_the_vault_is_refused(home: Home, place: str, vault: str) -> None:
    """It would lie beside what it locks, and go where the vault's copies go."""
    (home.directory / "link").symlink_to(home.vault)
    line = f"--vault {home.directory}/{vault} key enroll file {home.directory}/{place}"
    before = beside(home)
    check_refusal(home.run(line), 2, "outside the vault")
    assert beside(home) == before


def test_a_vault_that_is_reached_through_a_link_has_no_key_inside(home: Home) -> None:
    """As /tmp and /var are links on some systems."""
    (home.directory / "var").symlink_to(home.directory)
    line = f"--vault {home.directory}/var/vault key enroll file {home.directory}/var/vault/key"
    check_refusal(home.run(line), 2, "outside the vault")
    assert not (home.vault / "key").exists()


@needs_proc
def test_a_key_that_could_not_be_stored_is_no_success_in_the_trail(home: Home) -> None:
    check_refusal(home.run("key enroll file /proc/bunkerctl.key"), 9, "/proc/bunkerctl.key")
    assert copies(home) == []
    assert "ok" not in outcomes(home)


def test_an_enrolment_waits_for_other_commands(home: Home) -> None:
    presence = directory.enter(str(home.vault), 0, alone=False)
    line = f"key enroll file {home.directory}/job.key --lock-wait 0s"
    check_refusal(home.run(line), 11, "other commands")
    os.close(presence)
    assert not (home.directory / "job.key").exists()


@as_root
def test_what_root_enrolls_belongs_to_the_owner_of_the_vault(home: Home) -> None:
    """Else the owner's job cannot read the key that is there for it."""
    for path in (home.directory, *home.directory.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    place = home.directory / "jobs" / "key"
    home.ok(f"key enroll file {place}")
    for path in (*home.vault.iterdir(), home.key_file, place, place.parent):
        assert path.stat().st_uid == NOBODY, path


# --default


def test_the_default_is_another_file_and_the_former_one_stays_a_copy(home: Home) -> None:
    place = home.directory / "new.key"
    answer = home.ok(f"key enroll file {place} --default --json").json
    assert (answer["default"], answer["changed"]) == (True, True)
    assert header(home)["key"] == {"source": "file", "place": str(place)}
    assert header(home)["copies"] == [{"source": "file", "place": str(home.key_file)}]
    assert copies(home) == [f"the key file {home.key_file}"]
    home.key_file.unlink()
    assert opened_with_nothing_else(home)["key_source"] == "file"
    del home.environment["BUNKERCTL_KEY_FILE"]
    assert home.ok("key status --json").json["place"] == str(place)
    assert home.ok(f"key enroll file {place} --default --json").json["changed"] is False


def test_the_default_goes_back_and_forth_and_no_place_is_named_twice(home: Home) -> None:
    places = [home.key_file, home.directory / "a.key", home.directory / "b.key"]
    for place in (*places, *reversed(places), places[1]):
        home.ok(f"key enroll file {place} --default")
        named = [header(home)["key"], *header(home).get("copies", ())]
        assert named[0]["place"] == str(place)
        assert len({one["place"] for one in named}) == len(named)
    assert {one["place"] for one in named} == set(map(str, places))
    home.ok(f"key enroll file {places[0]}")
    assert header(home)["key"]["place"] == str(places[1])


def test_a_file_that_two_vaults_share_is_given_up_by_the_one_that_gets_its_own(home: Home) -> None:
    """A rotation of this vault must not replace the key of that one."""
    home.ok(f"init --vault {home.directory}/second --no-recovery")
    home.ok(f"key enroll file {home.directory}/own.key --default")
    assert copies(home) == []
    home.ok(f"status --vault {home.directory}/second")
    home.ok("key rotate --no-recovery --key-file " + str(home.directory / "own.key"))
    home.ok(f"status --vault {home.directory}/second")


# The keyring


@needs_desktop
def test_a_key_is_put_into_the_keyring_of_this_login(home: Home, desktop: Desktop) -> None:
    log_in(home, desktop)
    vault_id = header(home)["vault_id"]
    answer = home.process("key enroll keyring --json").json
    assert (answer["key_source"], answer["place"]) == ("keyring", SECRET_SERVICE)
    assert (answer["default"], answer["changed"]) == (False, True)
    assert entries(desktop)[vault_id] == home.key_file.read_bytes().strip()
    assert header(home)["copies"] == [{"source": "keyring", "place": SECRET_SERVICE}]
    assert copies(home) == ["the keyring"]
    assert home.process("key enroll keyring --json").json["changed"] is False
    assert outcomes(home) == ["ok"]
    made_default = home.process("key enroll keyring --default --json").json
    assert (made_default["default"], made_default["changed"]) == (True, True)
    assert copies(home) == [f"the key file {home.key_file}"]
    home.key_file.unlink()
    assert home.process("status --json").json["key_source"] == "keyring"


@needs_desktop
def test_at_the_desktop_a_job_gets_a_file_of_its_own(kept: Home, desktop: Desktop) -> None:
    place = kept.directory / "job.key"
    refused = kept.process("key test --json")
    assert refused.code == 13 and "key enroll file" in refused.error["hint"]
    assert kept.process(f"key enroll file {place}").code == 0
    assert place.read_bytes().strip() == entries(desktop)[header(kept)["vault_id"]]
    assert header(kept)["key"]["source"] == "keyring"
    assert kept.process(f"key test --key-file {place}").code == 0
    log_out(kept)
    assert kept.process("status").code == 13
    assert opened_with_nothing_else(kept, "--key-file", str(place))["key_source"] == "file"
    line = f"key enroll file {place} --default --key-file {place}"
    assert kept.process(line).code == 0
    assert opened_with_nothing_else(kept)["key_source"] == "file"
    assert copies(kept) == ["the keyring"]


@needs_desktop
def test_another_key_in_the_keyring_is_left_untouched(home: Home, desktop: Desktop) -> None:
    log_in(home, desktop)
    vault_id = header(home)["vault_id"]
    store = """
import sys, keyring
keyring.get_keyring().set_password("bunkerctl", sys.argv[1], "ab" * 32)
"""
    desktop.ask(store, vault_id)
    before = beside(home)
    refused = home.process("key enroll keyring")
    check_refusal(refused, 5, "another key")
    assert entries(desktop)[vault_id] == OTHER.encode()
    assert beside(home) == before
    assert OTHER not in refused.err


def test_without_a_keyring_nothing_is_enrolled(home: Home) -> None:
    before = beside(home)
    refused = home.process("key enroll keyring --json")
    assert (refused.code, refused.out, refused.error["reason"]) == (13, "", "no_backend")
    assert beside(home) == before
    assert "ok" not in outcomes(home)


# A credential of systemd


def decrypted(place: Path) -> bytes:
    words = ["systemd-creds", "decrypt", NAMED, str(place), "-"]
    return subprocess.run(words, capture_output=True, check=True).stdout


@needs_credentials
def test_a_credential_decrypts_to_the_key_and_opens_the_vault_in_a_unit(home: Home) -> None:
    place = home.directory / "store" / "bunkerctl-key"
    answer = home.ok(f"key enroll systemd-credential {place} --json").json
    assert answer == {
        "vault": str(home.vault),
        "vault_id": header(home)["vault_id"],
        "key_source": "credential",
        "place": str(place),
        "key_id": header(home)["key_id"],
        "default": False,
        "changed": True,
    }
    key = home.key_file.read_bytes()
    assert place.stat().st_mode & 0o777 == 0o600
    assert key.strip() not in place.read_bytes()
    assert decrypted(place) == key
    assert copies(home) == [f"the credential {place}"]
    assert header(home)["copies"] == [{"source": "credential", "place": str(place)}]
    assert outcomes(home) == ["ok"]
    # What systemd does for LoadCredentialEncrypted=bunkerctl-key.
    unit = home.directory / "run"
    unit.mkdir(0o700)
    write(unit / "bunkerctl-key", decrypted(place).decode(), 0o400)
    home.key_file.unlink()
    home.environment["CREDENTIALS_DIRECTORY"] = str(unit)
    del home.environment["BUNKERCTL_KEY_FILE"]
    assert home.process("status --json").json["key_source"] == "credential"
    home.ok("exp sweep")


@needs_credentials
def test_after_a_rotation_a_credential_is_enrolled_anew(home: Home) -> None:
    place = home.directory / "cred"
    home.ok(f"key enroll systemd-credential {place}")
    home.ok("key rotate --no-recovery")
    assert decrypted(place) != home.key_file.read_bytes()
    answer = home.ok(f"key enroll systemd-credential {place} --json").json
    assert decrypted(place) == home.key_file.read_bytes()
    assert answer["changed"] is True
    assert outcomes(home) == ["ok", "ok"]
    assert copies(home) == [f"the credential {place}"]


@needs_credentials
def test_a_credential_is_not_the_source_of_a_vault(home: Home) -> None:
    before = beside(home)
    line = f"key enroll systemd-credential {home.directory}/cred --default"
    check_refusal(home.run(line), 2, "unit")
    assert beside(home) == before


@needs_credentials
@pytest.mark.parametrize("what", ["its-key", "their-key", "a-note", "the-header"])
def test_a_credential_takes_the_place_of_nothing_else(home: Home, other: Home, what: str) -> None:
    """A slip in the path must not cost what is there: a key file is all that opens a vault."""
    place = {
        "its-key": home.key_file,
        "their-key": other.key_file,
        "a-note": write(home.directory / "note", "what I noted"),
        "the-header": home.vault / "vault.json",
    }[what]
    before = beside(home), beside(other)
    result = home.run(f"key enroll systemd-credential {place}")
    assert (beside(home), beside(other)) == before
    assert result.code in (2, 5) and result.out == "", result
    home.ok("status")
    other.ok("status")


@needs_credentials
@pytest.mark.parametrize("whose", ["its", "their"])
def test_not_even_replace_puts_a_credential_over_a_key_that_is_needed(
    home: Home, other: Home, whose: str
) -> None:
    place = (home if whose == "its" else other).key_file
    key = place.read_bytes()
    result = home.run(f"key enroll systemd-credential {place} --replace")
    assert place.read_bytes() == key
    assert result.code in (2, 5) and result.out == "", result


@needs_credentials
def test_the_credential_of_another_vault_is_left_untouched(home: Home, other: Home) -> None:
    """Two vaults on a machine, and the one place that the units look at."""
    place = home.directory / "bunkerctl-key"
    other.ok(f"key enroll systemd-credential {place}")
    before = place.read_bytes()
    check_refusal(home.run(f"key enroll systemd-credential {place}"), 5, str(place))
    assert place.read_bytes() == before
    assert decrypted(place) == other.key_file.read_bytes()


@pytest.mark.parametrize("place", ["folder", "link", "pipe"])
@needs_credentials
def test_what_is_no_place_for_a_credential_is_left(home: Home, place: str) -> None:
    (home.directory / "folder").mkdir()
    (home.directory / "link").symlink_to(home.key_file)
    os.mkfifo(home.directory / "pipe")
    before = beside(home)
    result = home.run(f"key enroll systemd-credential {home.directory}/{place}")
    assert result.code in (5, 9, 13) and result.out == "", result
    assert beside(home) == before
    assert copies(home) == []
    assert "ok" not in outcomes(home)


def fake(home: Home, script: str) -> None:
    """Let a script be systemd-creds, and nothing else be found but what it needs."""
    place = home.directory / "bin"
    place.mkdir()
    write(place / "systemd-creds", f"#!/bin/sh\n{script}\n", 0o700)
    home.environment["PATH"] = f"{place}:/usr/bin:/bin"


def check_no_credential(home: Home, result: Result, reason: str) -> None:
    assert (result.code, result.out, result.error["reason"]) == (13, "", reason), result
    assert home.key_file.read_text().strip() not in result.err
    assert not (home.directory / "cred").exists()
    assert copies(home) == []
    assert "ok" not in outcomes(home)


def test_without_systemd_a_credential_cannot_be_made(home: Home) -> None:
    home.environment["PATH"] = str(home.directory)
    result = home.run(f"key enroll systemd-credential {home.directory}/cred --json")
    assert "systemd-creds is not installed" in result.error["message"]
    assert "systemd" in result.error["hint"]
    check_no_credential(home, result, "command_failed")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 3", "command_failed"),
        ("cat; exit 1", "command_failed"),
        ("[ $1 = encrypt ] && echo sealed", "command_failed"),
        ("[ $1 = encrypt ] && echo sealed || echo another", "not_kept"),
        ("cat", "not_kept"),
    ],
    ids=["fails", "fails-late", "cannot-decrypt", "gives-another", "does-nothing"],
)
def test_a_credential_that_is_not_kept_is_no_place_of_the_key(
    home: Home, script: str, reason: str
) -> None:
    fake(home, script)
    result = home.process(f"key enroll systemd-credential {home.directory}/cred --json")
    check_no_credential(home, result, reason)


# Words


@pytest.mark.parametrize(
    "words",
    [
        "",
        "file",
        "keyring /somewhere",
        "files /somewhere",
        "file /somewhere /else",
        "/somewhere",
        "credential /somewhere",
        "command 'cat key'",
        "file ''",
        "systemd-credential /somewhere --default",
        "systemd-credential ''",
    ],
)
def test_what_enroll_does_not_understand_is_a_usage_error(home: Home, words: str) -> None:
    """Without systemd-creds, lest a slip of ours end in /etc."""
    home.environment["PATH"] = str(home.directory)
    before = files(home.directory)
    check_refusal(home.run(f"key enroll {words}"), 2)
    assert files(home.directory) == before


def test_a_key_in_place_of_a_path_is_not_repeated(home: Home) -> None:
    key = home.key_file.read_text().strip()
    home.environment["PATH"] = str(home.directory)
    before = beside(home)
    for line in (["file", key], ["systemd-credential", key], [key], ["keyring", key]):
        result = home.process(["key", "enroll", *line], cwd=home.directory)
        assert (result.code, result.out) == (2, ""), result
        assert key not in result.err
    assert beside(home) == before


def test_a_vault_that_cannot_be_opened_enrolls_nothing(home: Home) -> None:
    write(home.directory / "wrong.key", f"{OTHER}\n")
    line = f"key enroll file {home.directory}/job.key"
    check_refusal(home.run(f"{line} --key-file {home.directory}/wrong.key"), 12)
    check_refusal(home.run(f"{line} --vault {home.directory}/none"), 10)
    home.key_file.unlink()
    check_refusal(home.run(line), 13)
    assert not (home.directory / "job.key").exists()
