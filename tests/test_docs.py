"""What is generated is what the commands say now, and the man pages are clean."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "man").glob("man?/*"))
SECTIONS = ("NAME", "DESCRIPTION", "SEE ALSO")
COMMAND_SECTIONS = ("SYNOPSIS", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES")
CHECKERS = ("groff -z -man -ww -Tutf8", "mandoc -T lint -W warning")


def test_no_generated_file_is_stale() -> None:
    line = [sys.executable, "tools/generate.py", "--check"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_stale_page_and_a_stray_one_are_found(tmp_path: Path) -> None:
    for name in ("tools", "man", "completions", "schemas"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "README.md", tmp_path)
    (tmp_path / "man/man7/stray.7").touch()
    (tmp_path / "schemas/status.json").write_text("{}")
    with (tmp_path / "tools/prose/files.txt").open("a") as prose:
        prose.write("\nDIR/more :: more.\n")
    line = [sys.executable, "tools/generate.py", "--check"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    for name in ("man/man7/stray.7", "man/man1/bunkerctl.1", "schemas/status.json"):
        assert f"stale: {name} " in done.stderr


@pytest.mark.parametrize("checker", CHECKERS, ids=lambda checker: checker.split()[0])
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_man_pages_are_clean(page: Path, checker: str) -> None:
    line = [*checker.split(), str(page)]
    if shutil.which(line[0]) is None:
        pytest.skip(f"{line[0]} is not installed")
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(shutil.which("man") is None, reason="man is not installed")
@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_man_shows_a_page_at_any_width(page: Path, width: int) -> None:
    environment = {"PATH": os.environ["PATH"], "MANWIDTH": str(width), "LANG": "C.UTF-8"}
    line = ["man", "--warnings", "-l", str(page)]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    shown = re.sub(r"\x1b\[[0-9;]*m|.\x08", "", done.stdout)
    name, _, section = page.name.rpartition(".")
    assert shown.startswith(f"{name.upper()}({section})"[: width // 3])
    wanted = [*SECTIONS, *(COMMAND_SECTIONS if section == "1" else [])]
    assert set(wanted) <= set(re.findall(r"^[A-Z][A-Z ]+$", shown, re.MULTILINE))
    assert not re.search(r"\[-[\w-]*$", shown, re.MULTILINE)  # no option without its value
    assert not re.search(r"\w[.?]  +\w", shown[shown.index("\n") :].rpartition("\n\n")[0])


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
