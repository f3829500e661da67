"""The master key from a file, a command or a descriptor: one source, and no other in its place."""

from __future__ import annotations

import os
import resource
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from bunkerctl import crypto
from bunkerctl.directory import read_header
from conftest import Home, Result
from refusals import check_refusal

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")

OTHER = "0123456789abcdef" * 4
DIGITS = OTHER.encode()


def files(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def check_refused(result: Result, code: int, *words: str) -> None:
    """Check a refusal that shows no key."""
    check_refusal(result, code, *words)
    assert OTHER not in result.err and OTHER[:20].upper() not in result.err


def key_of(home: Home) -> str:
    return home.key_file.read_text().strip()


@pytest.fixture
def keyless(home: Home) -> Home:
    """A vault whose key file is recorded in its header and named nowhere else."""
    del home.environment["BUNKERCTL_KEY_FILE"]
    return home


Damage = bytes | int | Callable[[Path], object]
"""What is done to a good key file: other content, another mode, or something else."""


def damage(path: Path, how: Damage) -> None:
    if isinstance(how, bytes):
        path.write_bytes(how)
    elif isinstance(how, int):
        path.chmod(how)
    else:
        how(path)


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir(0o700)


MISSING = pytest.param(Path.unlink, "missing", id="missing")
DAMAGED = [
    pytest.param(how, reason, id=name)
    for name, reason, how in [
        ("empty", "malformed", b""),
        ("short", "malformed", DIGITS[:63] + b"\n"),
        ("long", "malformed", DIGITS + b"0\n"),
        ("too-long", "malformed", (DIGITS + b"\n") * 10_000),
        ("garbage", "malformed", b"\xff\0\x1b[2J" * 9),
        ("not-hex", "malformed", DIGITS[:63] + b"g\n"),
        ("two-newlines", "malformed", DIGITS + b"\n\n"),
        ("world-readable", "permissions", 0o604),
        ("group-readable", "permissions", 0o640),
        ("hard-link", "permissions", lambda path: path.with_name("other").hardlink_to(path)),
        ("fifo", "permissions", fifo),
        ("directory", "permissions", directory),
        ("symlink", "unreadable", lambda path: path.symlink_to(path.rename(f"{path}.old"))),
    ]
] + [
    pytest.param(
        lambda path: os.chown(path, 65534, 65534), "permissions", marks=as_root, id="not-ours"
    )
]


@pytest.mark.parametrize(("how", "reason"), [*DAMAGED, MISSING])
def test_a_bad_key_file_is_refused_and_no_other_source_is_tried(
    home: Home, how: Damage, reason: str
) -> None:
    """The recorded key file is good all along."""
    (home.directory / "keys").mkdir()
    bad = write(home.directory / "keys" / "bad", home.key_file.read_bytes())
    damage(bad, how)
    before = files(home.directory)
    check_refused(home.run(["status", "--key-file", str(bad)]), 13, str(bad))
    refused = home.run(["user", "get", "login:a", "--key-file", str(bad), "--json"])
    assert refused.error["reason"] == reason
    assert files(home.directory) == before


@as_root
def test_root_may_use_a_key_file_of_the_owner_of_the_vault_and_of_nobody_else(home: Home) -> None:
    owner, other = 65534, 65533
    for path in (home.vault, *home.vault.iterdir(), home.key_file):
        os.chown(path, owner, owner)
    assert home.ok("status --json").json["key_source"] == "file"
    os.chown(home.key_file, other, other)
    check_refused(home.run("status"), 13, str(home.key_file), "belongs to another user")
    os.chown(home.key_file, owner, owner)
    os.chown(home.vault, 0, 0)
    check_refused(home.run("status"), 13, str(home.key_file), "belongs to another user")


def test_an_endless_device_is_no_key_file(home: Home) -> None:
    check_refused(home.run("status --key-file /dev/zero"), 13, "/dev/zero", "not a regular file")


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
@pytest.mark.parametrize("form", [str.lower, str.upper])
def test_a_key_may_end_with_a_newline_and_be_in_capitals(
    home: Home, form: Callable[[str], str], end: str
) -> None:
    write(home.key_file, (form(key_of(home)) + end).encode())
    assert home.ok("status --json").json["key_source"] == "file"


def test_a_wrong_key_names_both_ids_and_no_key(home: Home) -> None:
    header = read_header(str(home.vault))
    found = crypto.key_id(bytes.fromhex(OTHER), uuid.UUID(header.vault_id).bytes)
    before = files(home.vault)
    other = write(home.directory / "other", DIGITS)
    refused = home.run(["status", "--key-file", str(other)])
    check_refused(refused, 12, found, header.key_id)
    assert key_of(home) not in refused.err
    assert files(home.vault) == before


# init


def test_init_makes_a_key_file_for_the_owner_alone(bare: Home) -> None:
    bare.ok("init --json")
    assert bare.key_file.stat().st_mode & 0o777 == 0o600
    assert len(bytes.fromhex(key_of(bare))) == 32
    assert bare.key_file.read_bytes().endswith(b"\n")


@pytest.mark.parametrize("content", [DIGITS, DIGITS.upper() + b"\r\n"])
def test_init_uses_a_key_file_that_is_there_and_leaves_it_as_it_is(
    bare: Home, content: bytes
) -> None:
    write(bare.key_file, content)
    before = bare.key_file.stat()
    answer = bare.ok("init --json").json
    after = bare.key_file.stat()
    vault_id = uuid.UUID(answer["vault_id"]).bytes
    assert answer["key_id"] == crypto.key_id(bytes.fromhex(OTHER), vault_id)
    assert bare.key_file.read_bytes() == content
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    bare.ok("status")


@pytest.mark.parametrize(("how", "reason"), DAMAGED)
def test_init_with_a_bad_key_file_makes_no_vault(bare: Home, how: Damage, reason: str) -> None:
    bare.key_file = bare.directory / "keys" / "key"
    bare.key_file.parent.mkdir()
    damage(write(bare.key_file, DIGITS), how)
    before = files(bare.directory)
    bare.environment["BUNKERCTL_KEY_FILE"] = str(bare.key_file)
    check_refused(bare.run("init"), 13, str(bare.key_file))
    assert bare.run("init --json").error["reason"] == reason
    assert files(bare.directory) == before
    assert not bare.vault.exists()


@pytest.mark.parametrize("room", [10, 1_000])
def test_an_init_that_runs_out_of_room_leaves_no_key_file(bare: Home, room: int) -> None:
    """At 10 bytes the key does not fit, at 1,000 the database."""
    bare.environment["PYTHONDONTWRITEBYTECODE"] = "1"  # caches would be cut off, and stay so
    limit = (resource.RLIMIT_FSIZE, (room, room))
    result = bare.process("init", preexec_fn=lambda: resource.setrlimit(*limit))
    check_refused(result, 9)
    assert list(bare.directory.iterdir()) == []


def test_init_takes_no_key_from_a_command_or_a_descriptor(bare: Home) -> None:
    del bare.environment["BUNKERCTL_KEY_FILE"]
    for option in (["--key-command", "cat key"], ["--key-fd", "3"]):
        check_refused(bare.run(["init", *option]), 2)
    assert list(bare.directory.iterdir()) == []


# --key-command, --key-fd


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("false", "command_failed"),
        ("sh -c 'cat KEY; exit 3'", "command_failed"),
        ("no-such-program KEY", "command_failed"),
        ("'cat KEY", "command_failed"),
        (" ", "command_failed"),
        ("true", "malformed"),
        (f"echo {OTHER} {OTHER}", "malformed"),
        ("head -c 10000000 /dev/zero", "malformed"),
        ("cat KEY; true", "command_failed"),  # there is no shell
        ("sh -c 'cat KEY; kill -9 $$'", "command_failed"),
        ("sh -c 'cat KEY; kill -TERM $$'", "command_failed"),
        ("sh -c 'cat KEY; echo'", "malformed"),
    ],
)
def test_a_key_command_that_gives_no_key_is_refused(home: Home, line: str, reason: str) -> None:
    command = line.replace("KEY", str(home.key_file))
    before = files(home.directory)
    result = home.process(["status", "--key-command", command, "--json"])
    assert (result.code, result.out, result.error["reason"]) == (13, "", reason), result
    assert result.error["hint"]
    assert OTHER not in result.err and key_of(home) not in result.err
    assert files(home.directory) == before


