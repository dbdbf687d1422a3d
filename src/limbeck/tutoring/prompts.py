"""What a tutoring teacher is told: Jinja templates that a user can copy and change."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from limbeck.data import Message
from limbeck.data.wording import did_you_mean
from limbeck.errors import RequestError
from limbeck.tutoring.record import Attempt, Entry, Lesson, Record
from limbeck.tutoring.tags import ASKED, TAGS

BUILT_IN = ("commonsense", "maths")

FINISH: dict[str, str] = {
    "after_marker": "The last line is `#### ` and the final answer, with nothing else on it.",
    "boxed": "The last line is `Final answer: \\boxed{...}` with the final answer in the braces.",
    "choice": "The last line is `Final answer: (X)`, where X is the letter of the right option.",
    "exact": "Write the final answer alone: no steps, no other word.",
    "last_number": "The last line is `Final answer: ` and the number; no other number follows it.",
    "task": "End with `#` and the final answer right behind it; nothing follows.",
    "yes_no": "The last line is `Final answer: yes` or `Final answer: no`.",
}
"""How a solution has to end so that the verifier of that name can read its answer."""

# Which variables the templates of a prompt may use, and which they cannot do without.
_VARIABLES: dict[str, tuple[str, ...]] = {
    "solve": ("question", "finish"),
    "refine": ("question", "finish", "previous", "record", "attempt", "tags"),
    "tag": ("question", "answer", "attempt", "tags"),
}
_NEEDED: dict[str, tuple[str, ...]] = {
    "solve": ("question",),
    "refine": ("question", "record"),
    "tag": ("question", "attempt"),
}
_FILES = tuple(f"{prompt}.{role}.j2" for prompt in _VARIABLES for role in ("system", "user"))
_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
)


@dataclass(frozen=True)
class Prompts:
    """The three prompts of a tutoring teacher.

    Attributes:
        name: Of the built-in set, or the folder.
        templates: Text of each template by the name of its file, ``solve.system.j2`` and so on.
    """

    name: str
    templates: Mapping[str, str]

    @staticmethod
    def named(name_or_folder: str) -> "Prompts":
        """The built-in set of that name, or the templates in a folder.

        Raises:
            RequestError: There is no such set, a file is missing or no template, or a template
                uses what it cannot have, or not what it needs.
        """
        place = Path(name_or_folder).expanduser()
        if name_or_folder in BUILT_IN:
            place = folder(name_or_folder)
        elif not place.is_dir():
            raise RequestError(
                f"no prompts are called {name_or_folder!r}, and it is no folder",
                where="prompts",
                mend=did_you_mean(name_or_folder, BUILT_IN),
            )
        prompts = Prompts(name_or_folder, _read(place))
        for prompt in _VARIABLES:
            _check(prompts, prompt, place)
        return prompts

    def solve(self, question: str, finish: str) -> tuple[Message, ...]:
        """Ask for a first worked solution.

        Args:
            question: The problem.
            finish: How the solution has to end; see `FINISH`.
        """
        return self._written("solve", question=question, finish=finish)

    def refine(
        self, question: str, finish: str, previous: str, record: Record, attempt: Attempt | None
    ) -> tuple[Message, ...]:
        """Ask for a solution that suits one learner.

        Args:
            question: The problem.
            finish: How the solution has to end; see `FINISH`.
            previous: The teacher's earlier solution; empty where it had none.
            record: The learner's attempts at other problems; without any, the prompt speaks of
                no learner.
            attempt: The learner's attempt at this problem, where it is to be shown.
        """
        return self._written(
            "refine",
            question=question,
            finish=finish,
            previous=previous,
            record=record,
            attempt=attempt,
            tags=TAGS,
        )

    def tag(self, question: str, answer: str, attempt_text: str) -> tuple[Message, ...]:
        """Ask in one word what went wrong in an attempt; `read_tag` reads the reply."""
        tags = {name: TAGS[name] for name in ASKED}
        return self._written(
            "tag", question=question, answer=answer, attempt=attempt_text, tags=tags
        )

    @property
    def shows_attempt(self) -> bool:
        """Whether the refine prompt shows the learner's attempt at the problem itself."""
        files = (self.templates[f"refine.{role}.j2"] for role in ("system", "user"))
        return any("attempt" in find_undeclared_variables(_ENVIRONMENT.parse(f)) for f in files)

    @property
    def digest(self) -> str:
        """Sixteen hex digits that depend on every character of the templates."""
        text = "\x1e".join(f"{name}\x1f{self.templates[name]}" for name in _FILES)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def _written(self, prompt: str, **values: Any) -> tuple[Message, ...]:
        written = (
            Message(role, _template(self.templates[f"{prompt}.{role}.j2"]).render(values).strip())
            for role in ("system", "user")
        )
        # A model that knows no system turn is served by an empty system template.
        return tuple(m for m in written if m.content or m.role == "user")


