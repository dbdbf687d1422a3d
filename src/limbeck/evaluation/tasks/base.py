"""What a task is: rows in, items to put to a model, and a score for what the model made of each."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from limbeck.analysis import Estimate
from limbeck.data import Message
from limbeck.errors import RequestError
from limbeck.evaluation.tasks.choosing import LETTERS, NORMALISATIONS, choose
from limbeck.evaluation.tasks.figures import of_items
from limbeck.evaluation.tasks.items import Item, Question, Scored
from limbeck.evaluation.tasks.labels import Corpus
from limbeck.evaluation.tasks.programs import Programs
from limbeck.evaluation.tasks.shots import choose_shots, smallest
from limbeck.evaluation.tasks.sources import Hub, load_rows, rename
from limbeck.evaluation.tasks.templates import fill

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """One way to read an answer and to grade it.

    Attributes:
        name: Under which its mean is reported.
        extract: The completion's answer; None where it gives none, which counts as wrong.
        grade: ``(answer, gold)`` to a number, at least 1 where it is right.
    """

    name: str
    extract: Callable[[str], Any | None]
    grade: Callable[[Any, Any], float]


@dataclass(frozen=True)
class Task:
    """How rows become prompts, and outputs scores.

    Attributes:
        name: As it is reported.
        read: A row as a `Question`.
        prompt: Template of a text to continue, with the question's fields in braces.
        kind: ``generate`` reads an answer out of a completion; ``choices`` takes the likeliest of
            given continuations; ``open`` has no gold: only a judge can say what an output is worth;
            ``code`` runs what the model writes, see `limbeck.evaluation.tasks.code`.
        rules: Of ``generate``: the first decides what is right and what is invalid.
        programs: Of ``code``: how programs are read and run.
        normalise: Of ``choices``: what the log-probability of a choice is divided by.
        chat: Template of the user's turn for models that converse; None is the text's.
        system: A system message to put before; None is none.
        corpus: What is computed over gold labels and answers of all items, by name.
        labels: The labels in their order, where items have a fixed set of them.
        hub: Where the hub has the rows; None where they come from a file only.
        columns: From names that `read` knows to the data's columns, where they differ.
        stop: Texts that end an answer; what a model writes from there on does not count.
        max_new_tokens: Room for an answer.
        shots: Worked examples before each question; see `with_shots`.
        most: At most so many items, chosen by the hash of what they ask with seed 0; None is all.
    """

    name: str
    read: Callable[[Row], Question]
    prompt: str
    kind: Literal["generate", "choices", "open", "code"] = "generate"
    rules: tuple[Rule, ...] = ()
    programs: Programs | None = None
    normalise: str = "none"
    chat: str | None = None
    system: str | None = None
    corpus: Mapping[str, Corpus] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    hub: Hub | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    stop: tuple[str, ...] = ()
    max_new_tokens: int = 512
    shots: tuple[Question, ...] = ()
    most: int | None = None

    def __post_init__(self) -> None:
        if self.kind == "generate" and not self.rules:
            raise ValueError(f"{self.name}: a task that generates needs a rule to read answers by")
        if self.kind != "generate" and self.rules:
            raise ValueError(f"{self.name}: only a task that generates is read by rules")
        if (self.kind == "code") is (self.programs is None):
            raise ValueError(
                f"{self.name}: a task of code says how programs run, and no other does"
            )
        if self.normalise not in NORMALISATIONS:
            raise ValueError(f"{self.name}: normalise is one of {', '.join(NORMALISATIONS)}")

    @property
    def main(self) -> str:
        """The name of the figure that the task is known by."""
        if self.kind == "open":
            return "mean_length"
        if self.kind == "code":
            return "pass@1"
        return self.rules[0].name if self.rules else f"by_{self.normalise}"

    def load(self, source: str | Path | None = None, split: str | None = None) -> list[Row]:
        """Rows of a local file or folder, or of the hub where nothing is named.

        Args:
            source: The file or folder.
            split: Of the hub, such as ``train`` for worked examples; None is the one to evaluate.

        Raises:
            RequestError: They cannot be read, or the hub has none.
        """
        return load_rows(self.name, source, self.hub, split)

    def items(self, rows: Iterable[Row]) -> list[Item]:
        """The rows as items, in order.

        Raises:
            RequestError: A row is not one of this task, or asks what a worked example shows.
        """
        shown = {shot.key for shot in self.shots}
        items: list[Item] = []
        seen: dict[str, int] = {}
        places = [(f"{self.name}, row {n}", row) for n, row in enumerate(rows, 1)]
        for where, question in self._chosen([(w, self._read(row, w)) for w, row in places]):
            if question.key in shown:
                raise RequestError(
                    "the question is also a worked example of the prompt",
                    where=where,
                    mend="take worked examples from rows that are not evaluated",
                )
            name = question.id or question.key
            seen[name] = seen.get(name, 0) + 1
            unique = name if seen[name] == 1 else f"{name}-{seen[name]}"
            items.append(self._item(question, unique, where))
        if not items:
            raise RequestError("there are no rows", where=self.name, mend="check the file")
        return items

    def with_shots(
        self, rows: Iterable[Row], *, n: int | None = None, seed: int = 0, ids: Sequence[str] = ()
    ) -> "Task":
        """The same task with worked examples before each question.

        Args:
            rows: To choose from: rows for training, not those that are evaluated.
            n: How many; the choice depends on the seed and the rows, not on their order.
            seed: Of the choice.
            ids: The rows to show, in this order, instead of `n`.

        Raises:
            RequestError: There are fewer rows, or no row of that id.
        """
        questions = [
            self._read(row, f"worked examples of {self.name}, row {number}")
            for number, row in enumerate(rows, 1)
        ]
        return replace(self, shots=choose_shots(questions, n, seed, ids, self.name))

    def score(
        self, item: Item, output: str | Sequence[Sequence[float]], *, truncated: bool = False
    ) -> Scored:
        """What an output is worth.

        Args:
            item: What was asked.
            output: Of ``generate`` and ``open``, the completion; of ``choices``, the
                log-probabilities of each choice's tokens, in the order of ``item.choices``.
            truncated: Whether the model was cut off at `max_new_tokens`.

        Raises:
            ValueError: The output is not of this kind, or not of this item; a program has to be run.
        """
        if self.kind == "code":
            raise ValueError(f"{self.name} runs programs; see limbeck.evaluation.tasks.code")
        extracted: Any | None
        if self.kind == "choices":
            if isinstance(output, str):
                raise ValueError(f"{self.name} scores log-probabilities of choices, not a text")
            extracted, grades = choose(item, output, self.normalise)
        else:
            if not isinstance(output, str):
                raise ValueError(f"{self.name} scores a text, not {type(output).__name__}")
            if self.kind == "open":
                extracted, grades = output.strip() or None, {self.main: float(len(output))}
            else:
                extracted, grades = self._read_answer(item, self._answer(output))
        return Scored(
            id=item.id,
            document=item.document,
            gold=item.gold,
            extracted=extracted,
            correct=None if self.kind == "open" else grades[self.main] >= 1,
            invalid=extracted is None,
            truncated=truncated,
            context_cut=item.context_cut,
            grades=grades,
        )

    def metrics(self, scored: Sequence[Scored], seed: int = 0) -> dict[str, Estimate | None]:
        """Figures of a whole evaluation, each with its 95 % interval and n.

        ``accuracy``, ``invalid_rate``, ``truncation_rate`` and ``context_cut_rate``; the mean of
        each grade; what the task computes over all labels. Of ``open``, ``empty_rate`` and
        ``mean_length`` in characters, and no accuracy. Intervals resample documents where items
        share one; see `limbeck.analysis`.

        Returns:
            By name; None where a figure is not defined, such as kappa of a single label.

        Raises:
            ValueError: Nothing was scored, or an item twice; programs have figures of their own.
        """
        if self.kind == "code":
            raise ValueError(f"{self.name} runs programs; see limbeck.evaluation.tasks.code")
        is_open = self.kind == "open"
        return of_items(self.name, scored, self.corpus, self.labels, seed, is_open=is_open)

    def letters(self) -> "Task":
        """A task of choices for models that only write: the options are listed, a letter asked for.

        Raises:
            RequestError: The task has no choices.
        """
        from limbeck.evaluation.tasks.letters import as_letters

        return as_letters(self)

    def _chosen(self, questions: list[tuple[str, Question]]) -> list[tuple[str, Question]]:
        if self.most is None:
            return questions
        kept = {q.key for q in smallest((q for _, q in questions), self.most, seed=0)}
        return [(where, q) for where, q in questions if q.key in kept]

    def _read(self, row: Row, where: str) -> Question:
        return self.read(rename(row, self.columns, where))

    @cached_property
    def _text_shots(self) -> str:
        return "".join(
            (shot.example or f"{fill(self.prompt, shot.fields, self.name)} {shot.answer}") + "\n\n"
            for shot in self.shots
        )

    @cached_property
    def _turns(self) -> tuple[Message, ...]:
        turns = [Message("system", self.system)] if self.system else []
        for shot in self.shots:
            turns.append(Message("user", fill(self.chat or self.prompt, shot.fields, self.name)))
            turns.append(Message("assistant", shot.answer))
        return tuple(turns)

    def _item(self, question: Question, name: str, where: str) -> Item:
        prompt = self._text_shots + fill(self.prompt, question.fields, where)
        user = fill(self.chat or self.prompt, question.fields, where)
        pairs: tuple[tuple[str, str], ...] = ()
        if self.kind == "choices":
            space = "" if prompt.endswith((" ", "\n")) else " "
            pairs = tuple((prompt, space + choice) for choice in question.choices)
        if question.pairs:
            pairs = tuple((self._text_shots + before, after) for before, after in question.pairs)
        return Item(
            id=name,
            prompt=prompt,
            messages=(*self._turns, Message("user", user)),
            gold=question.gold,
            choices=question.choices,
            pairs=pairs,
            document=question.document or name,
            context=question.fields.get("context", ""),
        )

    def _answer(self, completion: str) -> str:
        completion = completion.lstrip()  # an answer may begin in a line of its own
        ends = [at for at in map(completion.find, self.stop) if at >= 0]
        return completion[: min(ends)] if ends else completion

    def _read_answer(self, item: Item, completion: str) -> tuple[Any | None, dict[str, float]]:
        grades: dict[str, float] = {}
        decisive: Any | None = None
        for number, rule in enumerate(self.rules):
            answer = rule.extract(completion)
            if item.choices and answer not in tuple(LETTERS[: len(item.choices)]):
                answer = None  # a letter without an option
            if number == 0:
                decisive = answer
            grades[rule.name] = 0.0 if answer is None else float(rule.grade(answer, item.gold))
        return decisive, grades