def test_a_key_command_is_given_no_input(home: Home) -> None:
    result = home.process("status --key-command cat", DIGITS)
    check_refused(result, 13, "command")


@pytest.mark.parametrize("end", ["", "\\n", "\\r\\n"])
def test_what_a_key_command_prints_may_end_with_a_newline(home: Home, end: str) -> None:
    command = f"printf '{key_of(home)}{end}'"
    assert home.ok(["status", "--key-command", command, "--json"]).json["key_source"] == "command"


def test_what_a_key_command_says_on_standard_error_is_shown(home: Home) -> None:
    command = f"sh -c 'echo touch the token >&2; cat {home.key_file}'"
    result = home.process(["status", "--key-command", command, "--json"])
    assert (result.code, result.err) == (0, "touch the token\n")
    assert result.json["key_source"] == "command"


def test_a_key_command_that_dies_is_told_by_its_signal(home: Home) -> None:
    result = home.process(["status", "--key-command", "sh -c 'kill -9 $$'"])
    check_refused(result, 13, "the key command died of signal 9")


def test_a_descriptor_may_give_the_key(home: Home) -> None:
    with home.key_file.open("rb") as key:
        number = key.fileno()
        line = f"status --key-fd {number} --json"
        result = home.process(line, pass_fds=(number,))
    assert (result.code, result.json["key_source"]) == (0, "fd")


@pytest.mark.parametrize("given", [b"", b"garbage", DIGITS * 9, DIGITS + b"\n\n"])
def test_a_descriptor_that_gives_no_key_is_refused(home: Home, given: bytes) -> None:
    with write(home.directory / "given", given).open("rb") as file:
        check_refused(home.run(f"status --key-fd {file.fileno()}"), 13, "descriptor")