def folder(name: str) -> Path:
    """Where a built-in set of templates lies."""
    return Path(__file__).parent / f"prompts_{name}"


def show(name: str) -> str:
    """The six templates of a set or folder as one text, each headed by a comment with its name.

    Raises:
        RequestError: See `Prompts.named`.
    """
    templates = Prompts.named(name).templates
    shown = []
    for file in _FILES:
        variables = ", ".join(_VARIABLES[file.partition(".")[0]])
        shown.append(f"{{# {file}: may use {variables} #}}\n{templates[file].rstrip()}\n")
    return "\n".join(shown)


def _read(place: Path) -> dict[str, str]:
    missing = [name for name in _FILES if not (place / name).is_file()]
    if missing:
        raise RequestError(
            f"the folder of prompts lacks {', '.join(missing)}",
            where=str(place),
            mend="limbeck refine --show-prompts prints the built-in ones to begin with",
        )
    try:
        return {name: (place / name).read_text(encoding="utf-8") for name in _FILES}
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(
            f"the prompts cannot be read: {error}",
            where=str(place),
            mend="templates are text files in UTF-8",
        ) from error


def _check(prompts: Prompts, prompt: str, place: Path) -> None:
    """Refuse templates that do not compile, name unknown variables, or forget the problem."""
    used: set[str] = set()
    for role in ("system", "user"):
        file = place / f"{prompt}.{role}.j2"
        try:
            found = find_undeclared_variables(_ENVIRONMENT.parse(prompts.templates[file.name]))
        except TemplateSyntaxError as error:
            raise RequestError(
                f"a prompt is no Jinja template: {error.message}",
                where=f"{file}:{error.lineno}",
                mend="write {% raw %}...{% endraw %} around braces that are meant as such",
            ) from error
        used |= found - set(_ENVIRONMENT.globals)
        for name in sorted(used - set(_VARIABLES[prompt])):
            raise RequestError(
                f"a prompt uses {name!r}, which there is not",
                where=str(file),
                mend=did_you_mean(name, _VARIABLES[prompt]),
            )
    for name in _NEEDED[prompt]:
        if name not in used:
            raise RequestError(
                f"the {prompt} prompt never shows {{{{ {name} }}}}: the teacher would not see it",
                where=str(place / f"{prompt}.user.j2"),
                mend=f"use {name} in {prompt}.user.j2",
            )
    _try(prompts, prompt, place)


def _try(prompts: Prompts, prompt: str, place: Path) -> None:
    """Render a sample, which finds attributes that there are not."""
    attempt = Attempt("an attempt", correct=False, tag="arithmetic")
    record = (Entry("a problem", (Lesson(0, "a solution", attempt),)),)
    try:
        if prompt == "solve":
            prompts.solve("a problem", "an end")
        elif prompt == "refine":
            for known, own in ((record, attempt), ((), None)):
                prompts.refine("a problem", "an end", "a solution", known, own)
        else:
            prompts.tag("a problem", "an answer", "an attempt")
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise RequestError(
            f"the {prompt} prompt cannot be written: {error}",
            where=str(place),
            mend="compare with the built-in ones: limbeck refine --show-prompts",
        ) from error


@lru_cache(maxsize=64)
def _template(text: str) -> Template:
    return _ENVIRONMENT.from_string(text)
