"""`unlock` and `lock`."""

from __future__ import annotations

from bunkerctl import errors, keys, opening, times
from bunkerctl.cli.answers import single
from bunkerctl.cli.answers import unlock as answers
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import command, option

DEFAULT = "15min"
MOST_SECONDS = 86400


@command(
    "unlock",
    option("--for", "DUR", "how long: 15min (or 15m), at most a day"),
    answer=single(answers.UNLOCKED),
    fails=(errors.KeyUnavailable,),
)
def unlock(call: Call, **values: str | None) -> None:
    """Keep the master key in the kernel, so that a script's calls need not ask the keyring.

    Later calls of the same user take it from there, until its time is over, `lock`, or a reboot;
    the kernel forgets it by itself, never writes it to a disk, and gives it to this user's
    processes alone: to all of them. It works on Linux; elsewhere it says that it cannot (exit 13).
    It is an audit event. A key that comes from a file needs no unlocking, and a source that a call
    names itself is asked all the same.

    Examples:
      bunkerctl unlock --for 15min
      bunkerctl unlock --for 8h --json
    """
    seconds = _seconds(values["for"] or DEFAULT)
    call.without_unlocked()
    opened = call.opened()
    vault = opened.vault
    if opened.route.source not in keys.SLOW:
        call.note(f"the key comes from {opened.route.words()}, which needs no unlocking")
        call.show(answers.unlocked(vault, None))
        return
    until = call.now() + seconds
    try:
        with vault.transaction() as tx:
            tx.event("key.unlock", until=times.text(until))
            keys.unlock(vault.header.vault_id, opened.master, seconds)
    except BaseException:  # no event, no act
        keys.lock(vault.header.vault_id)
        raise
    call.changed = True
    call.show(answers.unlocked(vault, until))


@command("lock", answer=single(answers.LOCKED))
def lock(call: Call) -> None:
    """Let the kernel forget the master key at once that `unlock` has kept.

    It needs neither the key nor an open vault, and is no audit event.

    Examples:
      bunkerctl lock
    """
    directory = call.directory()
    header = opening.living(directory)
    changed = keys.lock(header.vault_id)
    if not changed:
        call.note("it was locked already")
    call.show(answers.locked(directory, header, changed))


def _seconds(text: str) -> int:
    """Read --for. A month is over its limit, so that `15m` can mean nothing but minutes here."""
    digits = text.removesuffix("m")
    if text != digits and digits.isascii() and digits.isdigit():
        text = f"{digits}min"
    duration = times.parse_duration(text)
    if duration.months or duration.seconds > MOST_SECONDS:
        raise errors.Invalid("--for is a day at most")
    return duration.seconds
