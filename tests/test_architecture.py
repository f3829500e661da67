"""The walls of the house: imports point downwards, and each foreign thing has one door."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import bunkerctl
from bunkerctl import lean

ROOT = Path(bunkerctl.__file__).parent
FLOORS = (
    "model errors uuids hashing lean",
    "store keys crypto config directory files identities phones times jsontext merkle notes"
    " manifests ballast webpage forks escapes flat zips sealing decoding tabular schemas tomllines"
    " pace bloom proofs placement pipes header neighbours",
    "vault",
    "users holds expirations sweep imports exports audit events status creation erasure ledger"
    " patches"
    " pages opening custody enrolment recovery restoration rotation destruction diagnosis"
    " checkpoints commitments receipts pruning backups reinstatement tallies figures reports"
    " article15 letter bundles intake checks preparation incoming known deadlines listings"
    " forgetting",
    "cli",
)
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names.split()}
FOREIGN = {
    "sqlcipher3": ["store/connection.py"],
    "keyring": ["keys/oskeyring.py"],
    "rich": ["cli/screen.py"],
    "typer": ["cli/parser.py"],
    "tomli_w": ["config.py"],
    "phonenumbers": ["phones.py"],
    "email_validator": ["identities.py"],
    "jsonpatch": ["patches.py"],
    "cryptography": ["crypto.py", "pages.py"],
    "pyrage": ["sealing.py"],
    "jsonschema_rs": ["schemas.py"],
}
FILES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))
MODULES = [path for path in FILES if path.name not in ("__init__.py", "__main__.py")]
ROOMS = {path.parts[0].removesuffix(".py") for path in FILES} - {"__init__", "__main__"}


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports anywhere, in full."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "bunkerctl":
            found |= {f"bunkerctl.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_every_module_has_a_floor() -> None:
    assert FLOOR.keys() == ROOMS


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_point_downwards(path: Path) -> None:
    ours = {name.split(".")[1] for name in imported(path) if name.startswith("bunkerctl.")}
    above = {
        name
        for name in ours - {"__version__"}
        if FLOOR[name] > FLOOR[path.parts[0].removesuffix(".py")]
    }
    assert above == set()


def test_the_ground_imports_nothing() -> None:
    for name in ("model.py", "errors.py"):
        assert imported(Path(name)) <= {"__future__", "typing", "collections.abc"}


@pytest.mark.parametrize("foreign", FOREIGN)
def test_one_module_touches_each_foreign_thing(foreign: str) -> None:
    users = [
        str(path) for path in FILES if foreign in {name.split(".")[0] for name in imported(path)}
    ]
    assert users == FOREIGN[foreign]


def test_what_is_lean_is_taken_from_there() -> None:
    """Else a hot command would load all of the library for it, sooner or later."""
    whole = ("contextlib", "functools", "importlib")
    for path in FILES:
        for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and node.module in whole:
                assert not {alias.name for alias in node.names} & set(lean.__all__), path


def test_the_clock_is_read_at_the_door_alone() -> None:
    readers = [str(path) for path in FILES if "time.time" in (ROOT / path).read_text("utf-8")]
    assert readers == ["cli/shell.py"]
