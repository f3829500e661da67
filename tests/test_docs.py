"""What is generated is what the commands say now, and the completions work in a real shell."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BASH = """
source completions/bunkerctl.bash
compopt() { :; }
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_bunkerctl
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completed(*words: str) -> list[str]:
    """Return what bash offers for the last word of a line."""
    line = ["bash", "-c", BASH, "bash", "bunkerctl", *words]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


def test_no_generated_file_is_stale() -> None:
    line = [sys.executable, "tools/generate.py", "--check"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("",), "init status user exp export audit config demo"),
        (("user", "g"), "get"),
        (("--vault", "user", "exp", "sw"), "sweep"),
        (("user", "list", "--expstatus", ""), "none wait retain expired"),
        (("user", "list", "--re"), "--reveal --reason --ref"),
        (("exp", "start", "ann", "--res"), "--restart"),
        (("-o", "j"), "json jsonl"),
        (("--key-file", "pypr"), "pyproject.toml"),
        (("user", "import", "pypr"), "pyproject.toml"),
        (("exp", "start", "--in", ""), ""),
        (("user", "get", ""), ""),
    ],
)
def test_bash_offers_what_may_come_next(words: tuple[str, ...], offered: str) -> None:
    assert completed(*words) == offered.split()


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
@pytest.mark.parametrize("page", sorted((ROOT / "man").iterdir()), ids=lambda path: path.stem)
def test_man_pages_are_clean(page: Path) -> None:
    line = ["groff", "-man", "-ww", "-Tutf8", str(page)]
    assert subprocess.run(line, capture_output=True, check=True).stderr == b""
