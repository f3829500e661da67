"""The keyed primitives: HKDF against another implementation, and each key apart from the others."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from bunkerctl import crypto
from bunkerctl.model import IDENTITY_KINDS

KEYS = st.binary(min_size=32, max_size=32)
IDS = st.binary(min_size=16, max_size=16)
MASTER = bytes(range(32))
VAULT = bytes(range(16))

RFC_5869 = [
    # appendix A.1 to A.3: key, salt, info, the first 32 bytes of the output
    (
        "0b" * 22,
        "000102030405060708090a0b0c",
        "f0f1f2f3f4f5f6f7f8f9",
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf",
    ),
    (
        bytes(range(0x50)).hex(),
        bytes(range(0x60, 0xB0)).hex(),
        bytes(range(0xB0, 0x100)).hex(),
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c",
    ),
    ("0b" * 22, "", "", "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"),
]


@pytest.mark.parametrize(("key", "salt", "info", "output"), RFC_5869)
def test_hkdf_gives_what_the_rfc_says(key: str, salt: str, info: str, output: str) -> None:
    given = [bytes.fromhex(word) for word in (key, salt, info)]
    assert crypto.hkdf(*given).hex() == output


@given(st.binary(min_size=1, max_size=100), st.binary(max_size=100), st.binary(max_size=100))
def test_hkdf_agrees_with_cryptography(key: bytes, salt: bytes, info: bytes) -> None:
    assert crypto.hkdf(key, salt, info) == HKDF(SHA256(), 32, salt, info).derive(key)


@given(KEYS, IDS)
def test_the_database_key_and_the_key_id_come_from_labels_of_their_own(
    master: bytes, vault: bytes
) -> None:
    derived = HKDF(SHA256(), 32, vault, b"bunkerctl/1/db").derive(master)
    shown = HKDF(SHA256(), 8, vault, b"bunkerctl/1/kcv").derive(master)
    assert crypto.database_key(master, vault) == derived
    assert crypto.key_id(master, vault) == shown.hex()
    assert crypto.key_id(master, vault) not in derived.hex()
    assert crypto.key_id(master, vault) not in master.hex()


@given(KEYS, KEYS, IDS, IDS)
def test_another_master_key_or_vault_gives_other_keys(
    master: bytes, other: bytes, vault: bytes, elsewhere: bytes
) -> None:
    for derive in (crypto.database_key, crypto.key_id):
        assert (derive(master, vault) == derive(other, vault)) == (master == other)
        assert (derive(master, vault) == derive(master, elsewhere)) == (vault == elsewhere)


def test_the_keys_stay_the_same_for_the_vaults_that_exist() -> None:
    assert crypto.key_id(MASTER, VAULT) == "5f67183ddeabe86d"
    database_key = "19fba4784c7518d54260c13286ad5d5cd26d6c7371c5fe6a7f0c6598877c0cc7"
    assert crypto.database_key(MASTER, VAULT).hex() == database_key
    assert crypto.identity_tagger(MASTER)("email", "ann@example.com") == 8440212469173862803
    commitment = "cd462b377f68bc4afa8c0b472d2234e9c5015aff69a7bf9c7315bac5cfd66b91"
    assert crypto.commitment(VAULT, b'{"login":"ann"}') == commitment


@given(KEYS, st.sampled_from(IDENTITY_KINDS), st.text(st.characters(exclude_categories=["Cs"])))
def test_an_identity_tag_is_a_signed_64_bit_integer(key: bytes, kind: str, value: str) -> None:
    tag = crypto.identity_tagger(key)(kind, value)
    assert -(2**63) <= tag < 2**63
    assert tag == crypto.identity_tagger(key)(kind, value)
    assert len({crypto.identity_tagger(key)(each, value) for each in IDENTITY_KINDS}) == 4
    assert crypto.identity_tagger(bytes(32))(kind, value) != tag or key == bytes(32)


def test_identity_tags_have_both_signs_and_kind_and_value_do_not_run_together() -> None:
    tags = [crypto.identity_tagger(MASTER)("login", str(number)) for number in range(100)]
    assert min(tags) < 0 < max(tags)
    assert len(set(tags)) == 100
    assert crypto.identity_tagger(MASTER)("login", "ab") != crypto.identity_tagger(MASTER)(
        "logina", "b"
    )


@given(IDS, IDS, st.binary(max_size=50), st.binary(max_size=50))
def test_a_commitment_binds_the_record_and_its_salt(
    salt: bytes, other: bytes, record: bytes, changed: bytes
) -> None:
    commitment = crypto.commitment(salt, record)
    assert len(bytes.fromhex(commitment)) == 32
    assert (crypto.commitment(other, record) == commitment) == (other == salt)
    assert (crypto.commitment(salt, changed) == commitment) == (changed == record)


def test_random_bytes_are_new_each_time() -> None:
    keys = {crypto.new_master_key() for _ in range(50)}
    assert len(keys) == 50
    assert {len(key) for key in keys} == {crypto.KEY_BYTES}
    assert len(crypto.random_bytes(crypto.SALT_BYTES)) == 16
