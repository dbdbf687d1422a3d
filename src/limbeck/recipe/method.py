"""From the key ``method`` to a method."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from limbeck.errors import RequestError
from limbeck.methods import METHODS, Method
from limbeck.recipe.wording import explain, nearest
from limbeck.schedules import SCHEDULES, Schedule, keys


def build_method(section: Mapping[str, Any]) -> Method:
    """Turn ``{name: gkd, beta: 0.1}`` into ``GKD(beta=0.1)``.

    A number may also be a schedule, ``beta: {schedule: linear, from: 0.5, to: 0.75}``; the key
    ``schedule`` takes several at once, ``schedule: {beta: {schedule: linear, ...}}``.

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
    several = _several(options.pop("schedule", None))
    for key in several:
        if key in options:
            raise RequestError(
                f"{key} is given twice", where=f"method.{key}", mend="leave out one of the two"
            )
    options |= several
    fields = {f.name: f for f in dataclasses.fields(cls)}
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
        if options[key] in (*SCHEDULES,):
            raise RequestError(
                f"{key} names the schedule {options[key]}, and does not say from where to where",
                where=f"method.{key}",
                mend=f"write {key}: {{schedule: {options[key]}, from: ..., to: ...}}",
            )
    moving = {
        key: _schedule(cls, fields[key], value)
        for key, value in options.items()
        if isinstance(value, Mapping)
    }
    # First with the value that each schedule begins with: options may need one another.
    begun = {
        key: round(s.start) if fields[key].type is int else s.start for key, s in moving.items()
    }
    try:
        method: Method = TypeAdapter(cls).validate_python({**options, **begun})
    except ValidationError as error:
        raise explain(error, "method", prefix="method") from None
    if not moving:
        return method
    try:
        return dataclasses.replace(method, **moving)
    except ValueError as error:
        raise RequestError(
            str(error), where="method", mend="correct from: and to: of that schedule"
        ) from None


def _several(section: Any) -> dict[str, Any]:
    if section is None:
        return {}
    if isinstance(section, Mapping) and all(isinstance(v, Mapping) for v in section.values()):
        return dict(section)
    raise RequestError(
        "schedule maps options to schedules",
        where="method.schedule",
        mend="for example schedule: {beta: {schedule: linear, from: 0.5, to: 0.75}}",
    )


def _schedule(cls: type[Method], field: "dataclasses.Field[Any]", section: Any) -> Schedule:
    """``{schedule: linear, from: 0.5, to: 0.75}`` as the value of a field."""
    where = f"method.{field.name}"
    options = dict(section)
    name = options.pop("schedule", None)
    if field.type not in (float, int, float | None) or field.name in cls.settled:
        raise RequestError(
            f"{field.name} cannot change while training goes on", where=where, mend="give one value"
        )
    if name is None:
        raise RequestError(
            f"{field.name} is a mapping, and does not say which schedule",
            where=where,
            mend=f"add schedule: one of {', '.join(SCHEDULES)}",
        )
    if name not in SCHEDULES:
        raise RequestError(
            f"there is no schedule {name!r}",
            where=f"{where}.schedule",
            mend=nearest(str(name), SCHEDULES),
        )
    known = keys(SCHEDULES[name])
    for key in options:
        if key not in known:
            raise RequestError(
                f"the schedule {name} has no setting {key!r}",
                where=f"{where}.{key}",
                mend=nearest(key, known),
            )
    for key in ("from", "to"):
        if key not in options:
            raise RequestError(
                f"the schedule {name} needs {key}:", where=where, mend="give from: and to:"
            )
    settings = {known[key]: value for key, value in options.items()}
    try:
        return TypeAdapter(SCHEDULES[name]).validate_python(settings)
    except ValidationError as error:
        found = explain(error, where, prefix=where)
        for word, own in known.items():
            found.what = found.what.replace(f"{where}.{own}:", f"{where}.{word}:")
        raise found from None
