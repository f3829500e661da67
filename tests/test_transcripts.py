"""The transcripts, the sessions of README and guides, the examples of the help: all are run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import transcript
from bunkerctl.cli import grammar, help
from transcript import Differs, Session, Step

HERE = Path(__file__).parent
ROOT = HERE.parent
README = ROOT / "README.md"
GUIDES = sorted((ROOT / "docs").glob("*.md"))
TRANSCRIPTS = sorted((HERE / "transcripts").glob("*.txt"))
ONE, TWO = (f"{digit * 8}-1111-4111-8111-111111111111" for digit in "12")
NEEDS_FAKETIME = pytest.mark.skipif(
    transcript.FAKETIME is None, reason="a clock that moves needs libfaketime"
)
NEEDS_JQ = pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")


def play(name: str, steps: list[Step], home: Path) -> None:
    Session(name, home, faked=transcript.moves_the_clock(steps)).run(steps)


def marked(name: str, steps: list[Step]) -> object:
    marks = [NEEDS_FAKETIME] if transcript.moves_the_clock(steps) else []
    return pytest.param(name, steps, marks=marks, id=name)


@pytest.mark.parametrize(
    ("name", "steps"),
    [marked(path.name, transcript.parse(path.read_text("utf-8"))) for path in TRANSCRIPTS],
)
def test_a_transcript_says_what_the_program_says(
    name: str, steps: list[Step], tmp_path: Path
) -> None:
    assert len(steps) > 1
    play(name, steps, tmp_path)


@NEEDS_JQ
@pytest.mark.parametrize(
    ("name", "steps"), [marked("README.md", transcript.blocks(README.read_text("utf-8")))]
)
def test_the_sessions_of_the_readme_are_true(name: str, steps: list[Step], tmp_path: Path) -> None:
    assert steps, "no block of the README is a `console` session"
    play(name, steps, tmp_path)


@NEEDS_FAKETIME
@NEEDS_JQ
@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_the_sessions_of_a_guide_are_true_and_go_on_where_the_readme_ends(
    guide: Path, tmp_path: Path
) -> None:
    steps = transcript.blocks(guide.read_text("utf-8"))
    assert steps, "it has no `console` session"
    session = Session(README.name, tmp_path, faked=True)
    session.run(transcript.blocks(README.read_text("utf-8")))
    session.name = guide.name
    session.run(steps)


# The runner itself.


@pytest.mark.parametrize(
    "text",
    [
        "$ echo one two",  # output that nobody expects
        "$ echo one two\none",
        "$ echo one two\none two\nthree",
        "$ true\n...\nthree",
        "$ printf 'one\\ntwo\\n'\ntwo\none",
        "$ echo one two\none ...three",
        "$ echo one two\n<uuid>",
        "$ echo 2027-01-15T08:00:00\n<time>",
        "$ echo abc\n<hex>",
        "$ false",
        "$ true\n! 1",
        "$ exit 4\n! 5",
        "$ false | true",
        "$ echo oops >&2",
        "$ true\n2> oops",
        "$ echo oops >&2\n2> ooops",
        "$ X=$(echo one; exit 3)",
        "$ export X=one\n$ echo $X\ntwo",
        "no command",
        "@ +30m\n$ true",
    ],
)
def test_a_session_that_differs_from_its_transcript_fails(text: str, tmp_path: Path) -> None:
    with pytest.raises(Differs, match=r"(mine:)?line 1|mine:[12]"):
        play("mine", transcript.parse(text), tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "# a comment\n\n$ echo one two\none two",
        "$ printf '1\\n2\\n3\\n'\n1\n...\n3",
        "$ true\n...",
        "$ echo one two three\none ... three",
        "$ echo 12ab5678-0000-4000-8000-000000000000 at 2027-01-15T08:00:00Z\n<uuid> at <time>",
        "$ echo [a].*\n[a].*",
        "$ echo oops >&2; exit 4\n2> oops\n! 4",
        "$ export X=one\n$ Y=$(echo $X-two)\n$ echo $Y\none-two",
        "$ echo $HOME > here && cat $HOME/here\n/...",
        "$ echo one \\\n>   two\none two",
    ],
)
def test_a_session_that_is_as_written_passes(text: str, tmp_path: Path) -> None:
    play("mine", transcript.parse(text), tmp_path)


def test_a_failure_shows_where_and_what_differs(tmp_path: Path) -> None:
    with pytest.raises(Differs) as caught:
        play("mine", transcript.parse("\n$ printf '1\\n2\\n'; exit 4\n1\n3"), tmp_path)
    said = str(caught.value).splitlines()
    assert said[0] == "mine:2: $ printf '1\\n2\\n'; exit 4"
    assert said[1:] == ["output:", "    1", "  - 3", "  + 2", "exit code: 4, expected 0"]


@NEEDS_FAKETIME
def test_the_clock_moves_forwards_and_backwards(tmp_path: Path) -> None:
    text = "$ date +%F\n2026-12-15\n@ +30d\n$ date +%F\n2027-01-14\n@ -1d\n$ date +%F\n2027-01-13"
    play("mine", transcript.parse(text), tmp_path)


def test_blocks_of_markdown_are_one_session_with_their_own_line_numbers(tmp_path: Path) -> None:
    text = "a\n```console\n$ X=$(echo 1)\n```\n\n```sh\nfalse\n```\n```console\n$ echo $X\n2\n```\n"
    with pytest.raises(Differs, match=r"^README:10: "):
        play("README", transcript.blocks(text), tmp_path)


@pytest.mark.parametrize(
    ("text", "fails"),
    [
        (f"$ echo {ONE}\n{ONE}\n$ echo {ONE} {TWO}\n{ONE} {TWO}", False),
        (
            f"$ cat uuids\n{ONE}\n{TWO}\n$ head -n1 uuids\n{ONE}\n$ echo {TWO} | diff - second",
            False,
        ),
        (f"$ cat uuids\n{ONE}\n{TWO}\n$ head -n1 uuids\n{TWO}", True),
        (f"$ cat uuids\n{ONE}\n{ONE}", True),
        (f"$ head -n1 uuids\n{ONE}\n$ head -n1 uuids\n{TWO}", True),
        (f"$ echo no uuid\n{ONE}", True),
    ],
)
def test_a_uuid_stands_for_the_same_one_each_time(text: str, fails: bool, tmp_path: Path) -> None:
    uuids = [f"{digit * 8}-0000-4000-8000-000000000000" for digit in "ab"]
    (tmp_path / "uuids").write_text("\n".join(uuids) + "\n")
    (tmp_path / "second").write_text(uuids[1] + "\n")
    if fails:
        with pytest.raises(Differs):
            play("mine", transcript.parse(text), tmp_path)
    else:
        play("mine", transcript.parse(text), tmp_path)


# The examples of the help.

EXPTOKEN = "4f2c1c9e-6f0e-4b8e-9d57-0f7c1a0f2b11"
EMPTY = """
$ export BUNKERCTL_KEY_FILE=$HOME/key
$ echo '{"email":"ann@example.com","login":"ann","age":41,"phone":"+14155550123"}' > ann.json
$ echo '{"login":"eve"}' > people.jsonl
"""
VAULT = EMPTY + "$ bunkerctl init -q > made\n"
ANN = f"""{VAULT}
$ bunkerctl user add --data ann.json | tee tokens > tokens.tsv
$ bunkerctl user update login:ann newsletter:=true > made
$ bunkerctl exp sweep -q
$ bunkerctl exp start login:ann | grep exptoken
exptoken\t{EXPTOKEN}
"""
SAFE = (
    EMPTY
    + """
