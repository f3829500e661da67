"""Recovery codes: what a person may do to one, and which slips are found."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunkerctl import errors
from bunkerctl.keys import code

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PYTHON_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
PRIME = 2**20 - 3
SPARE_BITS = 4  # a secret of 140 bits in 18 bytes
BLANKS = ["", "-", " ", "\t", "\n", "\r\n", "--", " - "]


# The same check in another way. A group of four letters is a digit of base 2**20, and 2**20 is 3
# modulo the prime: the groups, weighted with powers of 3, add up to nothing.


def check_holds(text: str) -> bool:
    digits = text.replace("-", "").translate(str.maketrans(ALPHABET, PYTHON_DIGITS))
    groups = [int(digits[at : at + 4], 32) for at in range(0, 32, 4)]
    weighted = sum(group * 3**place for place, group in enumerate(reversed(groups)))
    return not weighted % PRIME


def written(secret: int) -> str:
    """Return the code of a secret, as it must be."""
    number, letters = secret * 2**20 + -3 * secret % PRIME, ""
    for _ in range(32):
        number, digit = divmod(number, 32)
        letters = ALPHABET[digit] + letters
    return grouped(letters)


def grouped(letters: str) -> str:
    return "-".join(letters[at : at + 4] for at in range(0, len(letters), 4))


secrets = st.integers(0, 2**140 - 1)
codes = secrets.map(written)


def check_refused(text: str, *words: str) -> None:
    """Check that a text is refused as input, and not repeated."""
    with pytest.raises(errors.Invalid) as caught:
        code.secret(text)
    assert caught.value.exit_code == 2
    assert all(word in caught.value.message for word in words), (text, caught.value.message)
    said = f"{caught.value.message} {caught.value.hint}"
    assert len(text) < 4 or text not in said


# What a code is.


def test_the_modulus_is_the_largest_prime_below_two_to_the_twentieth() -> None:
    def is_prime(number: int) -> bool:
        return all(number % divisor for divisor in range(2, int(number**0.5) + 1))

    assert code.PRIME == PRIME < 2**20
    assert is_prime(PRIME)
    assert not any(is_prime(number) for number in range(PRIME + 1, 2**20))


def test_the_alphabet_has_no_letters_that_look_alike_and_no_u() -> None:
    assert code.ALPHABET == ALPHABET
    assert len(set(ALPHABET)) == 32
    assert not set("OILU") & set(ALPHABET)


def test_a_new_code_is_eight_groups_of_four_and_passes_both_checks() -> None:
    for _ in range(500):
        new = code.new()
        assert [len(group) for group in new.split("-")] == [4] * 8
        assert set(new) <= {*ALPHABET, "-"}
        assert check_holds(new)
        assert written(int.from_bytes(code.secret(new), "big")) == new


def test_new_codes_are_unlike_each_other() -> None:
    """Every letter comes at every place, and none half as often as it should or worse."""
    new = [code.new().replace("-", "") for _ in range(8000)]
    assert len({text[:14] for text in new}) == len(new)
    for place in range(32):
        found = [text[place] for text in new]
        assert min(map(found.count, ALPHABET)) > 8000 / 32 / 2, place


@given(secrets)
def test_a_secret_comes_back_as_it_was_written(secret: int) -> None:
    raw = code.secret(written(secret))
    assert len(raw) == 18 and raw[0] < 1 << 8 - SPARE_BITS
    assert int.from_bytes(raw, "big") == secret


@pytest.mark.parametrize("secret", [0, 1, 2**140 - 1, 2**139, PRIME])
def test_a_secret_at_the_edge_comes_back(secret: int) -> None:
    assert int.from_bytes(code.secret(written(secret)), "big") == secret


# What does not matter.


@given(codes, st.data())
def test_case_dashes_and_blanks_do_not_matter(text: str, data: st.DataObject) -> None:
    typed = "".join(
        data.draw(st.sampled_from(BLANKS)) + data.draw(st.sampled_from([letter, letter.lower()]))
        for letter in text.replace("-", "")
    ) + data.draw(st.sampled_from(BLANKS))
    assert code.secret(typed) == code.secret(text)


@given(codes, st.data())
def test_letters_that_look_like_digits_are_read_as_those(text: str, data: st.DataObject) -> None:
    looks = {"0": "0Oo", "1": "1IiLl"}
    typed = "".join(data.draw(st.sampled_from(looks.get(letter, letter))) for letter in text)
    assert code.secret(typed) == code.secret(text)


def test_a_code_full_of_noughts_and_ones_may_be_typed_as_letters() -> None:
    secret = int("1" * 28, 32)
    text = written(secret)
    for one in "IiLl":
        assert code.secret(text.replace("1", one)) == code.secret(text)
    assert code.secret(written(0).replace("0", "o")) == bytes(18)


@pytest.mark.parametrize("form", [str, str.lower, lambda text: text.replace("-", " ")])
def test_the_letters_that_count_are_those_of_the_alphabet(form: object) -> None:
    assert callable(form)
    text = code.new()
    assert code.plain(form(text)) == text.replace("-", "")


# Slips. The claim holds for every code, so few are tried and each in every way.


@given(codes)
def test_every_wrong_letter_is_found_wherever_it_is(text: str) -> None:
    letters = text.replace("-", "")
    for place, right in enumerate(letters):
        for wrong in ALPHABET.replace(right, ""):
            slip = grouped(letters[:place] + wrong + letters[place + 1 :])
            assert not check_holds(slip)
            check_refused(slip, "slip")


@given(codes)
def test_every_swap_of_neighbours_is_found_across_dashes_and_among_the_check(text: str) -> None:
    letters = text.replace("-", "")
    for place, (left, right) in enumerate(pairwise(letters)):
        swapped = grouped(letters[:place] + right + left + letters[place + 2 :])
        if left == right:
            assert swapped == text
            continue
        assert not check_holds(swapped)
        check_refused(swapped, "slip")


@given(st.lists(st.sampled_from(ALPHABET), min_size=32, max_size=32).map("".join))
def test_both_checks_agree_on_what_is_a_code(letters: str) -> None:
    """A million random texts have about one among them, and hypothesis finds the noughts."""
    if check_holds(letters):
        assert written(int.from_bytes(code.secret(letters), "big")) == grouped(letters)
    else:
        check_refused(letters, "slip")


@given(codes, st.data())
def test_two_groups_that_are_swapped_are_found(text: str, data: st.DataObject) -> None:
    """3**a - 3**b is no multiple of the prime."""
    groups = text.split("-")
    one, other = data.draw(st.lists(st.integers(0, 7), min_size=2, max_size=2, unique=True))
    groups[one], groups[other] = groups[other], groups[one]
    swapped = "-".join(groups)
    if swapped != text:
        check_refused(swapped, "slip")


# What is no code at all.


@pytest.mark.parametrize("letter", [*"Uu!?.,;:_'\"/\\+=*@#$%&()[]{}<>|~^`", "\0", "\x1b", "\x7f"])
def test_a_letter_of_no_code_is_refused_at_every_place(letter: str) -> None:
    text = code.new()
    for place in range(len(text)):
        if text[place] != "-":
            check_refused(text[:place] + letter + text[place + 1 :], "not a recovery code")
    check_refused(text + letter, "not a recovery code")


LOOKALIKES = [
    *(chr(ord(letter) - 0x21 + 0xFF01) for letter in ALPHABET),  # fullwidth
    *(unicodedata.lookup(f"ARABIC-INDIC DIGIT {name}") for name in ("ZERO", "ONE", "FIVE")),
    *(unicodedata.lookup(f"MATHEMATICAL BOLD CAPITAL {letter}") for letter in "ABXZ"),
    *(unicodedata.lookup(f"CYRILLIC CAPITAL LETTER {name}") for name in ("A", "ES", "HA")),
    *("\N{LATIN SMALL LETTER SHARP S}", "\N{LATIN CAPITAL LETTER SHARP S}"),
    *("\N{LATIN SMALL LIGATURE FI}", "\N{LATIN SMALL LIGATURE FF}", "\N{KELVIN SIGN}"),
    *("\N{LATIN SMALL LETTER LONG S}", "\N{LATIN SMALL LETTER DOTLESS I}"),
    *("\N{SUPERSCRIPT ONE}", "\N{CIRCLED DIGIT ONE}", "\N{ROMAN NUMERAL ONE}"),
    *("\N{EN DASH}", "\N{EM DASH}", "\N{NON-BREAKING HYPHEN}", "\N{SOFT HYPHEN}"),
    *("\N{NO-BREAK SPACE}", "\N{ZERO WIDTH SPACE}", "\N{ZERO WIDTH NO-BREAK SPACE}"),
    *("\N{COMBINING ACUTE ACCENT}", "\N{RIGHT-TO-LEFT OVERRIDE}", "\N{REPLACEMENT CHARACTER}"),
]


@pytest.mark.parametrize("letter", LOOKALIKES, ids=[f"{ord(one):x}" for one in LOOKALIKES])
def test_what_only_looks_like_a_letter_or_a_dash_is_refused(letter: str) -> None:
    """In place of a letter, of two (a ligature is two capitals) and beside all of them."""
    text = code.new()
    letters = text.replace("-", "")
    for typed in (
        letter + letters[1:],
        letter + letters[2:],
        letters[:-1] + letter,
        letters[:-2] + letter,
        letter + text,
        text + letter,
        text.replace("-", letter),
        text.lower().replace("-", letter),
    ):
        check_refused(typed, "not a recovery code")


@given(codes, st.data())
def test_a_code_that_is_too_short_or_too_long_is_refused(text: str, data: st.DataObject) -> None:
    letters = text.replace("-", "")
    end = data.draw(st.integers(0, 31))
    more = data.draw(st.text(ALPHABET, min_size=1, max_size=40))
    for typed in (letters[:end], letters[end + 1 :], letters + more, more + letters, text + text):
        if len(typed.replace("-", "")) != 32:
            check_refused(typed, "not a recovery code")


@pytest.mark.parametrize("text", ["", "-", " ", "\n", "-" * 32, " " * 32, "0" * 31, "0" * 33])
def test_nothing_or_nearly_nothing_is_no_code(text: str) -> None:
    check_refused(text, "not a recovery code")


@given(st.text(max_size=50))
def test_any_text_is_refused_and_breaks_nothing(text: str) -> None:
    letters = text.upper().replace("O", "0")
    if sorted(set(letters)) != ["0"] or len(letters) != 32:  # noughts are a code
        check_refused(text)
