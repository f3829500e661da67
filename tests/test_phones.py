"""Phone numbers: the short check says yes only where the library does, and writes the same."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunkerctl import phones

CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)


def library(value: str) -> str | None:
    try:
        number = phonenumbers.parse(value, None)
    except phonenumbers.NumberParseException:
        return None
    if number.extension or not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@st.composite
def near_numbers(draw: st.DrawFn) -> str:
    """Draw numbers like the examples that the library has, with some digits changed."""
    region = draw(st.sampled_from(REGIONS))
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    assert metadata is not None
    descs = [getattr(metadata, kind) for kind in phones.KINDS]
    examples = [desc.example_number for desc in descs if desc and desc.example_number]
    digits = list(draw(st.sampled_from(examples)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(digits) - 1))
        digits[at : at + 1] = draw(st.text(alphabet="0123456789", max_size=2))
        if not digits:
            break
    return f"+{metadata.country_code}{''.join(digits)}"


@given(near_numbers() | st.from_regex(r"\+[0-9]{1,16}", fullmatch=True))
def test_what_is_plain_the_library_writes_as_it_stands(value: str) -> None:
    if phones.is_plain(value):
        assert library(value) == value


@pytest.mark.parametrize("region", REGIONS)
def test_every_example_number_is_what_the_library_says(region: str) -> None:
    number = phonenumbers.example_number(region)
    assert number is not None
    value = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    assert phones.normalise(value, None) == library(value) == value


def test_most_examples_are_plain() -> None:
    """Or the short way would be for nothing."""
    numbers = [phonenumbers.example_number(region) for region in REGIONS]
    written = [
        phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        for number in numbers
        if number is not None
    ]
    assert sum(map(phones.is_plain, written)) > len(written) / 2


@pytest.mark.parametrize(
    "value",
    ["", "+", "+1", "4915112345678", "+4915112345678 ", "+49 15112345678", "+491511234567\u0665"],
)
def test_what_is_not_written_as_e164_is_in_doubt(value: str) -> None:
    assert not phones.is_plain(value)
