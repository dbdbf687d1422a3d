"""From rows in the formats of TRL to examples."""

from collections.abc import Mapping
from typing import Any

from limbeck.data.columns import LEADS, Layout
from limbeck.data.examples import Example, Kind, Message
from limbeck.data.files import Row, Rows
from limbeck.errors import RequestError


def examples_of(rows: Rows, columns: Mapping[Any, str], name: str) -> tuple[list[Example], Kind]:
    """Every row as an example.

    Rows have ``prompt`` and perhaps ``completion``, both text or both lists of messages; or
    ``messages``, of which the last one of the assistant is the completion; or ``text``.

    Args:
        rows: Places and rows.
        columns: The recipe's ``columns``.
        name: The data's name, for messages.

    Raises:
        RequestError: There are no rows; a row has no prompt, a value of the wrong type, or
            another format than the first one; no row has a column that is asked for.
    """
    examples: list[Example] = []
    layout: Layout | None = None
    seen: dict[str, None] = {}  # a dict, to name the columns in their order
    for where, row in rows:
        layout = layout or Layout.of(columns, row, where)
        seen.update(dict.fromkeys(row))
        example = _example(layout, row, where)
        if examples and isinstance(example.prompt, str) != isinstance(examples[0].prompt, str):
            raise _mixed("one prompt is text and another a list of messages", where)
        examples.append(example)
    if layout is None:
        raise RequestError("the data has no rows", where=name)
    layout.require_all(seen, name)
    return examples, "text" if layout.lead == "text" else "pairs"


def _example(layout: Layout, row: Row, where: str) -> Example:
    value = layout.read(row, where)
    lead = value[layout.lead]
    if not lead or (isinstance(lead, str) and not lead.strip()):
        others = [name for name in LEADS if name != layout.lead and row.get(name)]
        if others:
            raise _mixed(f"the first row has {layout.lead} and this one {others[0]}", where)
        raise RequestError(
            f"the row has no {layout.lead}", where=where, mend="fill it in or remove the row"
        )
    if layout.lead == "text":
        return Example("", _text(lead, "text", where))
    answer = _answer(value.get("answer"), where)
    if layout.lead == "messages":
        return Example(*_conversation(lead, where), answer)
    return Example(*_pair(lead, value.get("completion"), where), answer)


def _conversation(value: Any, where: str) -> tuple[tuple[Message, ...], str | None]:
    turns = _messages(value, "messages", where)
    if turns[-1].role != "assistant":
        return _open_ended(turns, where), None
    if len(turns) == 1:
        raise RequestError("nothing stands before the assistant's message", where=where)
    return turns[:-1], turns[-1].content


def _pair(prompt: Any, completion: Any, where: str) -> tuple[str | tuple[Message, ...], str | None]:
    if isinstance(prompt, str):
        if isinstance(completion, list):
            raise _mixed("the prompt is text and the completion a list of messages", where)
        reply = None if completion is None else _text(completion, "completion", where)
        return _text(prompt, "prompt", where), reply
    turns = _open_ended(_messages(prompt, "prompt", where), where)
    if completion is None:
        return turns, None
    if isinstance(completion, str):
        raise _mixed("the prompt is a list of messages and the completion is text", where)
    replies = _messages(completion, "completion", where)
    if [message.role for message in replies] != ["assistant"]:
        raise RequestError(
            "a completion is one message of the assistant",
            where=where,
            mend="put earlier turns into the prompt, or use a column messages",
        )
    return turns, replies[0].content


def _open_ended(turns: tuple[Message, ...], where: str) -> tuple[Message, ...]:
    if turns[-1].role in ("assistant", "system"):
        raise RequestError(
            f"a prompt ends with a turn that asks for an answer, not with {turns[-1].role}",
            where=where,
        )
    return turns


def _messages(value: Any, name: str, where: str) -> tuple[Message, ...]:
    if not isinstance(value, list) or not value:
        expected = "a list of messages" if name == "messages" else "text or a list of messages"
        raise RequestError(
            f"{name} is {type(value).__name__}, not {expected}",
            where=where,
            mend="change the row, or name another column under data.columns",
        )
    turns = []
    for i, turn in enumerate(value):
        place = f"{name}[{i}]"
        if not isinstance(turn, dict) or not isinstance(turn.get("role"), str):
            raise RequestError(
                f"{place} is not a message",
                where=where,
                mend='a message is {"role": "user", "content": "..."}',
            )
        if turn.get("tool_calls"):
            raise RequestError(
                f"{place} calls tools, which cannot be trained on",
                where=where,
                mend="remove the row, or write the call into the message's content",
            )
        turns.append(Message(turn["role"], _text(turn.get("content"), f"{place}.content", where)))
    return tuple(turns)


def _answer(value: Any, where: str) -> str | None:
    if value is None or isinstance(value, int | float):
        return None if value is None else str(value)
    return _text(value, "answer", where)


def _text(value: Any, name: str, where: str) -> str:
    if not isinstance(value, str):
        raise RequestError(
            f"{name} is {type(value).__name__}, not text",
            where=where,
            mend="change the row, or name another column under data.columns",
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise RequestError(
            f"{name} has half a surrogate pair at character {error.start}",
            where=where,
            mend="remove it: no tokenizer can read it",
        ) from error
    return value


def _mixed(what: str, where: str) -> RequestError:
    return RequestError(f"mixed formats: {what}", where=where, mend="use one format for all rows")
