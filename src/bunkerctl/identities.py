"""Identities: telling their kind, and bringing each into the one form that is looked up.

Normalisation touches what is indexed, never the record. Normalising twice is once.
"""

from __future__ import annotations

from bunkerctl import uuids
from bunkerctl.errors import Invalid
from bunkerctl.jsontext import BIDI_CONTROLS, Json
from bunkerctl.lean import lru_cache
from bunkerctl.model import IDENTITY_KINDS, Identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EMAIL_MAX_BYTES = 320
PHONE_MAX_CHARS = 64
_INVISIBLE = frozenset((0x200B, 0xFEFF, *BIDI_CONTROLS))
_PHONE_PUNCTUATION = frozenset(" .-()")
_DIGITS = frozenset("0123456789")
_WRITTEN = (str, int)
_LOCAL = frozenset(".abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-")
_DOMAIN = frozenset(".abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")


def parse(text: str, region: str | None) -> Identity:
    """Read an ID argument: `KIND:VALUE`, or a bare value whose form tells its kind.

    Raises:
        Invalid: the value has not the form of its kind.
    """
    kind, colon, value = text.partition(":")
    if not colon or kind not in ("token", *IDENTITY_KINDS):
        kind, value = _kind_of(text), text
    if kind == "token":
        return Identity(kind=kind, value=parse_uuid(value, "the token"))
    return Identity(kind=kind, value=normalise(kind, value, region))


def parse_uuid(text: str, what: str) -> str:
    """Return a UUID in lower case; raise Invalid for anything but 8-4-4-4-12 hexadecimal."""
    if not uuids.is_uuid(text):
        raise Invalid(f"{what} is not a UUID")
    return text.lower()


def of_record(
    record: dict[str, Json], region: str | None, known: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the normalised identities of a record, by kind; those that are known stay.

    Raises:
        Invalid: none at all, or one of a wrong type or form.
    """
    found: dict[str, str] = {}
    for kind in IDENTITY_KINDS:
        value = record.get(kind)
        if value is None:
            continue
        if known and kind in known:
            found[kind] = known[kind]
            continue
        if not isinstance(value, _WRITTEN) or isinstance(value, bool):
            raise Invalid(f"`{kind}` must be a string, an integer or null")
        found[kind] = normalise(kind, str(value), region)
    if not found:
        raise Invalid(
            "a record needs at least one identity",
            hint=f"one of the root-level keys {', '.join(IDENTITY_KINDS)}",
        )
    return found


def normalise(kind: str, value: str, region: str | None = None) -> str:
    """Return the one form in which an identity is indexed and looked up.

    email: trimmed, NFC, lower case; phone: E.164; login and custom: trimmed, NFC.

    Raises:
        Invalid: not the form of its kind, empty, or with control characters.
    """
    if not _is_visible(value):
        raise Invalid(f"the {kind} has control characters")
    value = value.strip()
    if not value:
        raise Invalid(f"the {kind} is empty")
    if kind == "email":
        return _email(value)
    if kind == "phone":
        return _phone(value, region)
    return _composed(value)


def _is_visible(value: str) -> bool:
    if value.isascii():
        return value.isprintable()
    import unicodedata

    return all(unicodedata.category(char) != "Cc" and ord(char) not in _INVISIBLE for char in value)


def _composed(value: str) -> str:
    """Return the normal form NFC (Unicode Standard Annex #15)."""
    if value.isascii():
        return value
    import unicodedata

    return unicodedata.normalize("NFC", value)


def is_plain_address(address: str) -> bool:
    """Tell, for ASCII alone, that this is an address beyond doubt.

    True means that email-validator accepts it too (a property test proves it); False
    means no more than: ask the library.
    """
    local, at, domain = address.partition("@")
    if not at or len(address) > 200 or len(local) > 64:
        return False
    return (
        _LOCAL.issuperset(local)
        and local[:1] != "." != local[-1:]
        and local != ""
        and ".." not in local
        and _is_plain_domain(domain)
    )


@lru_cache
def _is_plain_domain(domain: str) -> bool:
    labels = domain.split(".")
    return (
        _DOMAIN.issuperset(domain)
        and len(labels) > 1
        and labels[-1].isalpha()
        and all(0 < len(label) <= 63 and _is_plain_label(label) for label in labels)
    )


def _is_plain_label(label: str) -> bool:
    return "-" not in label or (label[0] != "-" != label[-1] and label[2:4] != "--")


def _kind_of(text: str) -> str:
    if uuids.is_uuid(text):
        return "token"
    if "@" in text:
        return "email"
    if text[:1] == "+" and _looks_like_phone(text):
        return "phone"
    return "login"


def _looks_like_phone(text: str) -> bool:
    body = text.removeprefix("+")
    return bool(body) and all(c in _DIGITS or c in _PHONE_PUNCTUATION for c in body)


def _email(value: str) -> str:
    plain = value.isascii()
    size = len(value) if plain else len(value.encode("utf-8", "surrogatepass"))
    if size > EMAIL_MAX_BYTES:
        raise Invalid(f"the email is over {EMAIL_MAX_BYTES} bytes")
    # Lower-casing can leave the composed form, so it is composed again.
    normal = value.lower() if plain else _composed(_composed(value).lower())
    if not is_plain_address(normal):
        _ask_email_validator(normal)
    return normal


def _ask_email_validator(address: str) -> None:
    import email_validator

    # Internal names (john@corp.local) are addresses too; a domain still needs a dot.
    email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()
    try:
        email_validator.validate_email(address, check_deliverability=False)
    except email_validator.EmailNotValidError:
        raise Invalid("the email has not the form of an address") from None


def _phone(value: str, region: str | None) -> str:
    if _is_plain_phone()(value):
        return value
    if len(value) > PHONE_MAX_CHARS or not _looks_like_phone(value):
        raise Invalid("the phone has not the form of a number", hint="write it like +14155550123")
    if not value.startswith("+") and region is None:
        raise Invalid(
            "the phone has no country code, and no phone.region is configured",
            hint="write it like +14155550123, or `bunkerctl config set phone.region US`",
        )
    from bunkerctl import phones

    return phones.normalise(value, region)


@lru_cache
def _is_plain_phone() -> Callable[[str], bool]:
    from bunkerctl import phones  # an import for each of a million numbers takes as long as a check

    return phones.is_plain
