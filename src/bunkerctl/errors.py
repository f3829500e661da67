"""Every failure bunkerctl can end with: its name in JSON and its exit code.

    BunkerError
    ├── Internal 1
    ├── Usage, Invalid 2
    ├── Partial 3
    ├── NotFound 4
    ├── Conflict, Held, LimitExceeded, ClockSuspect 5
    ├── Declined 6
    ├── IntegrityFailure 7
    ├── Overdue 8
    ├── InputOutput 9
    ├── NoVault 10
    ├── Busy 11
    ├── WrongKey 12
    ├── KeyUnavailable 13
    ├── UnsupportedVersion 14
    ├── Residue 15
    ├── OutcomeUnknown 16
    └── OutputFailed 74

A message names the kind of an identity, a token, a line number or a file; never an
identity, a value of a record or a key.
"""

from __future__ import annotations


class BunkerError(Exception):
    """A failure that the caller is told about in one line, with a hint where it helps."""

    code = "internal"
    exit_code = 1
    meaning = ""
    outcome: str | None = None
    """The outcome of the audit event for an attempt that ended so; None: no event."""

    def __init__(self, message: str, *, hint: str | None = None, token: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.token = token
        self.recorded = False


class Internal(BunkerError):
    meaning = "unexpected: a bug"


class Usage(BunkerError):
    code = "usage"
    exit_code = 2
    meaning = "a command line that bunkerctl does not understand"


class Invalid(BunkerError):
    code = "invalid"
    exit_code = 2
    meaning = "malformed duration, date, identity, record, data file or setting"


class Partial(BunkerError):
    code = "partial"
    exit_code = 3
    meaning = "a batch finished and at least one item failed"


class NotFound(BunkerError):
    code = "not_found"
    exit_code = 4
    meaning = "no such user, exptoken or event"
    outcome = "not_found"


class Conflict(BunkerError):
    code = "conflict"
    exit_code = 5
    meaning = "an identity is taken, or the state does not allow it"
    outcome = "refused"


class Held(Conflict):
    code = "held"
    meaning = "a legal hold bars the erasure"


class LimitExceeded(Conflict):
    code = "limit"
    meaning = "a sweep with too many due"


class ClockSuspect(Conflict):
    code = "clock"
    meaning = "a sweep on a clock that looks wrong"


class Declined(BunkerError):
    code = "declined"
    exit_code = 6
    meaning = "confirmation refused, or needed and there is no terminal and no --yes"
    outcome = "declined"


class IntegrityFailure(BunkerError):
    code = "integrity"
    exit_code = 7
    meaning = "the audit trail or the database failed verification"


class Overdue(BunkerError):
    code = "overdue"
    exit_code = 8
    meaning = "only `status --check`: the sweep is stale, or something is overdue"


class InputOutput(BunkerError):
    code = "io"
    exit_code = 9
    meaning = "the file system refused: full, read-only, no permission, I/O error"


class NoVault(BunkerError):
    code = "no_vault"
    exit_code = 10
    meaning = "no vault there"


class Busy(BunkerError):
    code = "busy"
    exit_code = 11
    meaning = "another writer kept the lock past --lock-wait; retry"


class WrongKey(BunkerError):
    code = "wrong_key"
    exit_code = 12
    meaning = "a key was found and does not open this vault"


class KeyUnavailable(BunkerError):
    """The master key could not be had; `reason` says why in one word.

    Reasons: missing, permissions, malformed, locked, no_backend, backend_refused,
    entry_missing, timeout, command_failed, unreadable, not_kept, no_recovery, rotation.
    """

    code = "key_unavailable"
    exit_code = 13
    meaning = "keyring locked, absent or timed out; key file missing, too open or malformed"

    def __init__(self, message: str, *, reason: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class UnsupportedVersion(BunkerError):
    code = "version"
    exit_code = 14
    meaning = "the vault is newer than this program"


class Residue(BunkerError):
    code = "residue"
    exit_code = 15
    meaning = "erased, but a reader keeps old pages alive: the next command finishes the scrubbing"


class OutcomeUnknown(BunkerError):
    code = "outcome_unknown"
    exit_code = 16
    meaning = "the disk failed at COMMIT: look before you repeat"


class OutputFailed(BunkerError):
    code = "output"
    exit_code = 74
    meaning = "standard output could not be written; the message says whether the change was saved"


class Stopped(BunkerError):
    """How an interruption is told; its exit code is 128 + the signal's number."""

    code = "interrupted"

    def __init__(self, interrupted: Interrupted) -> None:
        came = interrupted.came
        super().__init__(f"interrupted: {came}" if came else "interrupted", hint=interrupted.hint)
        self.exit_code = 128 + interrupted.signum


class Interrupted(BaseException):
    """A signal asked the program to stop; `signum` is its number (exit code 128 + signum).

    `came` says how far a long act had come, and `hint` how to go on.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum
        self.came: str | None = None
        self.hint: str | None = None
