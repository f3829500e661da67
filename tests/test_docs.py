"""What is generated is what the commands say now, and the completions work in a real shell."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "man").glob("man?/*"))
GROUPS = "user exp export audit erasure backup key"
CHECKERS = ("groff -z -man -ww -Tutf8", "mandoc -T lint -W warning")
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


def test_a_stale_page_and_a_stray_one_are_found(tmp_path: Path) -> None:
    for name in ("tools", "man", "completions"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "README.md", tmp_path)
    (tmp_path / "man/man7/stray.7").touch()
    with (tmp_path / "tools/prose/bunkerctl-keys.7.txt").open("a") as prose:
        prose.write(", more(1)\n")
    line = [sys.executable, "tools/generate.py", "--check"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    for name in ("man/man7/stray.7", "man/man7/bunkerctl-keys.7"):
        assert f"stale: {name} " in done.stderr


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("",), f"init status {GROUPS} report doctor destroy config demo"),
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


@pytest.mark.parametrize("checker", CHECKERS, ids=lambda checker: checker.split()[0])
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_man_pages_are_clean(page: Path, checker: str) -> None:
    line = [*checker.split(), str(page)]
    if shutil.which(line[0]) is None:
        pytest.skip(f"{line[0]} is not installed")
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_man_pages_name_only_pages_that_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8").replace("\\", "")
    named = re.findall(r"(bunkerctl[a-z-]*) ?\((\d)\)", text)
    assert {f"{name}.{section}" for name, section in named} <= {page.name for page in PAGES}


def test_the_picture_of_a_session_is_the_same_each_time_and_well_formed() -> None:
    script = "import session; print(session.picture(), end='')"
    line = [sys.executable, "-c", script]
    drawn = [
        subprocess.run(line, cwd=ROOT / "tools", capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert drawn[0] == drawn[1]
    texts = ["".join(one.itertext()) for one in ElementTree.fromstring(drawn[0])]
    assert {"erased 1 of 1 due" in text for text in texts} == {True, False}
    right = [
        float(one.attrib["x"]) + float(one.attrib["textLength"])
        for one in ElementTree.fromstring(drawn[0]).iter("{http://www.w3.org/2000/svg}text")
    ]
    assert max(right) < float(ElementTree.fromstring(drawn[0]).attrib["viewBox"].split()[2])
