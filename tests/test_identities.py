"""Identities: the kind from the form alone, and the one form in which each is looked up."""

from __future__ import annotations

import json
from decimal import Decimal

import email_validator
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunkerctl import identities
from bunkerctl.errors import Invalid
from bunkerctl.model import IDENTITY_KINDS, Identity
from conftest import Home

UUID = "0f5bd6f4-9a9e-4c1c-8b1e-0123456789ab"

FORM = "the email has not the form of an address"
LONG = "the email is over 320 bytes"
CONTROLS = "has control characters"
EMPTY = "is empty"
NO_NUMBER = "the phone is not a valid number"
NO_PHONE = "the phone has not the form of a number"
NO_COUNTRY = "the phone has no country code, and no phone.region is configured"

IDS = [
    # what is typed, without a region: its kind and what is looked up
    (UUID, "token", UUID),
    (UUID.upper(), "token", UUID),
    (f"token:{UUID.upper()}", "token", UUID),
    (f"login:{UUID}", "login", UUID),
    ("a@x.org", "email", "a@x.org"),
    ("email:A@X.org", "email", "a@x.org"),
    ("login:a@X.org", "login", "a@X.org"),
    ("custom:a@X.org", "custom", "a@X.org"),
    ("+14155550123", "phone", "+14155550123"),
    ("+1 (415) 555-01.23", "phone", "+14155550123"),
    ("phone: +1 415 555 0123 ", "phone", "+14155550123"),
    ("login:+14155550123", "login", "+14155550123"),
    ("john", "login", "john"),
    (" John ", "login", "John"),
    ("14155550123", "login", "14155550123"),
    ("(+1) 4155550123", "login", "(+1) 4155550123"),
    ("+44 x", "login", "+44 x"),
    ("+", "login", "+"),
    ("-", "login", "-"),
    ("LOGIN:x", "login", "LOGIN:x"),
    ("urn:x", "login", "urn:x"),
    (":x", "login", ":x"),
    ("login:custom:x", "login", "custom:x"),
    ("custom: X-17", "custom", "X-17"),
    (UUID.replace("-", ""), "login", UUID.replace("-", "")),
    (UUID + " ", "login", UUID),
    (UUID[:-1] + "g", "login", UUID[:-1] + "g"),
    (UUID[:-1] + "-", "login", UUID[:-1] + "-"),
    (UUID[:-1] + "\uff11", "login", UUID[:-1] + "\uff11"),
]

NO_IDS = [
    ("", EMPTY),
    (" ", EMPTY),
    ("login:", EMPTY),
    ("custom:\u3000", EMPTY),
    ("email:", EMPTY),
    ("phone:", EMPTY),
    ("token:", "the token is not a UUID"),
    ("token:abc", "the token is not a UUID"),
    (f"token:{UUID} ", "the token is not a UUID"),
    (f"token:{{{UUID}}}", "the token is not a UUID"),
    ("phone:+44 x", NO_PHONE),
    ("phone:john", NO_PHONE),
    ("email:john", FORM),
    ("mailto:a@x.org", FORM),
    ("Email:a@x.org", FORM),
    ("a\tb", CONTROLS),
    ("login:a\n", CONTROLS),
    ("custom:\x7f", CONTROLS),
    ("custom:a\x9b2J", CONTROLS),
    ("login:\x1b[2J", CONTROLS),
    ("login:a\0", CONTROLS),
]


def refusal(kind: str, value: str, region: str | None = None) -> str:
    with pytest.raises(Invalid) as refused:
        identities.normalise(kind, value, region)
    return refused.value.message


@pytest.mark.parametrize(("text", "kind", "value"), IDS)
def test_an_id_has_a_kind_by_prefix_or_by_form(text: str, kind: str, value: str) -> None:
    assert identities.parse(text, None) == Identity(kind=kind, value=value)


