"""An export encrypted for somebody: the real `age` opens it, and nothing else is ever written."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from conftest import EXECUTABLE, Home
from terminal import on_terminal

CANARY = "canary-4711"
NEEDS_AGE = pytest.mark.skipif(shutil.which("age") is None, reason="age is not installed")


class Reader:
    """Somebody with a key of age."""

    def __init__(self, directory: Path, name: str) -> None:
        self.file = directory / name
        subprocess.run(["age-keygen", "-o", str(self.file)], capture_output=True, check=True)
        line = ["age-keygen", "-y", str(self.file)]
        self.key = subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip()

    def secret(self) -> str:
        return self.file.read_text().splitlines()[-1]

    def opens(self, sealed: bytes) -> bytes:
        line = ["age", "--decrypt", "-i", str(self.file)]
        return subprocess.run(line, input=sealed, capture_output=True, check=True).stdout


@pytest.fixture
def ann(home: Home) -> Reader:
    home.add(login="ann", note=CANARY)
    return Reader(home.directory, "ann.key")


@NEEDS_AGE
def test_age_opens_an_archive_that_then_verifies(home: Home, ann: Reader) -> None:
    path = home.directory / "ann.zip.age"
    home.ok(f"export ann --format zip --encrypt-to {ann.key} --out {path}")
    assert CANARY.encode() not in path.read_bytes()
    refused = home.run(f"export verify {path}")
    assert (refused.code, "age -d" in refused.err) == (2, True)
    assert home.ok("export verify - --json", ann.opens(path.read_bytes())).json["ok"]
    assert home.run(f"export ann --encrypt-to {ann.key} --out {path}").code == 5
    assert path.stat().st_mode & 0o777 == 0o600


@NEEDS_AGE
def test_each_reader_that_is_named_can_open_it(home: Home, ann: Reader) -> None:
    bob, eve, dan, fay = (Reader(home.directory, name) for name in ("bob", "eve", "dan", "fay"))
    team = home.directory / "team.txt"
    team.write_text(f"# the team\n\n{dan.key}\n  {fay.key}\n")
    line = f"export ann --encrypt-to {ann.key},{bob.key} --encrypt-to {team}"
    sealed = home.ok(line).raw
    for reader in (ann, bob, dan, fay):
        assert json.loads(reader.opens(sealed))["user"]["data"]["note"] == CANARY
    with pytest.raises(subprocess.CalledProcessError):
        eve.opens(sealed)


@NEEDS_AGE
def test_everybody_can_be_exported_encrypted(home: Home, ann: Reader) -> None:
    people = "".join(f'{{"login":"u{number}","note":"{"x" * 300}"}}\n' for number in range(1200))
    home.ok("user import -", people)
    sealed = home.ok(f"export --all --yes --encrypt-to {ann.key}").raw
    lines = ann.opens(sealed).splitlines()
    assert {json.loads(line)["data"]["login"] for line in lines} == {
        "ann",
        *(f"u{number}" for number in range(1200)),
    }


@NEEDS_AGE
def test_a_key_that_is_none_is_refused_before_anything_is_read(home: Home, ann: Reader) -> None:
    size = home.ok("audit head --json").json["size"]
    empty, wrong = home.directory / "empty", home.directory / "wrong"
    empty.write_text("# nobody\n")
    wrong.write_text(f"{ann.key}\nage1nonsense\n")
    for said in (ann.key[:-1], f"{ann.key},", "age1", ann.key + "x", empty, wrong):
        refused = home.run(f"export ann --encrypt-to {said} --json")
        assert (refused.code, refused.out, refused.error["code"]) == (2, "", "usage"), said
    for said in (ann.secret(), str(ann.file), f"{ann.key},{ann.secret()}"):
        refused = home.run(f"export ann --encrypt-to {said}")
        assert (refused.code, "secret key" in refused.err) == (2, True)
        assert ann.secret() not in refused.err
    assert home.run("export ann --encrypt-to nowhere").code == 9
    assert home.ok("audit head --json").json["size"] == size


@NEEDS_AGE
def test_cipher_text_is_not_sent_to_a_terminal(home: Home, ann: Reader) -> None:
    code, shown = on_terminal(home, f"export ann --encrypt-to {ann.key}", 100)
    assert (code, "--out FILE" in shown) == (2, True)


@NEEDS_AGE
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_no_plain_text_is_written_anywhere(home: Home, ann: Reader) -> None:
    def written(name: str, *options: str) -> bytes:
        trace = home.directory / f"{name}.trace"
        calls = "trace=write,writev,pwrite64,pwritev"
        line = ["strace", "-f", "-s", "1000000", "-e", calls, "-o", str(trace), EXECUTABLE]
        line += ["export", "ann", "--out", str(home.directory / name), *options]
        subprocess.run(line, env=home.environment, capture_output=True, check=True)
        return trace.read_bytes()

    assert CANARY.encode() in written("plain")  # that it would be seen
    assert CANARY.encode() not in written("sealed", "--encrypt-to", ann.key)
    assert CANARY.encode() in ann.opens((home.directory / "sealed").read_bytes())


@NEEDS_AGE
def test_a_full_or_closed_output_is_told_as_without_encryption(home: Home, ann: Reader) -> None:
    line = [EXECUTABLE, "export", "--all", "--yes", "--encrypt-to", ann.key]
    home.ok("user import -", "".join(f'{{"login":"u{n}"}}\n' for n in range(2000)))
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            line, env=home.environment, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, b"standard output" in done.stderr) == (74, True)
    with home.spawn(line[1:]) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert (process.wait(60), process.stderr.read()) == (141, b"")


@NEEDS_AGE
def test_a_signal_ends_an_encrypted_export(home: Home, ann: Reader) -> None:
    home.ok("user import -", "".join(f'{{"login":"u{n}"}}\n' for n in range(5000)))
    with home.spawn(["export", "--all", "--yes", "--encrypt-to", ann.key]) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.read(100)  # it is in the middle: the pipe is full
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        assert process.wait(60) == 143
        assert b"interrupted" in process.stderr.read()
    path = home.directory / "x"
    assert home.run(f"export ann --encrypt-to {ann.key} --out {path}/no").code == 9
    assert not path.exists()
