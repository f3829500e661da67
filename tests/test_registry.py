"""The registry of what is held about a person is whole: the schema has nothing that it lacks."""

from __future__ import annotations

from typing import Any

from bunkerctl.store import registry, schema
from conftest import Home

TABLES = {holding.table: holding for holding in registry.HOLDINGS}


def filled(home: Home) -> str:
    """Add a person about whom there is something in every table; return the token."""
    token = home.add(email="ann@example.com", login="ann", name="Ann")
    home.start(token)
    home.ok(f"user hold {token} --reason case --until 2028-01-01")
    db = home.database()  # as if an import that had added the person were killed
    db.run("INSERT INTO runs VALUES (1)")
    db.run("INSERT INTO recent_identities SELECT 1, * FROM identities LIMIT 1")
    db.run("DELETE FROM identities WHERE tag IN (SELECT tag FROM recent_identities)")
    db.close()
    return token


def test_every_table_is_registered_or_said_to_be_impersonal(home: Home) -> None:
    db = home.database()
    tables = schema.columns(db).keys()
    db.close()
    assert tables == TABLES.keys() | registry.IMPERSONAL.keys()
    assert not TABLES.keys() & registry.IMPERSONAL.keys()


def test_every_column_is_exported_or_has_a_reason_not_to_be(home: Home) -> None:
    db = home.database()
    columns = schema.columns(db)
    db.close()
    for table, holding in TABLES.items():
        assert set(columns[table]) == holding.shown.keys() | holding.omitted.keys(), table
        assert not holding.shown.keys() & holding.omitted.keys(), table
        assert {holding.owner, *holding.drawers} <= set(columns[table])
    assert columns["drawer"] == ["id", "bytes"]


def test_what_the_registry_calls_exported_is_in_the_export(home: Home) -> None:
    token = filled(home)
    exported = home.ok(f"export {token}").json
    for holding in TABLES.values():
        for paths in holding.shown.values():
            for path in paths.split(", "):
                value: Any = exported
                for name in path.split("."):
                    value = value[name]
                assert value is not None, path


def test_an_erasure_leaves_no_row_in_any_registered_table(home: Home) -> None:
    token = filled(home)
    db = home.database()
    before = {table: db.one(f"SELECT count(*) FROM {table}")[0] for table in TABLES}
    assert all(before.values()), before
    home.ok(f"user release {token}")
    home.ok(f"user forget {token} --yes")
    for table in TABLES:
        assert db.one(f"SELECT count(*) FROM {table}") == (0,), table
    assert db.rows("SELECT id FROM drawer WHERE bytes <> zeroblob(length(bytes))") == []
    db.close()
