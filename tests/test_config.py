"""Settings: where they come from, which wins, what they refuse, and that they take effect."""

from __future__ import annotations

import stat
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomli_w

from bunkerctl import config
from bunkerctl.cli import grammar
from conftest import DAY, Home

SECRET = "canary@example.com"


def configure(home: Home, text: str | bytes) -> Path:
    """Write the user's file; return its path."""
    path = home.directory / ".config" / "bunkerctl" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# Precedence: flag, environment, config file, default.


def sources(home: Home, name: str, values: tuple[str, str, str, str]) -> Iterator[tuple[str, str]]:
    """Yield (options, the value that must win), taking one source away after the other."""
    variable = f"BUNKERCTL_{name.upper()}"
    configure(home, f'{name} = "{values[2]}"')
    home.environment[variable] = values[1]
    yield f"--{name.replace('_', '-')} {values[0]}", values[0]
    yield "", values[1]
    home.environment[variable] = ""  # counts as absent
    yield "", values[2]
    configure(home, "")
    yield "", values[3]


def test_the_vault_is_named_by_flag_environment_config_default(bare: Home) -> None:
    default = f"{bare.directory}/.local/share/bunkerctl/default"
    bare.environment["XDG_DATA_HOME"] = ""
    for options, path in sources(bare, "vault", ("/no/flag", "/no/env", "/no/config", default)):
        refused = bare.run(f"status {options}")
        assert refused.code == 10 and f" no vault at {path}\n" in refused.err
    bare.environment["XDG_DATA_HOME"] = "/no/data"
    assert " no vault at /no/data/bunkerctl/default\n" in bare.run("status").err


def test_output_is_set_by_flag_environment_config_default(bare: Home) -> None:
    starts = {"json": "[\n{", "csv": "name,", "jsonl": '{"name"', "plain": "vault\t\tdefault\n"}
    for options, form in sources(bare, "output", ("json", "csv", "jsonl", "plain")):
        assert bare.ok(f"config show {options}").out.startswith(starts[form])


def test_the_actor_is_set_by_flag_environment_config_default(home: Home) -> None:
    for options, actor in sources(home, "actor", ("flag", "environment", "config", "")):
        home.ok(f"user list {options}")
        found = home.ok("audit list --limit 1 -o json").json[0]["actor"]
        assert found == actor or (found and not actor)  # the default is whoever runs this


def test_the_key_file_is_named_by_flag_environment_config_header(home: Home) -> None:
    configure(home, 'key.file = "/nowhere/config"')
    home.environment["BUNKERCTL_KEY_FILE"] = "/nowhere/environment"
    home.ok(f"status --key-file {home.key_file}")
    home.ok(f"status --key-command 'cat {home.key_file}'")  # a flag, over the variable
    assert "/nowhere/environment" in home.run("status").err
    home.environment["BUNKERCTL_KEY_FILE"] = ""
    assert "/nowhere/config" in home.run("status").err
    configure(home, "")
    home.ok("status")  # as `init` recorded it


def test_lock_wait_is_set_by_flag_environment_config(home: Home) -> None:
    db = home.database()
    db.begin()
    for options, wait in sources(home, "lock_wait", ("0s", "2s", "0s", "")):
        if wait:
            before = time.monotonic()
            busy = home.run(f"user get login:ann --json {options}")
            assert (busy.code, busy.out, busy.error["code"]) == (11, "", "busy")
            assert (time.monotonic() - before >= 2) is (wait == "2s")
    db.close()


@pytest.mark.parametrize(
    ("options", "no_color", "setting", "colored"),
    [
        ("--color always", "1", "never", True),
        ("--color never", "", "always", False),
        ("", "1", "always", False),
        ("", "", "always", True),
        ("", "", "auto", False),
    ],
)
def test_colour_is_set_by_flag_environment_config(
    home: Home, options: str, no_color: str, setting: str, colored: bool
) -> None:
    configure(home, f'color = "{setting}"')
    home.environment["NO_COLOR"] = no_color
    assert ("\x1b" in home.ok(f"user list -o table {options}").out) is colored


def test_empty_variables_count_as_absent_and_a_named_config_must_exist(home: Home) -> None:
    for option in grammar.GLOBALS:
        if option.environment and option.environment != "BUNKERCTL_VAULT":
            home.environment[option.environment] = ""
    assert len(home.ok("user add login=ann").out) == 37
    for line, variable in (("--config /nowhere/c status", ""), ("status", "/nowhere/c")):
        home.environment["BUNKERCTL_CONFIG"] = variable
        refused = home.run(line)
        assert (refused.code, refused.out, "/nowhere/c" in refused.err) == (9, "", True)


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's file, which `bunkerctl config set` does not write."""
    path = tmp_path / "system.toml"
    monkeypatch.setattr("bunkerctl.config.SYSTEM_FILE", str(path))
    return path


