"""From the key ``method`` to a method."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from limbeck.errors import RequestError
from limbeck.methods import METHODS, Method
from limbeck.recipe.wording import explain, nearest


def build_method(section: Mapping[str, Any]) -> Method:
    """Turn ``{name: gkd, beta: 0.1}`` into ``GKD(beta=0.1)``.

    Raises:
        RequestError: No such method, an option it does not have, or a value out of range.
    """
    options = dict(section)
    name = options.pop("name", None)
    if not isinstance(name, str) or name not in METHODS:
        raise RequestError(
            f"there is no method {name!r}", where="method", mend=nearest(str(name), METHODS)
        )
    cls = METHODS[name]
    fields = [f.name for f in dataclasses.fields(cls)]
    for key in options:
        if key not in fields:
            others = [
                n for n, c in METHODS.items() if key in {f.name for f in dataclasses.fields(c)}
            ]
            hint = f"; {', '.join(others)} would use it" if others else ""
            raise RequestError(
                f"the method {name} has no option {key!r}{hint}",
                where=f"method.{key}",
                mend=nearest(key, fields) if fields else f"{name} has no options: leave it out",
            )
    try:
        return TypeAdapter(cls).validate_python(options)
    except ValidationError as error:
        raise explain(error, "method", prefix="method") from None
