"""Numbers as people write them."""

import re
from decimal import Decimal

# A sign counts only where nothing stands before it that it could subtract from.
_NUMBER = re.compile(
    r"(?:(?<![\w)])-)?\$?"
    r"(?:(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)"
)
_PLAIN = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")


def last_number_in(text: str) -> Decimal | None:
    """The last number of a text; None where there is none."""
    found = _NUMBER.findall(text.replace("\N{MINUS SIGN}", "-"))
    return as_number(found[-1]) if found else None


def as_number(text: str) -> Decimal | None:
    """The text as one number; ``$``, ``%``, commas, white space and a full stop do not count."""
    bare = re.sub(r"[$,%\s]", "", text.replace("\N{MINUS SIGN}", "-")).removesuffix(".")
    return Decimal(bare) if _PLAIN.fullmatch(bare) else None
