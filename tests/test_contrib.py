"""What an admin copies from `contrib/`: systemd accepts it, bunkerctl understands it, it works."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bunkerctl.cli import parser
from conftest import EXECUTABLE, Home
from wholeness import count, due_people, made_now

CONTRIB = Path(__file__).parent.parent / "contrib"
UNITS = sorted((CONTRIB / "systemd").iterdir())
SWEEP, CHECK, LINKS, FAILED = (
    CONTRIB / "systemd" / f"bunkerctl-{name}.service"
    for name in ("sweep", "check", "links", "failed@")
)
CRONTAB = CONTRIB / "cron" / "bunkerctl"
README = CONTRIB / "README.md"

SYSTEMD = 250  # the first that knows encrypted credentials
INSTALLED = "/usr/local/bin/bunkerctl"
PYTHON = "/opt/bunkerctl/bin/python"
EXPOSURE = {SWEEP: 5, CHECK: 5, LINKS: 12, FAILED: 15}
"""The most that `systemd-analyze security` may find, of 100: systemd 252 finds 2, 2, 9 and 10."""
OF_THE_NETWORK = ("PrivateNetwork=", "IPAddress", "SocketBind", "RestrictAddressFamilies=")


def said(unit: Path, name: str) -> list[str]:
    """Return the values of a setting of a unit, in their order."""
    return re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)


def command(unit: Path) -> list[str]:
    """Return the words that a service runs, without the program's name."""
    program, *words = shlex.split(said(unit, "ExecStart")[0])
    assert program == INSTALLED
    return words


def environment(unit: Path) -> dict[str, str]:
    """Return the variables that a service sets."""
    pairs = (value.partition("=") for value in said(unit, "Environment"))
    return {name: value for name, _, value in pairs}


def jobs() -> list[str]:
    """Return the command lines of the crontab."""
    return [line.split(None, 6)[6] for line in cron_lines() if line[0] in "0123456789*"]


def cron_lines() -> list[str]:
    return [line for line in CRONTAB.read_text().splitlines() if line and line[0] != "#"]


def lines_of_readme() -> list[str]:
    """Return the lines that its shell blocks run bunkerctl with, or the function `vault`."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", "").splitlines()
    return [line for line in lines if words_of(line)]


def words_of(line: str) -> list[str]:
    """Return what follows the program's name on a line of the shell, up to a redirection."""
    line = line.replace('"$@"', "status")
    line = re.split(r"\s\d?[<>|&]", line)[0]
    words = shlex.split(line)
    names = [place for place, word in enumerate(words) if word in ("bunkerctl", "vault")]
    return words[names[-1] + 1 :] if names else []


def shared_data() -> dict[str, str]:
    """Return where below its prefix the wheel puts what is not of the package."""
    project = tomllib.loads((CONTRIB.parent / "pyproject.toml").read_text())
    found: dict[str, str] = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    return found


