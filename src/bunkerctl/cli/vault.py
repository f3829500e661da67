"""`init` and `status`."""

from __future__ import annotations

from bunkerctl import status as statuses
from bunkerctl import times
from bunkerctl.cli import answers, keysource
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import command, option

DEFAULT_MAX_AGE = "26h"


@command("init")
def init(call: Call) -> None:
    """Make a new vault, with a new random 256-bit master key.

    The key goes into the OS keyring, and is read back before anything else is written; with
    --key-file FILE it goes into that file (0600), and a key file that exists is used as it is.
    Whoever loses the key loses the records: there is no recovery yet, so keep a copy of a key
    file in a safe. A vault that is there is never touched: exit 5.

    Answer: vault, vault_id, key_id, key_source.

    Examples:
      bunkerctl init
      bunkerctl init --vault /srv/people --key-file /root/people.key
    """
    from bunkerctl import creation

    directory = call.directory()
    header = creation.create(
        directory,
        keysource.for_init(call),
        call.origin(),
        now=call.now(),
        attended=call.attended(),
        lock_wait=call.lock_wait(),
    )
    call.created = True
    call.show(answers.header(directory, header))
    call.note("no recovery code was made: whoever loses the key loses the records")


@command(
    "status",
    option("--check", None, "for monitoring: exit 8 if the sweep is stale or somebody is overdue"),
    option("--max-age", "DUR", f"how old the last sweep may be for --check ({DEFAULT_MAX_AGE})"),
)
def status(call: Call, check: bool, max_age: str | None) -> None:
    """Show the vault in a few numbers.

    `due` and `overdue` leave out who is held. It names nobody, so it is no audit event.

    Answer: vault, vault_id, users, waiting, due, overdue, held, erased, last_sweep, next_due,
    key_source.

    Examples:
      bunkerctl status
      bunkerctl status --check --max-age 2d
    """
    age = times.parse_duration(max_age or DEFAULT_MAX_AGE)
    overdue_before = call.overdue_before()
    vault = call.vault()
    found = statuses.read(vault, overdue_before, call.key_source())
    call.show(answers.status(found))
    if check and (overdue := statuses.check(found, vault.now(), age)):
        raise overdue
