"""Phone numbers: valid ones, in the form of E.164.

What is written as E.164 already and valid beyond doubt is told by the library's own patterns,
joined into one for each calling code: a seventh of what the library takes for all that it can read.
"""

from __future__ import annotations

from bunkerctl.errors import Invalid
from bunkerctl.lean import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re

    from phonenumbers import PhoneMetadata, PhoneNumberDesc

LONGEST_CODE = 3
MAX_DIGITS = 15
KINDS = (
    "mobile",
    "fixed_line",
    "toll_free",
    "premium_rate",
    "shared_cost",
    "personal_number",
    "voip",
    "pager",
    "uan",
    "voicemail",
)


def normalise(value: str, region: str | None) -> str:
    """Return a number in the form of E.164; one without `+` is of `region` (ISO 3166).

    Raises:
        Invalid: it is no valid number, or there is no such region.
    """
    import phonenumbers

    if region is not None and region not in phonenumbers.SUPPORTED_REGIONS:
        raise Invalid("phone.region is not a region that has phone numbers")
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        raise Invalid("the phone is not a valid number") from None
    if number.extension or not phonenumbers.is_valid_number(number):
        raise Invalid("the phone is not a valid number")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def is_plain(value: str) -> bool:
    """Tell that this is a valid number, written as E.164, beyond doubt.

    True means that the library says so too, and writes it so (a property test proves it); False
    means no more than: ask the library.
    """
    digits = value[1:]
    if value[:1] != "+" or len(digits) > MAX_DIGITS or not (value.isascii() and digits.isdigit()):
        return False
    pattern, length = _plain(digits[:LONGEST_CODE])
    return pattern is not None and pattern.fullmatch(digits, length) is not None


@lru_cache(maxsize=1000)
def _plain(first: str) -> tuple[re.Pattern[str] | None, int]:
    """Return how long the calling code is that a number begins with, and what may be behind it.

    That is None if there is no such code.
    """
    for length in range(1, LONGEST_CODE + 1):  # no calling code begins with another
        pattern = _pattern(first[:length])
        if pattern is not None:
            return pattern, length
    return None, 0


@lru_cache
def _pattern(code: str) -> re.Pattern[str] | None:
    """Return what numbers of a calling code look like; None if there is no such code.

    Of codes that countries share the first country counts: the library asks it first. A number
    that begins with what is dialled within a country is in doubt.
    """
    import re

    import phonenumbers

    regions = code[:1] not in ("", "0") and phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code))
    metadata = regions and phonenumbers.PhoneMetadata.metadata_for_region(regions[0])
    if not metadata or metadata.leading_digits or metadata.general_desc is None:
        return None
    kinds = [_looks(desc) for kind in KINDS if (desc := getattr(metadata, kind))]
    return re.compile(
        f"(?!0|{_dialled(metadata)})(?={_looks(metadata.general_desc)}$)(?:{'|'.join(kinds)})"
    )


def _dialled(metadata: PhoneMetadata) -> str:
    return f"(?:{metadata.national_prefix_for_parsing or '0'})"


def _looks(desc: PhoneNumberDesc) -> str:
    """Return a pattern of one kind of number, its lengths included."""
    lengths = "|".join(rf"\d{{{first},{last}}}$" for first, last in _runs(desc.possible_length))
    ahead = f"(?={lengths})" if lengths else ""
    return f"{ahead}(?:{desc.national_number_pattern or '(?!)'})"


def _runs(numbers: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return the first and the last of numbers that follow each other without a gap."""
    firsts = [number for number in numbers if number - 1 not in numbers]
    lasts = [number for number in numbers if number + 1 not in numbers]
    return list(zip(sorted(firsts), sorted(lasts), strict=True))