def analyze(*words: str | Path) -> tuple[int, str]:
    """Run systemd-analyze; return its exit code, and all that it says."""
    line = ["systemd-analyze", *map(str, words)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def verify(unit: Path) -> tuple[int, list[str]]:
    """Let systemd read a unit; return its exit code, and what it says of units of ours."""
    code, words = analyze("verify", "--man=no", "--recursive-errors=no", unit)
    return code, [line for line in words.splitlines() if "bunkerctl" in line]


def knows_the_units() -> bool:
    """Tell whether a systemd-analyze is here that is new enough for them."""
    if shutil.which("systemd-analyze") is None:
        return False
    return int(analyze("--version")[1].split()[1].partition("~")[0]) >= SYSTEMD


NEEDS_SYSTEMD = pytest.mark.skipif(
    not knows_the_units(), reason=f"systemd-analyze of systemd {SYSTEMD} or newer is not installed"
)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units as they are when installed, with the program where it is here."""
    place = tmp_path / "units"
    place.mkdir()
    for unit in UNITS:
        text = unit.read_text().replace(INSTALLED, EXECUTABLE).replace(PYTHON, sys.executable)
        (place / unit.name).write_text(text)
    return place


@NEEDS_SYSTEMD
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_has_nothing_to_say_against_a_unit(unit: Path, units: Path) -> None:
    assert verify(units / unit.name) == (0, [])


@NEEDS_SYSTEMD
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("ProtectProc=", "ProtectProcs="),
        ("StateDirectoryMode=0700", "StateDirectoryMode=private"),
        (EXECUTABLE, "/nonexistent/bunkerctl"),
    ],
)
def test_systemd_would_say_something_against_a_slip(right: str, wrong: str, units: Path) -> None:
    unit = units / SWEEP.name
    unit.write_text(unit.read_text().replace(right, wrong))
    assert any(wrong.rstrip("=").rpartition("=")[2] in line for line in verify(unit)[1])


@NEEDS_SYSTEMD
@pytest.mark.parametrize("unit", EXPOSURE, ids=lambda path: path.name)
def test_a_service_is_no_more_exposed_than_it_was(unit: Path, units: Path) -> None:
    threshold = f"--threshold={EXPOSURE[unit]}"
    code, words = analyze("security", "--offline=true", threshold, units / unit.name)
    assert code == 0, words


def test_both_services_are_confined_alike() -> None:
    sweep, check = (
        unit.read_text().partition("LoadCredentialEncrypted=")[2] for unit in (SWEEP, CHECK)
    )
    assert sweep == check != ""


def test_the_page_of_the_links_is_confined_like_the_sweep_but_for_the_network() -> None:
    sweep, links = (
        {line for line in unit.read_text().splitlines() if re.match("[A-Z][A-Za-z]+=", line)}
        for unit in (SWEEP, LINKS)
    )
    kept = {line for line in sweep if not line.startswith(OF_THE_NETWORK)}
    of_the_job = ("Desc", "Doc", "Wants=", "After=", "Type=", "Exec", "Standard", "Timeout", "Env")
    assert {line for line in kept if not line.startswith(of_the_job)} <= links
    assert {"IPAddressAllow=localhost", "IPAddressDeny=any", "SocketBindDeny=any"} <= links


def test_the_page_of_the_links_is_where_the_wheel_puts_it() -> None:
    python, page, *words = shlex.split(said(LINKS, "ExecStart")[0])
    assert (python, words[-1]) == (PYTHON, INSTALLED)
    inside = page.removeprefix(f"/opt/bunkerctl/{shared_data()['contrib']}/")
    assert (CONTRIB / inside).is_file()
    port = words[words.index("--port") + 1]
    assert said(LINKS, "SocketBindAllow") == [f"ipv4:tcp:{port}"]
    assert environment(LINKS)["BUNKERCTL_ACTOR"] == LINKS.name


def test_both_services_tell_of_their_failures_and_have_a_timer() -> None:
    for unit in (SWEEP, CHECK):
        assert said(unit, "OnFailure") == [FAILED.name.replace("@", "@%n")]
        assert said(unit, "SuccessExitStatus") == []
        assert environment(unit)["BUNKERCTL_ACTOR"] == unit.name
        assert unit.with_suffix(".timer") in UNITS


@pytest.mark.parametrize(
    "words",
    [
        *(command(unit) for unit in (SWEEP, CHECK)),
        *(words_of(line) for line in (*jobs(), *lines_of_readme())),
    ],
    ids=" ".join,
)
def test_a_command_line_is_one_that_bunkerctl_knows(words: list[str]) -> None:
    assert parser.parse(words).command is not None


def test_the_readme_links_what_the_wheel_has_for_man_and_the_shells(tmp_path: Path) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    (script,) = (block for block in blocks if block.startswith("for kind in"))
    prefix, local = tmp_path / "opt", tmp_path / "local"
    for source, target in shared_data().items():
        there = prefix / target
        there.parent.mkdir(parents=True, exist_ok=True)
        if (CONTRIB.parent / source).is_dir():
            shutil.copytree(CONTRIB.parent / source, there, dirs_exist_ok=True)
        else:
            shutil.copy(CONTRIB.parent / source, there)
    script = script.replace("/opt/bunkerctl", str(prefix)).replace("/usr/local", str(local))
    subprocess.run(["sh", "-euc", script], check=True)
    wanted = {
        path.relative_to(prefix)
        for path in (prefix / "share").rglob("*bunkerctl*")
        if path.is_file() and prefix / "share/bunkerctl" not in path.parents
    }
    linked = {path.relative_to(local) for path in local.rglob("*") if path.is_symlink()}
    assert len(wanted) > 10
    assert linked == wanted
    assert all((local / path).is_file() for path in linked)


def test_the_readme_has_the_commands_that_it_must_have() -> None:
    lines = [" ".join(words_of(line)) for line in lines_of_readme()]
    for wanted in ("init --key-file", "key enroll systemd-credential", "status", "audit list"):
        assert any(line.startswith(wanted) for line in lines), wanted


@pytest.mark.parametrize("mode", [0o400, 0o440], ids=oct)
def test_the_services_work_with_the_key_that_systemd_hands_over(bare: Home, mode: int) -> None:
    """0440 is what a service sees where systemd lets its user in by an access list."""
    home = made_now(bare)
    tokens = due_people(home, 2)
    delivered = home.directory / "credentials"
    delivered.mkdir()
    kept = home.key_file.rename(delivered / "bunkerctl-key")  # where init recorded it, it is gone
    kept.chmod(mode)
    del home.environment["BUNKERCTL_KEY_FILE"]
    assert home.process(command(SWEEP)).code == 13
    surroundings = {
        unit: environment(unit)
        | {"BUNKERCTL_VAULT": str(home.vault), "CREDENTIALS_DIRECTORY": str(delivered)}
        for unit in (SWEEP, CHECK)
    }
    early = home.process(command(CHECK), environment=surroundings[CHECK])
    assert (early.code, "key_source\tcredential" in early.out) == (8, True), early
    swept = home.process(command(SWEEP), environment=surroundings[SWEEP])
    assert (swept.code, set(swept.out.split())) == (0, tokens)
    assert swept.err == "bunkerctl: erased 2 of 2 due; 0 held, 0 failed, 0 finished earlier\n"
    checked = home.process(command(CHECK), environment=surroundings[CHECK])
    assert (checked.code, checked.err) == (0, "")
    named = ["--key-file", str(kept)] if mode == 0o400 else ["--key-fd", "0"]
    acts = home.process(
        [*named, "audit", "list", "--action", "exp.sweep", "--json"], kept.read_bytes()
    )
    assert acts.json[-1]["actor"] == SWEEP.name


def test_cron_prints_nothing_but_trouble(bare: Home) -> None:
    home = made_now(bare)
    key = re.search(r"--key-file (\S+)", CRONTAB.read_text())
    assert key is not None
    settings = dict(line.split("=", 1) for line in cron_lines() if re.match(r"[A-Z_]+=", line))
    assert {"BUNKERCTL_VAULT", "MAILTO", "PATH", "SHELL"} <= set(settings)
    variables = {
        **settings,
        "BUNKERCTL_VAULT": str(home.vault),
        "HOME": str(home.directory),
        "PATH": f"{Path(EXECUTABLE).parent}:{settings['PATH']}",
    }

    def cron(job: str) -> tuple[int, str, str]:
        line = [settings["SHELL"], "-c", job.replace(key[1], str(home.key_file))]
        done = subprocess.run(
            line, env=variables, capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode, done.stdout, done.stderr

    sweep, check = jobs()
    assert "%" not in sweep + check  # cron would end the line there
    due_people(home, 2)
    assert cron(check)[:2] == (8, "")
    assert (cron(sweep), count(home, "users")) == ((0, "", ""), 0)
    assert cron(check) == (0, "", "")
    due_people(home, 30)
    code, out, err = cron(sweep)
    assert (code, out, count(home, "users")) == (5, "", 30)
    assert err.startswith("bunkerctl: error: 30 are due")


def test_the_line_for_a_crontab_in_the_main_readme_works(tmp_path: Path) -> None:
    """As cron runs it: the owner's home, next to no environment, /bin/sh."""
    text = (CONTRIB.parent / "README.md").read_text()
    found = re.search(r"^```crontab\n\S+ \S+ \S+ \S+ \S+ +(.*)\n```$", text, re.MULTILINE)
    assert found is not None and "%" not in found[1]
    program = tmp_path / ".local/bin/bunkerctl"
    program.parent.mkdir(parents=True)
    program.symlink_to(EXECUTABLE)
    variables = {
        "HOME": str(tmp_path),
        "LOGNAME": "ann",
        "PATH": "/usr/bin:/bin",
        "SHELL": "/bin/sh",
    }

    def run(line: str) -> tuple[int, str, str]:
        done = subprocess.run(
            ["/bin/sh", "-c", line], env=variables, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout, done.stderr

    assert run(f"{program} init -q --key-file {tmp_path}/key >/dev/null")[0] == 0
    job = found[1]
    assert run(job)[0] == 13  # the key that the README enrolls is not there yet
    assert run(f"{program} key enroll file $HOME/.config/bunkerctl/sweep.key")[0] == 0
    assert run(job) == (0, "", "")
    (tmp_path / "key").unlink()  # it does without
    assert run(job) == (0, "", "")