$ mkdir -p media/safe .config/bunkerctl
$ bunkerctl init -q --recovery-file people.code | grep vault_id
vault_id\t5d1c8f0e-4a43-4a39-9f7b-0d1a5b2f9a10
"""
)
CODE = SAFE + "$ cp people.code media/safe/people.code && cp key .config/bunkerctl/sweep.key\n"
ERASED = "9f1b3c9a-7a40-4c55-8f2e-1d7f5a9f0b77"
GONE = f"""{ANN}
$ bunkerctl user forget ann@example.com --yes | grep token
token\t{ERASED}
$ bunkerctl erasure show {ERASED} --json > receipt.json
$ bunkerctl audit key > people.pub
"""
BACKUP = (
    SAFE
    + """
$ mkdir -p media/backup
$ bunkerctl backup create people.bunker > made
"""
)
READER = "age13c3x387t2yatreyhedq55rnuha20afs0gn2h3kfvyzqcgkxf2v6q3v2d83"
TABLES = (
    ANN
    + r"""
$ printf 'E-mail;age\nbob@example.com;41\n' > crm.csv
$ printf 'login;name\ncid;Jos\xe9\n' > old.csv
"""
)
PREPARED = {
    ("user", "import"): TABLES,
    ("erasure", "show"): GONE,
    ("erasure", "verify"): GONE,
    ("backup", "create"): BACKUP,
    ("backup", "verify"): BACKUP,
    ("backup", "restore"): BACKUP,
    ("init",): EMPTY,
    ("user", "add"): VAULT,
    ("export",): ANN + f"$ rm *.json*\n$ echo {READER} > ann.pub\n",
    ("export", "verify"): ANN + "$ bunkerctl export ann --format zip --out ann.zip 2> notes\n",
    ("key", "enroll"): SAFE,
    ("key", "rotate"): SAFE,
    ("key", "recovery", "create"): SAFE,
    ("key", "test"): CODE,
    ("key", "recovery", "verify"): CODE,
    ("key", "restore"): CODE,
    ("destroy",): SAFE,
}
"""What must be there before the examples of a command; ANN for the others."""
EXITS = {  # these ask at a terminal, and here is none
    "bunkerctl user forget email:ann@example.com": 6,
    "bunkerctl destroy": 6,
    "bunkerctl key recovery create": 2,
    "bunkerctl key recovery verify": 2,
    "bunkerctl key restore": 2,
    "bunkerctl key enroll keyring --default": 13,  # and here is no desktop
}
"""Examples that end otherwise than with 0 when nobody sits at a terminal."""
ELSEWHERE = "bunkerctl --vault /srv/people key enroll systemd-credential"
"""An example that needs the machine's own key: `test_enrolment.py` does it where that can be."""


