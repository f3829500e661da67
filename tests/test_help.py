"""The help: topics and commands, what may have been meant, and what to do next."""

from __future__ import annotations

import re

import pytest

from bunkerctl import config
from bunkerctl.cli import grammar, help, manual
from conftest import Home
from terminal import on_terminal

COMMANDS = grammar.load_all()


def test_help_alone_lists_the_topics(bare: Home) -> None:
    shown = bare.ok("help").out
    for topic in manual.TOPICS:
        assert f"  {topic} " in shown


@pytest.mark.parametrize("topic", manual.TOPICS)
def test_a_topic_is_shown_whole_and_fits_a_terminal(bare: Home, topic: str) -> None:
    bare.environment = {}
    shown = bare.ok(f"help {topic}").out
    said = {
        word for block in manual.page(topic).blocks for line in block.lines for word in line.split()
    }
    assert said <= set(shown.split())
    assert "SEE ALSO" in shown
    assert not re.search(r"\{[a-z-]+\}", shown)
    assert max(map(len, shown.splitlines())) <= help.WIDTH + 10  # examples are as wide as they are


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_s_help_fits_and_parts_no_option_from_its_value(words: tuple[str, ...]) -> None:
    shown = help.text(words).splitlines()
    wide = [line for line in shown if len(line) > help.WIDTH and "bunkerctl" not in line[:12]]
    assert not wide
    parted = re.compile(r"(\[|, )--?[a-z-]+$")
    assert not [line for line in shown[:-1] if parted.search(line)]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_an_exit_code_that_the_text_names_is_in_the_list(words: tuple[str, ...]) -> None:
    command = COMMANDS[words]
    named = set(re.findall(r"exit (?:code is )?(\d+)", " ".join(map(str, command.text()))))
    assert named <= {code for code, _ in help.failures(command)} | {"0", "2"}


@pytest.mark.parametrize("words", ["user add", "exp", "key recovery create", "init"])
def test_help_of_a_command_or_group_is_what_its_option_shows(bare: Home, words: str) -> None:
    assert bare.ok(f"help {words}").out == bare.ok(f"{words} --help").out


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("exp swep", "did you mean `bunkerctl exp sweep`?"),
        ("usr list", "did you mean `bunkerctl user`?"),
        ("sweep", "did you mean `bunkerctl exp sweep`?"),
        ("key recovery verfy", "did you mean `bunkerctl key recovery verify`?"),
        ("exp sweep --dryrun", "did you mean --dry-run?"),
        ("user get --feild x login:ann", "did you mean --field?"),
        ("config get exp.grcae", "did you mean exp.grace?"),
        ("config set link.base x", "did you mean links.base?"),
        ("config get zzz", "`bunkerctl config show` lists them"),
        ("help exp swep", "did you mean `bunkerctl help exp sweep`?"),
        ("help key-s", "did you mean `bunkerctl help keys`?"),
        ("schema user gt", "did you mean `bunkerctl schema user get`?"),
        ("xyzzy", "bunkerctl --help"),
        ("exp xyzzy", "bunkerctl exp --help"),
    ],
)
def test_what_is_mistyped_is_told_what_it_may_have_meant(bare: Home, line: str, hint: str) -> None:
    result = bare.run(line)
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines()[1] == f"bunkerctl: hint: {hint}"
    assert not {"swep", "usr", "verfy", "feild", "xyzzy"} & set(re.findall(r"\w+", result.err))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_each_command_says_what_it_does_with_examples_and_exit_codes(
    words: tuple[str, ...],
) -> None:
    shown = help.text(words)
    assert re.match(r"[A-Z][^\n]*\.$", COMMANDS[words].summary().split(". ")[0].rstrip(".") + ".")
    parts = [shown.find(f"\n{part}") for part in ("Examples:", "Options that hold", "Exit status")]
    assert -1 not in parts and parts == sorted(parts)
    status = shown[parts[-1] :]
    for kind in COMMANDS[words].fails:
        assert f"  {kind.exit_code} " in status


def test_a_missing_vault_says_how_to_make_one(bare: Home) -> None:
    result = bare.run("status")
    assert result.code == 10
    assert "bunkerctl init" in result.err


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("user list", "`bunkerctl user add` adds people"),
        ("user list --held", "`bunkerctl user list` lists everybody"),
        ("exp list --due", "`bunkerctl exp list` lists all who wait"),
        ("exp list", "`bunkerctl exp start ID` begins an expiration"),
        ("backup list", "`bunkerctl backup create FILE` makes a backup"),
    ],
)
def test_an_empty_list_says_at_a_terminal_what_to_do_next(home: Home, line: str, hint: str) -> None:
    code, shown = on_terminal(home, line, 100)
    assert code == 0
    assert re.search(rf"0 (people|backups)\S*\nbunkerctl: {re.escape(hint)}\n$", shown)
    assert home.ok(line).err == ""
    assert hint not in on_terminal(home, f"{line} --quiet", 100)[1]


def test_a_first_run_says_at_a_terminal_how_to_go_on(bare: Home) -> None:
    code, shown = on_terminal(bare, "init --no-recovery", 100)
    assert code == 0
    assert "| bunkerctl user add" in shown


def test_the_manual_has_every_setting_with_its_kind_and_default() -> None:
    shown = " ".join(manual.text("config").split())
    for name, setting in config.SETTINGS.items():
        assert f" {name} {setting.kind}; default: {setting.default or 'none'}. " in shown
