"""Triton's kernels compute what the dense divergences compute, and compile for a GPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="Triton has no wheel for this machine")


def run(words, **environment):
    """A fresh Python: Triton decides when it is imported whether it interprets."""
    done = subprocess.run(
        [sys.executable, *words],
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
    return done.stdout


def test_in_the_interpreter():
    """A student would be trained towards something else on GPUs only."""
    checks = str(Path(__file__).with_name("triton_checks.py"))
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore::RuntimeWarning", checks]
    assert " passed" in run(words, TRITON_INTERPRET="1")


COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from limbeck.divergences.triton import kernels

TYPES = dict(target="*{0}", own="*{0}", gradient="*{0}", MODE="constexpr", BLOCK="constexpr")
TYPES |= dict.fromkeys(("firsts", "values", "statistics", "scales"), "*fp32")
TYPES |= dict.fromkeys(("target_factor", "own_factor", "second"), "fp32")
for kernel, dtype in ((kernels.value_kernel, "fp32"), (kernels.gradient_kernel, "bf16")):
    types = {name: TYPES.get(name, "i32").format(dtype) for name in kernel.arg_names}
    for mode in range(9):
        source = ASTSource(kernel, types, constexprs={"MODE": mode, "BLOCK": 2048})
        made = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": 8})
        doubles = ".f64" in made.asm["ptx"]
        print(kernel.__name__, mode, len(made.asm["cubin"]) > 1000, doubles)
"""


@pytest.mark.slow
def test_compiles_for_a_gpu(tmp_path):
    """The interpreter takes Python that no GPU runs, and float64 costs a GPU thirty times more."""
    lines = run(["-c", COMPILE], TRITON_CACHE_DIR=str(tmp_path), TRITON_INTERPRET="0").splitlines()
    assert len(lines) == 18
    assert all(line.endswith("True False") for line in lines), lines
