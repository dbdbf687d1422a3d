"""What a method refuses when it is made, not in the middle of a training."""

import pytest

from limbeck.methods import ABKD, AKL, DKD, GKD, JSD, KD, OPD, SCD, SKD, TAID, DistiLLM2, MiniLLM
from limbeck.schedules import Cosine, Exponential, Linear


@pytest.mark.parametrize("cls", [KD, GKD])
@pytest.mark.parametrize("lmbda", [-0.01, 1.01, float("nan"), float("inf")])
def test_lambda_is_a_fraction(cls, lmbda):
    with pytest.raises(ValueError, match="lmbda"):
        cls(lmbda=lmbda)


@pytest.mark.parametrize("beta", [-0.01, 1.01, float("nan")])
def test_beta_is_a_fraction(beta):
    with pytest.raises(ValueError, match="beta"):
        GKD(beta=beta)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_temperature_is_positive(temperature):
    with pytest.raises(ValueError, match="temperature"):
        KD(temperature=temperature)


@pytest.mark.parametrize("schedule", [Linear, Cosine, Exponential])
def test_a_schedule_that_leaves_the_range_is_refused(schedule):
    """The training would end in an error at its middle."""
    for start, end in ((0.5, 1.5), (1.5, 0.5)):
        with pytest.raises(ValueError, match=r"beta must lie in \[0, 1\], got 0.5 to 1.5"):
            GKD(beta=schedule(start, end))
    assert GKD(beta=schedule(0.5, 1.0)).schedules == {"beta": schedule(0.5, 1.0)}


@pytest.mark.parametrize(
    ("cls", "fields", "match"),
    [
        (JSD, {"beta": 0.0}, "beta"),
        (JSD, {"beta": Linear(0.0, 0.5)}, "beta"),
        (AKL, {"mu": 1.0}, "mu"),
        (ABKD, {"ce": -1.0}, "ce"),
        (DKD, {"temperature": 0.0}, "temperature"),
        (TAID, {"t": Linear(0.4, 1.1)}, "t must"),
        (SKD, {"k": 0}, "k must"),
        (SKD, {"divergence": "kl"}, "divergence must be one of"),
        (DistiLLM2, {"alpha": 0.001}, "alpha"),
        (MiniLLM, {"gamma": 1.1}, "gamma"),
        (OPD, {"gamma": 0.5}, "estimator: sampled"),
        (OPD, {"gamma": Linear(0.0, 0.5)}, "estimator: sampled"),
        (SCD, {"sharpness": 2.0}, "adaptive_weight: true"),
        (SCD, {"control": "shuffled"}, "adaptive_weight: true"),
        (SCD, {"loss_source": "oof"}, "adaptive_weight: true"),
    ],
)
def test_refused(cls, fields, match):
    with pytest.raises(ValueError, match=match):
        cls(**fields)
