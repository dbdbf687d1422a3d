"""What a service costs, and how much it may cost."""

from dataclasses import asdict, dataclass

MILLION = 1_000_000


@dataclass(frozen=True)
class Spent:
    """What has been asked for so far.

    Attributes:
        answers: How many came back.
        tokens_in: Tokens of their prompts, as far as the server told.
        tokens_out: Tokens of the answers, likewise.
    """

    answers: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    @property
    def tokens(self) -> int:
        """Both together."""
        return self.tokens_in + self.tokens_out

    def plus(self, tokens_in: int | None, tokens_out: int | None) -> "Spent":
        """After one more answer."""
        return Spent(
            self.answers + 1,
            self.tokens_in + (tokens_in or 0),
            self.tokens_out + (tokens_out or 0),
        )


@dataclass(frozen=True)
class Budget:
    """Limits, and the prices that one of them needs.

    Attributes:
        tokens: Most tokens, prompts and answers together; None is no limit.
        money: Most money, in the currency of the prices; None is no limit.
        input_price: Of a million tokens of prompts; None where prices are not known.
        output_price: Of a million tokens of answers.
    """

    tokens: int | None = None
    money: float | None = None
    input_price: float | None = None
    output_price: float | None = None

    @property
    def limited(self) -> bool:
        """Whether there is a limit at all."""
        return self.tokens is not None or self.money is not None

    def cost(self, spent: Spent) -> float | None:
        """Money, by the prices of today; None where they are not known."""
        if self.input_price is None or self.output_price is None:
            return None
        money = spent.tokens_in * self.input_price + spent.tokens_out * self.output_price
        return money / MILLION

    def bill(self, spent: Spent) -> dict[str, float]:
        """What ``results.json`` says: answers, tokens, and money where prices are known."""
        money = self.cost(spent)
        return asdict(spent) | ({} if money is None else {"money": money})

    def exhausted(self, spent: Spent) -> bool:
        """Whether nothing more may be asked."""
        cost = self.cost(spent)
        return (self.tokens is not None and spent.tokens >= self.tokens) or (
            self.money is not None and cost is not None and cost >= self.money
        )

    def said(self, spent: Spent) -> str:
        """Tokens and money, beside their limits: ``1,200 of 5,000 tokens, 0.012 of 1``."""
        of = f" of {self.tokens:,}" if self.tokens is not None else ""
        text, cost = f"{spent.tokens:,}{of} tokens", self.cost(spent)
        if cost is None:
            return text
        most = f" of {self.money:g}" if self.money is not None else ""
        return f"{text}, money {cost:.4g}{most}"
