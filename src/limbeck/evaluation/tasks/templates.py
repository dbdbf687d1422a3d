"""Prompt templates: text with fields in braces."""

import string
from collections.abc import Mapping

from limbeck.data.wording import did_you_mean
from limbeck.errors import RequestError


def fields_of(template: str, where: str) -> list[str]:
    """Names that a template reads.

    Raises:
        RequestError: A brace does not close.
    """
    try:
        return [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise RequestError(
            f"not a template: {template!r}: {error}",
            where=where,
            mend="write a brace that is meant as a brace twice",
        ) from None


def fill(template: str, values: Mapping[str, str], where: str) -> str:
    """The template with its fields filled in.

    Raises:
        RequestError: It reads a field that is not there.
    """
    for name in fields_of(template, where):
        if name not in values:
            raise RequestError(
                f"the prompt reads {name!r}, which is not there",
                where=where,
                mend=did_you_mean(name, values),
            )
    # Not str.format, which would let a template reach into attributes of the values.
    return "".join(
        literal + (values[name] if name is not None else "")
        for literal, name, _, _ in string.Formatter().parse(template)
    )
