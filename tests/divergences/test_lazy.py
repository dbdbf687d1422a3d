"""A lazy log-softmax is an ordinary tensor for everyone who looks."""

import pytest
import torch

from limbeck.divergences import forward_kl, log_probs
from limbeck.divergences.lazy import LogProbs

INDEX = torch.tensor([[0], [3], [1]])
EXPRESSIONS = {
    "exp": lambda x: x.exp(),
    "function": torch.exp,
    "add": lambda x: x + 1,
    "from the right": lambda x: 2 * x,
    "minus itself": lambda x: (x - x.roll(1, -1)).square(),
    "two of them": lambda x: torch.lerp(x, x.flip(-1), 0.3),
    "index": lambda x: x[1:, ::2],
    "gather": lambda x: x.gather(-1, INDEX),
    "where": lambda x: torch.where(x > -1.5, x, 0.0),
    "stack": lambda x: torch.stack([x, x.exp()]),
    "cat": lambda x: torch.cat([x, x], dim=-1),
    "logsumexp": lambda x: x.logsumexp(-1),
    "topk": lambda x: x.topk(2).values,
    "sum": lambda x: x.sum(),
    "linalg": lambda x: torch.linalg.vecdot(x.exp(), x),
    "loss": lambda x: torch.nn.functional.nll_loss(x, INDEX.squeeze(-1)),
    "keyword": lambda x: torch.mul(input=x, other=x),
    "a divergence of the package": lambda x: forward_kl(torch.full((3, 5), 0.2).log(), x),
}


@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_every_expression_and_its_gradient_are_those_of_the_dense_tensor(name, temperature):
    results = []
    for lazy in (True, False):
        logits = torch.randn(3, 5, generator=torch.Generator().manual_seed(1)).requires_grad_()
        if lazy:
            x = log_probs(logits, temperature)
            assert isinstance(x, LogProbs)
        else:
            x = (logits / temperature).log_softmax(-1)
        value = EXPRESSIONS[name](x)
        (gradient,) = torch.autograd.grad(value.sum(), logits)
        results.append((value.detach(), gradient))
    for lazy, dense in zip(*results, strict=True):
        assert type(lazy) is torch.Tensor
        torch.testing.assert_close(lazy, dense)


def test_questions_about_the_form_compute_nothing():
    logits = torch.randn(3, 5, requires_grad=True)
    x = log_probs(logits, 1.0)
    assert (x.shape, x.dtype, x.device) == (logits.shape, logits.dtype, logits.device)
    assert (x.ndim, x.dim(), x.size(-1), len(x), x.is_cuda) == (2, 2, 5, 3, False)
    assert x.requires_grad
    assert not x.detach().requires_grad
    assert isinstance(x.detach(), LogProbs)
    assert x._dense is None


def test_it_is_computed_once():
    x = log_probs(torch.randn(3, 5), 1.0)
    assert (x + 0).data_ptr() != (x + 0).data_ptr()
    assert x.dense() is x.dense()


def reference():
    logits = torch.randn(3, 5, generator=torch.Generator().manual_seed(1)).requires_grad_()
    return logits, log_probs(logits, 2.0), (logits / 2.0).log_softmax(-1)


def test_a_first_look_without_gradients_does_not_cut_the_graph():
    """A weight computed under no_grad would leave the loss with a gradient of zero."""
    logits, lazy, dense = reference()
    with torch.no_grad():
        weight = lazy.exp().sum(-1)
    results = [
        torch.autograd.grad((weight * x.square().sum(-1)).sum(), logits)[0] for x in (lazy, dense)
    ]
    torch.testing.assert_close(*results)


class Square(torch.autograd.Function):
    """A user's own: autograd hands it the tensor behind the subclass."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x + 0)
        return x * x

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return 2 * x * grad


def test_an_autograd_function_gets_values_and_gives_its_gradient():
    logits, lazy, dense = reference()
    values = [Square.apply(x) for x in (lazy, dense)]
    torch.testing.assert_close(values[0] + 0, values[1])
    results = [torch.autograd.grad(v.sum(), logits, retain_graph=True)[0] for v in values]
    torch.testing.assert_close(*results)


@pytest.mark.parametrize(
    "change", [lambda x: x.masked_fill_(x < -1, 0), lambda x: x.__setitem__(0, 0.0)]
)
def test_a_change_in_place_is_refused(change):
    """The divergences read the logits, and would not see it."""
    with pytest.raises(TypeError, match="new tensor"):
        change(log_probs(torch.randn(3, 5)))
