"""Random tokens of a batch, what a method makes of them, and plain softmaxes to compare with."""

from dataclasses import dataclass, replace

import torch

from limbeck.data.batch import Author, Scored, Tokens
from limbeck.methods import Step
from limbeck.targets import Dense

STEP = Step(index=3, total=10, seed=5)
N, V = 5, 8
_G = torch.Generator().manual_seed(0)
Z_P, Z_Q = 2 * torch.randn(2, N, V, generator=_G, dtype=torch.float64)
LABEL = torch.tensor([0, 7, 3, 3, 1])
ONE_HOT = torch.eye(V, dtype=torch.float64)[LABEL]


def softmax(z, temperature=1.0):
    e = (z / temperature).exp()
    return e / e.sum(-1, keepdim=True)


def forward(p, q):
    return (p * (p / q).log()).sum(-1)


def reverse(p, q):
    return (q * (q / p).log()).sum(-1)


def nll(q):
    """Of the labels of the five tokens."""
    return -(ONE_HOT * q.log()).sum(-1)


def d_reverse(p, q):
    """Gradient of the reverse KL for the student's logits."""
    return q * ((q / p).log() - reverse(p, q)[..., None])


def settled(method, step=STEP):
    """The method at the first values of its schedules, but for those that need no memory."""
    return method.at(step, {n: s.init() for n, s in method.schedules.items()})


def total(terms):
    return torch.stack(list(terms.values())).sum()


def run(method, author=Author.DATA, step=STEP, **given):
    """Terms for the five tokens, and the gradient of their sum for the student's logits."""
    logits = Z_Q.clone().requires_grad_()
    authors = torch.tensor([author] * N if isinstance(author, Author) else author)
    tokens = Tokens(logits, Dense(Z_P), LABEL, torch.arange(N), authors, given)
    terms = settled(method, step).loss(tokens, step)
    total(terms).backward()
    return {k: v.detach() for k, v in terms.items()}, logits.grad


def by_autograd(equation):
    """Values of ``equation(p, q)`` at the five tokens, and the gradient of their sum."""
    z = Z_Q.clone().requires_grad_()
    value = equation(softmax(Z_P), softmax(z))
    value.sum().backward()
    return value.detach(), z.grad


def check(actual, expected, rtol=1e-11, atol=1e-13):
    torch.testing.assert_close(actual, torch.as_tensor(expected), rtol=rtol, atol=atol)


@dataclass
class Texts:
    """Whole sequences with random logits under both models.

    Attributes:
        lengths: Of each sequence, in tokens.
        authors: Of each.
        log_probs: Of each token when it was drawn; None where nobody drew it.
    """

    lengths: list
    authors: list
    seed: int = 0
    log_probs: torch.Tensor | None = None

    def __post_init__(self):
        g, n = torch.Generator().manual_seed(self.seed), sum(self.lengths)
        self.z_p, self.z_q = 2 * torch.randn(2, n, V, generator=g, dtype=torch.float64)
        self.label = torch.randint(0, V, (n,), generator=g)
        lengths = torch.tensor(self.lengths, dtype=torch.long)
        self.row = torch.arange(len(lengths)).repeat_interleave(lengths)
        self.author = torch.tensor(self.authors, dtype=torch.long).repeat_interleave(lengths)
        if self.log_probs is None:
            self.log_probs = torch.zeros(n, dtype=torch.float64)

    def of_labels(self, z):
        """Log-probability of each label, from a plain softmax."""
        return softmax(z)[torch.arange(len(z)), self.label].log()

    def sequences(self, values):
        """One list (or tensor) for each sequence."""
        return torch.as_tensor(values).split(self.lengths)

    def scored(self):
        log_p, log_q = self.of_labels(self.z_p), self.of_labels(self.z_q)
        return Scored(log_p, log_q, self.row, self.author, self.log_probs)

    def tokens(self, logits, **given):
        known = {"log_probs": self.log_probs, **given}
        return Tokens(logits, Dense(self.z_p), self.label, self.row, self.author, known)

    def terms(self, method, step=STEP):
        """The method's terms after its look, and the logits that carry the gradient."""
        logits = self.z_q.clone().requires_grad_()
        step = replace(step, state={**method.init(), **step.state})
        method = settled(method, step)
        looked = method.look(self.scored(), step) if method.looks else {}
        return method.loss(self.tokens(logits, **looked), step), logits

    def objective(self, method, step=STEP):
        """The terms as the method reduces them, summed; and its gradient for the logits."""
        terms, logits = self.terms(method, step)
        each = torch.stack(list(terms.values())).sum(0)
        if method.reduction == "tokens":
            value = each.mean()
        else:
            value = torch.stack([part.mean() for part in each.split(self.lengths)]).mean()
        value.backward()
        return value.detach(), logits.grad

    def gradient_of(self, equation):
        """Value and gradient of ``equation(z_q)``."""
        z = self.z_q.clone().requires_grad_()
        value = equation(z)
        value.backward()
        return value.detach(), z.grad
