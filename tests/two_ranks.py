"""Two real processes, as torchrun starts them."""

import os
import subprocess
import sys
from pathlib import Path

import limbeck
from limbeck.ranks import leave


def two_ranks(module, *words):
    """Run ``python -m module words`` as two gloo ranks of one thread each; what was printed."""
    roots = [Path(__file__).parent, Path(limbeck.__file__).parents[1]]
    done = subprocess.run(
        [
            sys.executable,
            *("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"),
            *("-m", module, *map(str, words)),
        ],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(map(str, roots))},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def depart():
    """The end of a rank, when all of them have come here.

    Several trainings leave as many reducers behind. Should one outlive the collection, its threads
    must not decide by their luck at the interpreter's end whether a test passes.
    """
    from torch import distributed

    distributed.barrier()
    leave()
    sys.stdout.flush()
    os._exit(0)
