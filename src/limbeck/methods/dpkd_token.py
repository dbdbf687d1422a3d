"""The token form of DPKD, as its released code has it (Li et al., 2024)."""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor
from torch.nn.functional import softplus

from limbeck.data.batch import Tokens
from limbeck.methods.about import Choices, Deviation, Paper
from limbeck.methods.base import Method, Step, Text
from limbeck.targets import Need


@final
@dataclass(frozen=True)
class DPKDToken(Method):
    r"""Prefer the teacher's likeliest token to one's own, at each position of given text.

    .. math:: (1 - \lambda)(-\log q(y)) - \lambda \log \sigma(\beta h), \quad
        h = \log \frac{q(v_t)}{p(v_t)} - \log \frac{q(v_s)}{p(v_s)}, \;
        v_t = \arg\max p, \; v_s = \arg\max q

    Where both find the same token likeliest, the loss is log 2 and pushes nowhere.

    Attributes:
        beta: Sharpness of the preference, above 0.
        lmbda: Weight of the preference, in [0, 1]; the rest is the likelihood of the text.
        source: Whose text: the data's completions, or the teacher's answers to all prompts.
    """

    beta: float = 0.1
    lmbda: float = 0.5
    source: Text = "teacher"

    paper: ClassVar = Paper(
        "Direct Preference Knowledge Distillation for Large Language Models (its released code)",
        "https://arxiv.org/abs/2406.19774",
        "The paper's figures come from this form: GPT-2 1.5B to 120M, Dolly, ROUGE-L 24.6.",
    )
    formula: ClassVar = (
        "(1 - lmbda) * -log q(y_t)  -  lmbda * log sigmoid( beta [log q/p (argmax p) "
        "- log q/p (argmax q)] )"
    )
    choices: ClassVar = Choices(
        "the teacher's answers (or the data's completions)",
        "the teacher's likeliest token against the student's",
        "logistic loss of their margin, and cross-entropy",
        weight="lmbda and 1 - lmbda",
    )
    use: ClassVar = "To reproduce DPKD's published figures. Off-policy, and as cheap as kd."
    deviations: ClassVar = (
        Deviation(
            "the authors' code",
            "takes log-softmaxes in bfloat16",
            "float32",
        ),
        Deviation(
            "the paper",
            "compares whole answers, divided by their length",
            "tokens, as the code",
            "method: dpkd (the paper)",
        ),
    )

    def __post_init__(self) -> None:
        self.check_range("beta", 1e-6, 1e6)
        self.check_range("lmbda", 0.0, 1.0)

    @property
    def needs(self) -> Need:
        """The likeliest token, whichever it is."""
        return "logits"

    def loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """The preference at each token and, where it has any weight, the likelihood."""
        log_p, log_q = tokens.pair()
        theirs, mine = log_p.argmax(-1, keepdim=True), log_q.argmax(-1, keepdim=True)
        ratio = log_q.gather(-1, theirs) - log_p.gather(-1, theirs)
        ratio = ratio - log_q.gather(-1, mine) + log_p.gather(-1, mine)
        terms = {"preference": self.lmbda * softplus(-self.beta * ratio.squeeze(-1))}
        if self.lmbda < 1:
            terms["nll"] = (1 - self.lmbda) * tokens.nll()
        return terms
