"""The completions in a real bash, zsh and fish, each asked as a person at its terminal asks it.

The bunkerctl that they find says when it is run: completing is not to run it.
"""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bunkerctl.cli import completions, grammar
from conftest import Home

ROOT = Path(__file__).parent.parent
PATIENCE_SECONDS = 30
FIRST_WORDS = grammar.first_words()

LINES = [
    ("", " ".join(FIRST_WORDS)),
    ("user g", "get"),
    ("--vault user exp sw", "sweep"),
    ("key recovery ", "create verify"),
    ("user list --expstatus ", "none wait retain expired"),
    ("user list --expstatus=r", "retain"),
    ("user list --re", "--reveal --reason --ref"),
    ("exp start ann --res", "--restart"),
    ("-o j", "json jsonl"),
    ("user get ann --output js", "json jsonl"),
    ("completion ", "bash zsh fish"),
    ("key enroll k", "keyring"),
    ("help ex", "exp export exit-codes"),
    ("help exp sw", "sweep"),
    ("schema er", "erasure error"),
    ("config get exp.g", "exp.grace"),
    ("config set links", "links.base"),
    ("schema user f", "forget"),
    ("--key-file peo", "people.key"),
    ("--key-file=peo", "people.key"),
    ("user import peo", "people.key"),
    ("backup restore --ledger=peo", "people.key"),
    ("exp start --in ", ""),
    ("user get ", ""),
    ("user update --json ", ""),
]


def a_home(directory: Path) -> Path:
    """Make a home with a file to complete, and a bunkerctl that leaves a mark when it is run."""
    (directory / "people.key").touch()
    program = directory / ".bin/bunkerctl"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {directory}/.ran\n")
    program.chmod(0o755)
    return directory


def environment(home: Path) -> dict[str, str]:
    found = {"HOME": str(home), "PATH": f"{home}/.bin:/usr/bin:/bin", "XDG_DATA_DIRS": ""}
    return {**found, "XDG_DATA_HOME": f"{home}/.data", "TERM": "vt100", "LANG": "C.UTF-8"}


class Shell:
    """An interactive shell in a terminal, which inserts all that it offers into its line."""

    def __init__(self, argv: list[str], setup: str, keys: str, home: Path) -> None:
        self._keys = keys
        self._shown = ""
        master, slave = pty.openpty()
        self._master = master
        self._process = subprocess.Popen(
            argv,
            env=environment(home),
            cwd=home,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        (home / "setup").write_text(setup)
        self._type(". ./setup\r")
        self._see("ready-[0-9]+>")

    def offers(self, line: str) -> list[str]:
        """Return the words that the last one of a line is completed to."""
        self._shown = ""
        self._type(f"bunkerctl {line}{self._keys}\x01tell \r")
        said = self._see(r"<<(.*?)>>")
        whole = f"bunkerctl {line}".split(" ")[:-1]
        assert said[: len(whole)] == whole
        return [word.rpartition("=")[2] for word in said[len(whole) :] if word]

    def close(self) -> None:
        os.close(self._master)
        with self._process:
            self._process.kill()

    def _type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def _see(self, pattern: str) -> list[str]:
        began = time.monotonic()
        while not (found := re.search(pattern, self._shown)):
            assert time.monotonic() < began + PATIENCE_SECONDS, self._shown
            if select.select([self._master], [], [], 0.1)[0]:
                self._shown += os.read(self._master, 65536).decode(errors="replace")
        return found[1].split("|") if found.groups() else []


BASH = f"""
. {ROOT}/completions/bunkerctl.bash
bind 'set enable-bracketed-paste off'
tell() {{ local IFS='|'; printf '<%s>\\n' "<$*>"; }}
PS1='ready-$((1))> '
"""
ZSH = f"""
fpath=({ROOT}/completions $fpath)
autoload -Uz compinit && compinit -u -D
zstyle ':completion:all-matches::::' completer _all_matches _complete
zstyle ':completion:all-matches:*' insert true
zle -C all-matches complete-word _generic
bindkey '^Xa' all-matches
bindkey -e '^A' beginning-of-line
unset zle_bracketed_paste
tell() {{ print -r -- "<<${{(j:|:)@}}>>" }}
setopt prompt_subst
PS1='ready-$((1))> '
"""


@pytest.fixture(scope="module", params=["bash", "zsh"])
def shell(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shell]:
    home = a_home(tmp_path_factory.mktemp(request.param))
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    if request.param == "bash":
        found = Shell(["bash", "--noprofile", "--norc", "-i"], BASH, "\x1b*", home)
    else:
        found = Shell(["zsh", "-f", "-i"], ZSH, "\x18a", home)
    yield found
    found.close()
    assert not (home / ".ran").exists()


@pytest.mark.parametrize(("line", "offered"), LINES, ids=lambda one: f"`{one}`")
def test_a_shell_offers_what_may_come_next(shell: Shell, line: str, offered: str) -> None:
    assert sorted(shell.offers(line)) == sorted(offered.split())


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
@pytest.mark.parametrize(("line", "offered"), LINES, ids=lambda one: f"`{one}`")
def test_fish_offers_what_may_come_next(line: str, offered: str, tmp_path: Path) -> None:
    vendor = a_home(tmp_path) / ".data/fish/vendor_completions.d"
    vendor.mkdir(parents=True)
    shutil.copy(ROOT / "completions/bunkerctl.fish", vendor)
    done = subprocess.run(
        ["fish", "-c", "complete -C $argv[1]", f"bunkerctl {line}"],
        env=environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    words = [one.partition("\t")[0].rpartition("=")[2] for one in done.stdout.splitlines()]
    assert (sorted(words), done.stderr) == (sorted(offered.split()), "")
    assert not (tmp_path / ".ran").exists()


def test_fish_tells_what_each_word_means(tmp_path: Path) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    source = f"source {ROOT}/completions/bunkerctl.fish; complete -C 'bunkerctl exp sw'"
    line = ["fish", "--no-config", "-c", source]
    variables = environment(a_home(tmp_path))
    done = subprocess.run(line, env=variables, capture_output=True, text=True, check=True)
    summary = grammar.load_all()["exp", "sweep"].summary()
    assert done.stdout == f"sweep\t{summary}\n"


@pytest.mark.parametrize("shell_name", completions.FILES)
def test_completion_prints_the_script_without_vault_keyring_or_home(
    bare: Home, shell_name: str
) -> None:
    bare.environment = {"PATH": "/nonexistent"}
    result = bare.process(f"completion {shell_name}")
    script = ROOT / "completions" / completions.FILES[shell_name]
    assert (result.code, result.out, result.err) == (0, script.read_text(), "")


def test_completion_knows_three_shells(bare: Home) -> None:
    result = bare.run("completion powershell")
    assert (result.code, result.out) == (2, "")
    assert "there are completions for bash, zsh, fish" in result.err
