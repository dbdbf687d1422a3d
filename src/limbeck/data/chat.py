"""Conversations as text: the chat template, split where the completion begins."""

from typing import Any

from limbeck.data.examples import Example, Message
from limbeck.errors import RequestError


def render(
    example: Example, tokenizer: Any, system: str | None, where: str
) -> tuple[str, str | None]:
    """The prompt as the template writes it, and what it writes after it.

    Args:
        example: A text prompt is taken as one user turn.
        tokenizer: With a chat template.
        system: A system message to put before a conversation that brings none.
        where: The example's place, for messages.

    Returns:
        Rendered prompt with the generation prompt, and the rest of the rendered conversation;
        None for the rest where the example has no completion.

    Raises:
        RequestError: The template refuses the conversation, or does not write a conversation as
            its prompt and then more.
    """
    messages = [{"role": m.role, "content": m.content} for m in turns(example, system)]
    prompt = _apply(tokenizer, messages, where, open_ended=True)
    if example.completion is None:
        return prompt, None
    reply = {"role": "assistant", "content": example.completion}
    whole = _apply(tokenizer, [*messages, reply], where, open_ended=False)
    if not whole.startswith(prompt):
        pairs = enumerate(zip(prompt, whole, strict=False))
        same = next((i for i, (a, b) in pairs if a != b), len(whole))
        raise RequestError(
            "the chat template writes the prompt differently once it is answered: "
            f"{prompt[same : same + 40]!r} becomes {whole[same : same + 40]!r}",
            where=where,
            mend="give the tokenizer a template that only ever appends, or set chat: false and "
            "text prompts",
        )
    return prompt, whole[len(prompt) :]


def turns(example: Example, system: str | None) -> tuple[Message, ...]:
    """A prompt as a conversation; see `render`."""
    prompt = example.prompt
    messages = (Message("user", prompt),) if isinstance(prompt, str) else prompt
    if system is not None and messages[0].role != "system":
        return (Message("system", system), *messages)
    return messages


def require_template(tokenizer: Any) -> None:
    """Refuse a tokenizer that cannot write conversations.

    Raises:
        RequestError: The tokenizer has no chat template.
    """
    if not getattr(tokenizer, "chat_template", None):
        raise RequestError(
            "the tokenizer has no chat template",
            where=getattr(tokenizer, "name_or_path", "") or type(tokenizer).__name__,
            mend="set chat: false and use text prompts, or give a tokenizer with a chat template "
            "(the model's -Instruct or -Chat variant often has one)",
        )


def _apply(tokenizer: Any, messages: list[dict[str, str]], where: str, *, open_ended: bool) -> str:
    from jinja2.exceptions import TemplateError

    try:
        return tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=open_ended
        )
    except TemplateError as error:
        raise RequestError(
            f"the chat template refuses the conversation: {error}",
            where=where,
            mend=f"its turns are {', '.join(m['role'] for m in messages)}; change those, or the "
            "template",
        ) from error
