"""The templates of pages and cards: strict about names, and escaping where there is HTML."""

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def environment(html: bool) -> Environment:
    """Where templates of this package are found.

    Args:
        html: Whether they write HTML: values are escaped, and a filter ``drawing`` puts a picture in.
    """
    found = Environment(
        loader=PackageLoader("limbeck.reports", ""),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=not html,
    )
    if html:  # drawings are ours, and their texts were escaped when they were written
        found.filters["drawing"] = lambda picture: Markup(picture.svg)
    return found
