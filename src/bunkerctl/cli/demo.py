"""`demo`: the whole job on a throw-away vault, with the commands as a user would type them."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import tempfile

from bunkerctl import crypto, errors, keys, pages, uuids
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import command
from bunkerctl.cli.shell import Shell
from bunkerctl.directory import read_header

DAY = 86400
ANN = '{"email":"ann@example.com","name":"Ann Lee","phone":"+14155550123"}'
BOB = '{"email":"bob@example.com","name":"Bob Ray","login":"bob"}'
EVE = '{"email":"eve@example.com","name":"Eve Fox","custom":"X-17"}'
PERSONAL = (b"@example.com", b"Ann Lee", b"Bob Ray", b"Eve Fox", b"4155550123")


@command("demo")
def demo(call: Call) -> None:
    """Walk through the whole job on a throw-away vault, which is removed at the end.

    Three people are added, and told that they will be erased. One keeps the data, one leaves, one
    does not answer and is swept 31 days later (the demo moves its own clock). At the end every
    page of the database is decrypted and searched.

    Examples:
      bunkerctl demo
    """
    directory = tempfile.mkdtemp(prefix="bunkerctl-demo-")
    try:
        _Walk(call, directory).run()
    finally:
        shutil.rmtree(directory)
    call.output.text("\nThe demo's vault and key are removed. Yours begins with: bunkerctl init\n")


class _Walk:
    def __init__(self, call: Call, directory: str) -> None:
        self._call = call
        self._later = 0
        self._vault = os.path.join(directory, "vault")
        self._environment = {
            "HOME": directory,
            "BUNKERCTL_VAULT": self._vault,
            "BUNKERCTL_KEY_FILE": os.path.join(directory, "key"),
            "BUNKERCTL_ACTOR": "demo",
        }

    def run(self) -> None:
        self._say(
            "# A vault is a directory with an encrypted database; here, its key is in a file."
        )
        for name in ("BUNKERCTL_VAULT", "BUNKERCTL_KEY_FILE"):
            self._say(f"$ export {name}={self._environment[name]}")
        self._do("bunkerctl init")
        self._do("bunkerctl config set links.base https://example.com/privacy")

        self._say("\n# Three people. Your applications keep the token that is printed.")
        token = ""
        for record in (ANN, BOB, EVE):
            token = self._do("bunkerctl user add", record)
        self._do("bunkerctl user get email:ann@example.com")

        self._say("\n# They leave: each is to be erased in 30 days, and is sent the two links.")
        links = [
            self._do(f"bunkerctl exp start email:{name}@example.com --in 30d")
            for name in ("ann", "bob", "eve")
        ]
        kept, left = (_field(text, "exptoken") for text in links[:2])

        self._say("\n# Ann keeps her data. Bob wants his gone now. Eve does not answer.")
        self._do(f"bunkerctl exp retain {kept}")
        self._do(f"bunkerctl exp delete {left} --yes")

        self._say("\n# 31 days later, cron runs the sweep.")
        self._later = 31 * DAY
        self._do("bunkerctl exp sweep --dry-run")
        self._do("bunkerctl exp sweep")
        self._do("bunkerctl user get email:eve@example.com", exits=4)
        self._do(f"bunkerctl exp status {token}")

        self._say(
            "\n# Who did what, without a word about the people; and the proof that it is whole."
        )
        self._do("bunkerctl audit list --limit 5")
        self._do("bunkerctl audit verify")
        self._do("bunkerctl user forget email:ann@example.com --yes")
        self._search()

    def _do(self, line: str, stdin: str = "", exits: int = 0) -> str:
        """Show a command, run it for real, show what it prints; return its standard output."""
        from bunkerctl.cli import door

        self._say(f"$ echo {shlex.quote(stdin)} | {line}" if stdin else f"$ {line}")
        stdout, stderr = io.BytesIO(), io.BytesIO()
        shell = Shell(
            io.BytesIO(stdin.encode()),
            stdout,
            stderr,
            self._environment,
            lambda: self._call.shell.clock() + self._later,
        )
        code = door.run(shlex.split(line)[1:], shell)
        printed = stdout.getvalue().decode()
        self._call.output.text(printed + stderr.getvalue().decode())
        self._call.output.flush()
        if code != exits:
            raise errors.Internal(f"the demo stopped: exit code {code} instead of {exits}")
        return printed.strip()

    def _search(self) -> None:
        self._say(
            "\n# Now nobody is left. Is there a byte of them in the files? Every page, decrypted:"
        )
        header = read_header(self._vault)
        with open(self._environment["BUNKERCTL_KEY_FILE"], "rb") as file:
            master = keys.parse(file.read(), "the key file")
        key = crypto.database_key(master, uuids.to_bytes(header.vault_id))
        found = count = 0
        known = False
        for _, _, content in pages.decrypted(self._vault, key):
            count += 1
            known = known or b"exp.sweep" in content
            found += any(word in content for word in PERSONAL)
        if found or not known:  # the audit trail must be readable, or nothing was searched
            raise errors.IntegrityFailure("personal data is left in the demo's vault")
        self._say(f"{count} pages searched, nothing personal found.")

    def _say(self, text: str) -> None:
        self._call.output.text(text + "\n")


def _field(text: str, name: str) -> str:
    for line in text.splitlines():
        found, _, value = line.partition("\t")
        if found == name:
            return value
    raise errors.Internal("the demo lost its way")
