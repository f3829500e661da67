"""The master key as an encrypted credential of systemd, for the units that run the sweep.

See systemd-creds(1): it encrypts for this machine, and systemd hands the plain key to a unit
with `LoadCredentialEncrypted=bunkerctl-key` in a directory that the unit alone can read.
"""

from __future__ import annotations

import os
import subprocess

from bunkerctl import files, placement
from bunkerctl.errors import KeyUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "bunkerctl-key"
STORE = "/etc/credstore.encrypted/" + NAME
TIMEOUT_SECONDS = 60
_PROGRAM = "systemd-creds"
_NAMED = f"--name={NAME}"


def seal(path: str, secret: bytes, environment: Mapping[str, str]) -> None:
    """Encrypt a key for this machine, and put it into a file once it has been read back.

    Raises:
        KeyUnavailable: systemd-creds is missing, or fails.
        InputOutput: the file system refuses.
    """
    sealed = _run(["encrypt", _NAMED, "-", "-"], secret, environment)
    if secret.strip() in sealed or _run(["decrypt", _NAMED, "-", "-"], sealed, environment) != (
        secret
    ):
        raise KeyUnavailable(
            "the credential does not give the key back", reason="not_kept", hint="is it systemd's?"
        )
    files.make_directory(os.path.dirname(path))
    placement.write(path, [sealed], force=True)


def unseal(path: str, environment: Mapping[str, str]) -> bytes:
    """Return what a credential has; raise KeyUnavailable if this machine cannot tell."""
    return _run(["decrypt", _NAMED, path, "-"], b"", environment)


def _run(words: list[str], given: bytes, environment: Mapping[str, str]) -> bytes:
    try:
        done = subprocess.run(
            [_PROGRAM, *words],
            input=given,
            stdout=subprocess.PIPE,
            env=environment,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise _failed("is not installed") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _failed(f"could not be run ({type(error).__name__})") from error
    if done.returncode:
        raise _failed(f"failed with exit code {done.returncode}")
    return done.stdout


def _failed(how: str) -> KeyUnavailable:
    return KeyUnavailable(
        f"{_PROGRAM} {how}",
        reason="command_failed",
        hint="it needs systemd 250 or newer, and root for the machine's own key",
    )