# Which source


@pytest.mark.parametrize(
    "line",
    [
        "--key-file a --key-fd 3",
        "--key-file a --key-command b",
        "--key-command b --key-fd 3",
        "--key-fd three",
        "--key-fd=-1",
        "--key-fd 99999999999999999999",
        "--key-file ''",
        "--key-command=",
        "--key-fd ''",
    ],
)
def test_an_option_that_names_no_source_is_a_usage_error(keyless: Home, line: str) -> None:
    check_refused(keyless.run(f"status {line}"), 2, "--key-")


RANKS = ("flag", "environment", "credential", "config", "recorded")


@pytest.mark.parametrize("rank", range(5), ids=RANKS)
@pytest.mark.parametrize("works", [True, False], ids=["works", "fails"])
def test_a_flag_beats_the_environment_the_credential_the_config_and_what_init_recorded(
    keyless: Home, rank: int, works: bool
) -> None:
    """If the first one named works, the others need not; if it fails, none takes its place.

    A credential that is not there names nothing: what fails is one without a key in it.
    """
    key = keyless.key_file.read_bytes()
    keyless.key_file.unlink()
    places = [*(keyless.directory / name for name in RANKS[:4]), keyless.key_file]
    places[2] = credentials(keyless) / "bunkerctl-key"
    for number, place in enumerate(places):
        if (number == rank) == works:
            write(place, key)
    if rank == 2 and not works:
        write(places[2], b"no key")
    if rank <= 3:
        keyless.ok(["config", "set", "key.file", str(places[3])])
    if rank > 2:
        places[2].unlink(missing_ok=True)
    if rank <= 1:
        keyless.environment["BUNKERCTL_KEY_FILE"] = str(places[1])
    line = ["status", "--key-file", str(places[0])] if rank == 0 else ["status"]
    if works:
        keyless.ok(line)
    else:
        why = "is not a master key" if rank == 2 else "is missing"
        check_refused(keyless.run(line), 13, f"{places[rank]} {why}")


def credentials(home: Home) -> Path:
    """Make a directory of credentials, as systemd does for a unit."""
    found = home.directory / "credentials"
    found.mkdir(0o500)
    home.environment["CREDENTIALS_DIRECTORY"] = str(found)
    return found


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o600])
def test_a_credential_may_show_the_group_bits_of_an_access_list(keyless: Home, mode: int) -> None:
    path = write(credentials(keyless) / "bunkerctl-key", keyless.key_file.read_bytes())
    path.chmod(mode)
    keyless.key_file.unlink()
    assert keyless.ok("status --json").json["key_source"] == "credential"


@pytest.mark.parametrize("mode", [0o444, 0o604, 0o602])
def test_a_credential_that_anybody_can_read_or_write_is_refused(keyless: Home, mode: int) -> None:
    path = write(credentials(keyless) / "bunkerctl-key", keyless.key_file.read_bytes())
    path.chmod(mode)
    check_refused(keyless.run("status"), 13, str(path), "by others")
    assert keyless.run("status --json").error["reason"] == "permissions"


@pytest.mark.parametrize("place", ["there", "nowhere", ""])
def test_a_directory_without_our_credential_names_no_source(keyless: Home, place: str) -> None:
    """A unit may have other credentials, and none of ours."""
    write(credentials(keyless) / "another", DIGITS)
    if place != "there":
        keyless.environment["CREDENTIALS_DIRECTORY"] = place and f"/{place}"
    assert keyless.ok("status --json").json["key_source"] == "file"


def test_two_sources_in_the_settings_are_a_usage_error(keyless: Home) -> None:
    keyless.ok(["config", "set", "key.file", str(keyless.key_file)])
    keyless.ok("config set key.command false")
    for line in ("status", "key status", "user get login:ann", "doctor"):
        check_refused(keyless.run(line), 2, "key.file", "key.command")
    keyless.ok(["status", "--key-file", str(keyless.key_file)])


def test_two_sources_in_the_environment_are_a_usage_error(home: Home) -> None:
    home.environment["BUNKERCTL_KEY_COMMAND"] = f"cat {home.key_file}"
    check_refused(home.run("status"), 2, "--key-file", "--key-command")


def test_a_command_and_a_descriptor_keep_to_the_same_ranks(keyless: Home) -> None:
    keyless.ok("config set key.command false")
    check_refused(keyless.run("status"), 13, "command")
    keyless.environment["BUNKERCTL_KEY_COMMAND"] = f"cat '{keyless.key_file}'"
    assert keyless.ok("status --json").json["key_source"] == "command"
    assert keyless.ok(f"status --json --key-file {keyless.key_file}").json["key_source"] == "file"
    check_refused(keyless.run("status --key-fd 987"), 13, "descriptor")
    keyless.environment["BUNKERCTL_KEY_FD"] = "987"
    check_refused(keyless.run("status"), 2, "--key-")