@pytest.mark.parametrize(("text", "message"), NO_IDS, ids=ascii)
def test_an_id_without_the_form_of_its_kind_is_refused(text: str, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        identities.parse(text, None)


DOMAIN_255 = ".".join(["b" * 62] * 4 + ["org"])

EMAILS = {
    "A@X.ORG": "a@x.org",
    " a@x.org\u00a0": "a@x.org",
    "a+Tag@x.org": "a+tag@x.org",
    "J.o.h.n@gmail.com": "j.o.h.n@gmail.com",
    "john@corp.local": "john@corp.local",
    "john@x.test": "john@x.test",
    "o'hara!@x.org": "o'hara!@x.org",
    "A\u0301@x.org": "\u00e1@x.org",
    "\u00c1@x.org": "\u00e1@x.org",
    "\u212a@x.org": "k@x.org",  # the Kelvin sign is K itself, to NFC
    "\u0130@x.org": "i\u0307@x.org",
    "A@B\u00dcCHER.de": "a@b\u00fccher.de",
    "a@xn--bcher-kva.de": "a@xn--bcher-kva.de",
    "\uff41@x.org": "\uff41@x.org",  # NFC, not NFKC: the fullwidth letter is another one
    "a" * 65 + "@x.org": "a" * 65 + "@x.org",
}

NO_EMAILS = [
    ("", EMPTY),
    (" ", EMPTY),
    ("a@x.org\n", CONTROLS),
    ("a@x.org\0", CONTROLS),
    ("a" * 400 + "@x.org", LONG),
    ("a" * 1_000_000, LONG),
    ("\u00e1" * 158 + "@x.org", LONG),
    *(
        (text, FORM)
        for text in (
            *("a", "@", "a@", "@b", "a@b", "a@localhost", "a@[127.0.0.1]", '"a b"@x.org'),
            *("Anna <a@x.org>", "a@x..org", ".a@x.org", "a.@x.org", "a@xn--zzzzzz.org"),
            *("a@x.org,b@x.org", "a@b@x.org", "a b@x.org"),
            *("a@-x.org", "a@x-.org", "a@x_y.org", "a@x.org.", "a@1.2.3.4", "\ud800@x.org"),
            *(f"a@{DOMAIN_255}", f"a@{'b' * 64}.org"),
        )
    ),
]


@pytest.mark.parametrize("given", EMAILS, ids=ascii)
def test_an_email_is_trimmed_composed_and_lower_case(given: str) -> None:
    assert identities.normalise("email", given) == EMAILS[given]


@pytest.mark.parametrize(
    ("text", "message"), NO_EMAILS, ids=lambda text: f"{text[:24]!a}-{len(text)}"
)
def test_what_is_not_an_email_is_refused(text: str, message: str) -> None:
    assert message in refusal("email", text)


PHONES = [
    ("+4520123456", None, "+4520123456"),
    (" +45 20-12.34(56) ", None, "+4520123456"),
    ("+4520123456", "US", "+4520123456"),
    ("20123456", "DK", "+4520123456"),
    ("0045 20123456", "DK", "+4520123456"),
    ("(415) 555-0123", "US", "+14155550123"),
    ("+39 06 1234 5678", None, "+390612345678"),
    ("06 1234 5678", "IT", "+390612345678"),
    ("020 7946 0018", "GB", "+442079460018"),
]

NO_PHONES = [
    ("", None, EMPTY),
    ("+", None, NO_PHONE),
    ("112", None, NO_COUNTRY),
    ("112", "DK", NO_NUMBER),
    ("+999123456", None, NO_NUMBER),
    ("0045 20123456", None, NO_COUNTRY),
    ("0045 20123456", "US", NO_NUMBER),
    ("+4520123456 ext 7", None, NO_PHONE),
    ("tel:+45-20-12-34-56;ext=5", None, NO_PHONE),
    ("+1 (800) FLOWERS", None, NO_PHONE),
    ("+\u0664\u0665\u0662\u0660\u0661\u0662\u0663\u0664\u0665\u0666", None, NO_PHONE),
    ("+4520123456\n+4520123457", None, CONTROLS),
    ("+4520123456 +4520123457", None, NO_PHONE),
    ("+45 20 12 34 5", None, NO_NUMBER),
    ("+45" + "2" * 200, None, NO_PHONE),
    ("20123456", None, NO_COUNTRY),
    ("20123456", "US", NO_NUMBER),
    ("+0", None, NO_NUMBER),
    ("\u0663", "DK", NO_PHONE),
    ("\u00b2", "DK", NO_PHONE),
    ("--5", None, NO_COUNTRY),
    ("--5", "DK", NO_NUMBER),
    ("++4520123456", None, NO_PHONE),
    ("0", "IT", NO_NUMBER),
    ("()", "DK", NO_NUMBER),
    ("20123456", "XX", "phone.region is not a region that has phone numbers"),
]


@pytest.mark.parametrize(("text", "region", "expected"), PHONES)
def test_a_phone_becomes_e164(text: str, region: str | None, expected: str) -> None:
    assert identities.normalise("phone", text, region) == expected


@pytest.mark.parametrize(
    ("text", "region", "message"), NO_PHONES, ids=lambda value: ascii(value)[:30]
)
def test_what_is_not_a_phone_is_refused(text: str, region: str | None, message: str) -> None:
    assert message in refusal("phone", text, region)


def test_login_and_custom_keep_their_case_and_are_composed() -> None:
    for kind in ("login", "custom"):
        assert identities.normalise(kind, " A\u0301nna ") == "\u00c1nna"
        assert identities.normalise(kind, "ANNA") != identities.normalise(kind, "anna")
        assert identities.normalise(kind, "\ufb01") == "\ufb01"


@given(st.sampled_from(IDENTITY_KINDS), st.text(max_size=12), st.sampled_from(["", "@x.org"]))
def test_normalising_twice_is_once(kind: str, text: str, end: str) -> None:
    try:
        once = identities.normalise(kind, text + end, "DK")
    except Invalid:
        return
    assert identities.normalise(kind, once, "DK") == once
    assert identities.normalise(kind, f" {once} ", "US" if kind == "phone" else None) == once


@given(st.from_regex(r"\+45[2-9][0-9]{7}", fullmatch=True), st.sampled_from([" ", "-", ".", "("]))
def test_a_phone_is_the_same_however_it_is_set(number: str, mark: str) -> None:
    spaced = mark.join([number[:3], number[3:5], number[5:]])
    try:
        expected = identities.normalise("phone", number)
    except Invalid:
        assert refusal("phone", spaced) == NO_NUMBER
    else:
        assert identities.normalise("phone", spaced) == expected == number


ATOMS = st.text("azAZ09_+-", max_size=6) | st.sampled_from(["a" * 64, "a" * 65, "!", "ab--c"])
LABELS = st.text("azAZ09-", max_size=6) | st.sampled_from(["a" * 63, "a" * 64, "xn--zz", "org"])
MARKS = st.sampled_from(["@"] * 6 + ["", "@@", " @", "@.", ".@", "@-", "\n@", '"@', "@["])
ENDS = st.sampled_from([""] * 6 + [".", "]", " ", "\n", "-", "_", ">"])
ADDRESSES = st.builds(
    lambda atoms, mark, labels, end: ".".join(atoms) + mark + ".".join(labels) + end,
    st.lists(ATOMS, min_size=1, max_size=4),
    MARKS,
    st.lists(LABELS, min_size=1, max_size=4),
    ENDS,
)


@given(ADDRESSES)
def test_what_is_plainly_an_address_is_one_to_email_validator_too(address: str) -> None:
    email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()  # internal names are addresses here
    if identities.is_plain_address(address):
        email_validator.validate_email(address, check_deliverability=False)


@pytest.mark.parametrize("plain", ["a@x.org", "A.b+c_d-e@sub.x-y.Org", "a" * 64 + "@x.o"])
def test_ordinary_addresses_are_plain(plain: str) -> None:
    assert identities.is_plain_address(plain)


def test_a_records_identities_are_strings_or_integers() -> None:
    record: dict[str, object] = {"email": None, "login": 7, "custom": "007", "name": [1]}
    assert identities.of_record(record, None) == {"login": "7", "custom": "007"}
    for wrong in (True, Decimal("1.0"), [], ["x"], {}, {"a": "b"}):
        with pytest.raises(Invalid, match="`custom` must be a string, an integer or null"):
            identities.of_record({"login": "ann", "custom": wrong}, None)
    for nobody in ({}, {"email": None}, {"name": "Ann"}, {"Login": "ann"}, {"x": {"login": "a"}}):
        with pytest.raises(Invalid, match="a record needs at least one identity"):
            identities.of_record(dict(nobody), None)


def test_the_configured_region_decides_for_records_and_for_looking_up(home: Home) -> None:
    record = json.dumps({"phone": 20123456, "custom": "007"})
    refused = home.run("user add --json", record)
    assert (refused.code, "20123456" in refused.err) == (2, False)
    home.ok("config set phone.region DK")
    token = home.ok("user add", record).out.strip()
    for identity in ("phone:20123456", "+45 20 12 34 56", "phone:0045-20123456", "custom:007"):
        answer = home.ok(["user", "get", identity, "--json"]).json
        assert (answer["token"], answer["data"]["phone"]) == (token, 20123456)
    assert home.run("user get custom:7").code == 4
    assert home.run("user get 20123456").code == 4


@pytest.mark.parametrize("region", ["XX", "dk", "DNK", "D1", ""])
def test_a_region_that_does_not_exist_never_guesses_a_country(home: Home, region: str) -> None:
    configured = home.run(["config", "set", "phone.region", region])
    added = home.run("user add --json", '{"phone":"20123456"}')
    assert (configured.code, added.code) in {(0, 2), (2, 2)}
    assert "region" in added.error["message"]
