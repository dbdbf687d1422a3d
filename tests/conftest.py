"""What the whole test-suite shares."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "limbeck",
    deadline=None,
    derandomize=True,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("limbeck")


@pytest.fixture(scope="session")
def llama():
    """Builds a tiny Llama: ``llama(seed, **config)``."""
    from training.models import build_llama

    return build_llama


@pytest.fixture(autouse=True, scope="module")
def undrawn(request):
    """Reports without their figures, a second each, but where figures are what is tested.

    A module that wants them says ``DRAWN = True``; `tests/reports` does so as a whole.
    """
    if getattr(request.module, "DRAWN", False) or "/reports/" in str(request.path):
        yield
        return
    from limbeck.reports.section import Section

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Section, "pictures", ())
        yield