def examples() -> list[tuple[str, str]]:
    """Return every example of the help, behind what must be there for it."""
    found = []
    for words, command in grammar.load_all().items():
        lines = command.text()
        if "Examples:" in lines:
            text = "\n".join(lines[lines.index("Examples:") + 1 :]).replace("\\\n", "")
            found += [(PREPARED.get(words, ANN), line.strip()) for line in text.splitlines()]
    for line in help.EXAMPLES.splitlines():
        example = line.strip().split("   ")[0]
        words = tuple(example.rpartition("bunkerctl ")[2].split()[:2])
        found.append((PREPARED.get(words, PREPARED.get(words[:1], ANN)), example))
    return [(prepared, line) for prepared, line in found if line and line != ELSEWHERE]


@NEEDS_FAKETIME
@pytest.mark.parametrize(
    ("prepared", "line"), [pytest.param(*one, id=one[1]) for one in examples()]
)
def test_an_example_of_the_help_works(prepared: str, line: str, tmp_path: Path) -> None:
    assert "bunkerctl" in line
    command = re.sub(r"/(srv|root)/", "$HOME/", line).replace("/media/", "$HOME/media/")
    steps = transcript.parse(f"{prepared}$ {command} > answer 2> notes\n! {EXITS.get(line, 0)}")
    Session(line, tmp_path, faked=True).run(steps)


def test_every_group_of_commands_has_examples_and_every_exception_is_one() -> None:
    lines = {line for _, line in examples()}
    assert lines >= EXITS.keys()
    assert len(lines) > 30