def test_the_users_file_lies_over_the_systems(bare: Home, system: Path) -> None:
    system.write_text('phone.region = "GB"\n[exp]\ngrace = "10d"\n')
    user = configure(bare, '[exp]\ngrace = "20d"\n')
    rows = [list(one.values()) for one in bare.ok("config show --json").json]
    assert [row[0] for row in rows] == list(config.SETTINGS) == [name for name, _, _ in VALUES]
    assert ["exp.grace", "20d", str(user)] in rows
    assert ["phone.region", "GB", str(system)] in rows
    assert ["lock_wait", "10s", "default"] in rows and ["exp.max", None, "default"] in rows
    named = bare.directory / "named.toml"  # then neither of the others
    named.write_text("")
    assert bare.ok(f"config get exp.grace --config {named}").out == "30d\n"
    assert bare.ok(f"config get phone.region --config {named}").out == "\n"


def test_path_follows_the_base_directories(bare: Home, system: Path) -> None:
    assert bare.ok("config path").out == f"{bare.directory}/.config/bunkerctl/config.toml\n"
    bare.environment["XDG_CONFIG_HOME"] = f"{bare.directory}/xdg"
    path = f"{bare.directory}/xdg/bunkerctl/config.toml"
    assert bare.ok("config path --json").json == {"path": path}
    bare.ok("config set exp.grace 4d")
    assert bare.ok("config get exp.grace").out == "4d\n"
    bare.environment["XDG_CONFIG_HOME"] = ""
    assert bare.ok("config get exp.grace").out == "30d\n"
    del bare.environment["HOME"]
    assert bare.run("config path").code == 2


def test_get_prints_the_value_alone_or_with_its_source(bare: Home) -> None:
    path = configure(bare, 'links.base = "https://example.com"')
    assert bare.ok("config get links.base").out == "https://example.com\n"
    assert bare.ok("config get exp.max").out == "\n"
    answer = {"name": "links.base", "value": "https://example.com", "source": str(path)}
    assert bare.ok("config get links.base --json").json == answer
    assert "config show" in bare.run(f"config get {SECRET} --json").error["hint"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('colour = "auto"', "unknown setting colour"),
        ('[exp]\ngrce = "1d"', "unknown setting exp.grce"),
        ("[nothing]", "unknown setting nothing"),
        ('exp = "30d"', "unknown setting exp"),
        ("[output]\nform = 'json'", "output must be a string"),
        ("lock_wait = 10", "lock_wait must be a string"),
        ("[exp]\ngrace = 30", "exp.grace must be a string"),
        ("actor = ['a']", "actor must be a string"),
        ('[exp]\ngrace = "1m"', "bad value for exp.grace: `m` could be minutes or months"),
        (f'ok = "x"\nbroken {SECRET}', "malformed TOML (at line 2, column 8)"),
        (f'actor = "{SECRET}', None),
        (f'actor = "a"\nactor = "{SECRET}"', None),
        (f'actor = "{SECRET}"\n'.encode() + b'ref = "\xff"', "not UTF-8"),
    ],
)
@pytest.mark.parametrize("line", ["config show --json", "status --json", "user add login=a --json"])
def test_a_bad_file_is_2_and_named_without_its_content(
    bare: Home, text: str | bytes, message: str | None, line: str
) -> None:
    path = configure(bare, text)
    refused = bare.run(line)
    assert (refused.code, refused.out, refused.error["code"]) == (2, "", "invalid")
    expected = f"{path}: {message or 'malformed TOML (at '}"
    assert refused.error["message"].startswith(expected)
    assert "canary" not in refused.err and "Traceback" not in refused.err


VALUES = [
    ("vault", "/srv/people", ""),
    ("output", "jsonl", "yaml"),
    ("color", "never", "maybe"),
    ("actor", "carol", ""),
    ("lock_wait", "0s", "5"),
    ("key.file", "/root/key", ""),
    ("key.command", "pass show bunkerctl", ""),
    ("key.keyring_timeout", "10s", "0s"),
    ("audit.anchor", "file:/var/log/people.anchors,syslog,command:tee a,b", "mail:root"),
    ("exp.grace", "P30D", "30"),
    ("exp.max", "1y6mo", "0d"),
    ("exp.overdue_after", "26h", "1m"),
    ("links.base", "https://example.com/privacy", "ftp://example.com"),
    ("phone.region", "DE", "Germany"),
    *((f"privacy.{name}", "one\ntwo", "") for name in config.PRIVACY),
    ("record.schema", "person.schema.json", ""),
]


