"""Pairs put to a judge: both orders, asked again where there is no verdict, nothing paid twice."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from limbeck.engines import Patience, Request, Response, TextEngine
from limbeck.evaluation.judge.prompt import conversation
from limbeck.evaluation.judge.verdict import Verdict, verdict
from limbeck.sources import Budget, Spent, Store, ask_all

_SCORE: dict[Verdict, float] = {"A": 1.0, "B": 0.0, "C": 0.5}


@dataclass(frozen=True)
class Pair:
    """Two outputs for one prompt.

    Attributes:
        id: Of the item.
        prompt: What both answer.
        a: The output of model a.
        b: The output of model b.
    """

    id: str
    prompt: str
    a: str
    b: str


@dataclass(frozen=True)
class Settings:
    """How a judge is asked.

    Attributes:
        max_new_tokens: Room for an answer: two show that it is a letter and no more. A judge that
            thinks before it answers needs room for that, too.
        retries: How often it is asked again where an answer is no verdict.
        retry_temperature: Of those samples, each with a seed of its own; the first is greedy.
    """

    max_new_tokens: int = 8
    retries: int = 2
    retry_temperature: float = 0.7

    def __post_init__(self) -> None:
        if self.max_new_tokens < 2 or self.retries < 0 or not self.retry_temperature > 0:
            raise ValueError(
                "max_new_tokens is at least 2, retries at least 0, and retry_temperature above 0"
            )


@dataclass(frozen=True)
class Asked:
    """What became of one order of a pair.

    Attributes:
        verdict: None where no answer was one.
        answer: The judge's last words.
        attempts: How often it was asked.
    """

    verdict: Verdict | None
    answer: str
    attempts: int


@dataclass(frozen=True)
class Compared:
    """A pair in both orders.

    Attributes:
        pair: What was compared.
        a_first: With model a's output as response A; None where both outputs are the same text,
            which is a tie that nobody is asked about.
        b_first: With model b's output as response A; likewise.
    """

    pair: Pair
    a_first: Asked | None
    b_first: Asked | None

    @property
    def shown(self) -> bool:
        """Whether the judge was asked at all."""
        return self.a_first is not None

    @property
    def scores(self) -> tuple[float, float] | None:
        """Of model a with a first and with b first: 1, 1/2 or 0; None without two verdicts."""
        if self.a_first is None or self.b_first is None:
            return 0.5, 0.5
        if self.a_first.verdict is None or self.b_first.verdict is None:
            return None
        return _SCORE[self.a_first.verdict], 1 - _SCORE[self.b_first.verdict]


@dataclass(frozen=True)
class Judge:
    """Anybody who answers requests in text.

    Attributes:
        model: Its name, as requests give it.
        engine: Makes or finds who is asked; not called where everything is known.
        store: File of its answers. Give each judge one of its own: a request names the model, but
            not its weights or its server.
        where: The server or folder, for messages.
        settings: How it is asked.
        marks: Special tokens of its tokenizer, where that is known; see `conversation`.
        system: Whether it knows system messages.
        concurrency: Requests in flight at once.
        budget: Of all its answers in the store.
        patience: With requests that fail.
    """

    model: str
    engine: Callable[[], TextEngine]
    store: Path
    where: str
    settings: Settings = field(default_factory=Settings)
    marks: frozenset[str] = frozenset()
    system: bool = True
    concurrency: int = 8
    budget: Budget | None = None
    patience: Patience | None = None

    def requests(self, pairs: Sequence[Pair], attempt: int = 0) -> list[Request]:
        """What is asked: for each pair of two different texts, a first and then b first.

        Args:
            pairs: What is compared.
            attempt: 0 is the greedy one.
        """
        orders = [
            o for p in pairs if p.a != p.b for o in ((p.prompt, p.a, p.b), (p.prompt, p.b, p.a))
        ]
        return [self._request(order, attempt) for order in orders]

    def compare(self, pairs: Sequence[Pair]) -> list[Compared]:
        """Verdicts on all pairs; interrupted, the same call asks only what is missing.

        Raises:
            LimbeckError: The engine fails for good, or the budget is spent; answers are kept.
        """
        orders = self.requests(pairs)
        found = iter(self._asked(orders, pairs))
        return [
            Compared(pair, next(found), next(found))
            if pair.a != pair.b
            else Compared(pair, None, None)
            for pair in pairs
        ]

    def spent(self) -> Spent:
        """What all its answers have cost, in tokens."""
        with Store(self.store) as store:
            return store.spent()

    def _asked(self, first: list[Request], pairs: Sequence[Pair]) -> list[Asked]:
        done: list[Asked | None] = [None] * len(first)
        with Store(self.store) as store:
            for attempt in range(1 + self.settings.retries):
                open_ones = [
                    i for i, asked in enumerate(done) if asked is None or asked.verdict is None
                ]
                if not open_ones:
                    break
                requests = first if attempt == 0 else self.requests(pairs, attempt)
                answers = self._answers(store, [requests[i] for i in open_ones], attempt)
                for i, answer in zip(open_ones, answers, strict=True):
                    done[i] = Asked(verdict(answer.text), answer.text, attempt + 1)
        return [asked for asked in done if asked is not None]

    def _answers(self, store: Store, requests: list[Request], attempt: int) -> list[Response]:
        what = f"verdicts, {self.model}" + (f", asked again ({attempt})" if attempt else "")
        return ask_all(
            store,
            self.engine,
            requests,
            where=self.where,
            what=what,
            concurrency=self.concurrency,
            budget=self.budget,
            patience=self.patience,
        )

    def _request(self, order: tuple[str, str, str], attempt: int) -> Request:
        turns = conversation(*order, marks=self.marks, system=self.system)
        temperature = self.settings.retry_temperature if attempt else 0.0
        return Request(self.model, turns, self.settings.max_new_tokens, temperature, 1.0, attempt)
