"""Text that a model wrote, made fit for a page: nothing hidden, nothing reversed, not too long."""

import re

MOST = 4_000  # characters of one text: more than a page of reasoning
START = 110  # characters of a prompt in a list

_CONTROL = {c: chr(0x2400 + c) for c in range(0x20) if chr(c) not in "\n\t"} | {0x7F: "\u2421"}
_C1 = {c: f"\\x{c:02x}" for c in range(0x80, 0xA0)}
# What would turn round the text after it, or hide in it: embeddings, overrides, isolates.
_TURNING = {c: f"\\u{c:04x}" for c in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF)}
# Half a surrogate pair has no bytes in UTF-8; what is written to a file must have some.
_VISIBLE = str.maketrans(_CONTROL | _C1 | _TURNING)
_SURROGATE = re.compile("[\ud800-\udfff]")


def visible(text: str) -> str:
    """Text with control characters shown as signs, and half surrogate pairs as their number."""
    plain = text.replace("\r\n", "\n").translate(_VISIBLE)
    return _SURROGATE.sub(lambda half: f"\\u{ord(half.group()):04x}", plain)


def cut(text: str, most: int = MOST) -> tuple[str, int]:
    """The start of a text, fit for a page, and how many characters are not shown.

    Args:
        text: Anything that a model can write.
        most: Characters to keep.
    """
    return visible(text[:most]), max(len(text) - most, 0)


def start(text: str) -> str:
    """The first words of a text in one line."""
    line = " ".join(text[: 8 * START].split())
    return visible(line if len(line) <= START else line[:START].rstrip() + " …")