@pytest.mark.parametrize(("name", "good", "bad"), VALUES)
def test_set_takes_a_good_value_and_refuses_a_bad_one(
    bare: Home, name: str, good: str, bad: str
) -> None:
    line = ["config", "set", "-o", "json", "--color", "auto", name]
    refused = bare.run([*line, bad])
    assert (refused.code, refused.out, refused.error["code"]) == (2, "", "invalid")
    assert refused.error["message"].startswith(f"bad value for {name}: ")
    path = bare.directory / ".config/bunkerctl/config.toml"
    assert not path.exists()
    for changed in (True, False):
        answer = {"name": name, "value": good, "path": str(path), "changed": changed}
        assert bare.ok([*line, good]).json == answer
    shown = good.replace("\n", "\\n")
    assert bare.ok(f"config get {name} -o plain").out == f"{shown}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["config.toml"]


def test_set_keeps_the_other_settings_and_the_mode_of_the_file(bare: Home) -> None:
    path = configure(bare, 'actor = "carol"\n[exp]\ngrace = "20d"\n')
    path.chmod(0o644)
    bare.ok("config set exp.max 1y")
    expected = {"actor": "carol", "exp": {"grace": "20d", "max": "1y"}}
    assert tomllib.loads(path.read_text()) == expected
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    path.unlink()
    bare.ok("config set actor carol")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text(tomli_w.dumps(expected))
    named = bare.directory / "named.toml"
    named.write_text("")
    bare.ok(f"config set phone.region GB --config {named}")
    assert named.read_text() == '[phone]\nregion = "GB"\n'
    assert tomllib.loads(path.read_text()) == expected


@pytest.mark.parametrize("name", ["grace", "exp", "exp.grace.x", "", SECRET])
def test_set_with_an_unknown_name_writes_nothing(bare: Home, name: str) -> None:
    refused = bare.run(["config", "set", name, "30d", "--json"])
    assert (refused.code, refused.out) == (2, "")
    assert SECRET not in refused.err
    assert not (bare.directory / ".config").exists()


def test_set_where_it_cannot_write_is_9_and_makes_nothing(bare: Home) -> None:
    missing = bare.directory / "missing.toml"
    (bare.directory / ".config").touch()  # where a directory is wanted
    for options in (f"--config {missing}", f"--config {missing} --color never", ""):
        refused = bare.run(f"config set exp.grace 4d -o json {options}")
        assert (refused.code, refused.out) == (9, "")
        assert str(missing) in refused.err if options else "config.toml" in refused.err
        assert not missing.exists()


def test_grace_and_max_govern_exp_start(home: Home) -> None:
    token = home.add(login="ann")
    configure(home, '[exp]\ngrace = "10d"\nmax = "20d"\n')
    started = home.ok(f"exp start {token} --json").json
    assert started["exptime"] == home.now + 10 * DAY
    home.ok(f"exp start {token} --in 20d --restart")
    for option in ("--in 21d", "--on 2027-02-05"):
        refused = home.run(f"exp start {token} {option} --restart --json")
        assert (refused.code, refused.out, "exp.max" in refused.err) == (2, "", True)
    home.ok("config set exp.grace 30d")  # above exp.max: an error, never clamped
    assert home.run(f"exp start {token} --restart").code == 2


def test_overdue_after_governs_exp_status_and_the_check(home: Home) -> None:
    token = home.add(login="ann")
    home.start(token, "1d")
    home.ok("exp sweep")
    home.now += DAY + 3600
    for setting, overdue in (("1h", False), ("59min", True), ("26h", False)):
        home.ok(f"config set exp.overdue_after {setting}")
        assert home.ok(f"exp status {token} --json").json["overdue"] is overdue
        assert home.run("status --check").code == 8 * overdue


@pytest.mark.parametrize("end", ["", "/"])
def test_links_base_begins_the_links(home: Home, end: str) -> None:
    token = home.add(login="ann")
    home.ok(f"config set links.base https://example.com/privacy{end}")
    for line in (f"exp start {token}", f"exp status {token}"):
        found = home.ok(f"{line} --json").json
        for verb in ("retain", "delete"):
            link = f"https://example.com/privacy/exp/{verb}/{found['exptoken']}"
            assert found[f"{verb}_url"] == link
        assert home.ok(f"export {token}").json["expiration"]["retain_url"] == found["retain_url"]


def test_the_region_reads_national_numbers(home: Home) -> None:
    home.add(phone="+442079460958")
    for region, code in (("GB", 0), ("ZZ", 2), ("US", 2)):
        home.ok(f"config set phone.region {region}")
        assert home.run("user get phone:02079460958").code == code
