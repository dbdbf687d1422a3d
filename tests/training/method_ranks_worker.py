"""Methods that write, move and remember: ``torchrun ... -m training.method_ranks_worker FOLDER 1``.

Rank 0 writes ``FOLDER/result.pt``; `run` is also called in the test's own process, for one rank.
"""

import dataclasses
import sys
from pathlib import Path

import torch

from limbeck.data import Author
from limbeck.engines import Completion, Scripted
from limbeck.methods import DPKD, GKD, TAID, DistiLLM, DistiLLM2, MiniLLM
from limbeck.training import DistillTrainer
from limbeck.training.memory import Round
from two_ranks import depart

from .models import build_tokenizer
from .world import make_args, make_rows, make_student, make_teacher, reply, weights

PHI = 0.6
CASES = {
    "taid": TAID(),
    "gkd": GKD(lmbda=0.5, beta=0.3),
    # A buffer that is never full: what the draw decides is text of the student, or the given one.
    "distillm": DistiLLM(phi=PHI, capacity=10_000),
    "dpkd": DPKD(beta=0.5),
    "minillm": MiniLLM(epochs=2),
    "distillm2": DistiLLM2(rounds=2),
}


def speak(prompt):
    """As `reply`, but never silent: a pair has two sides."""
    return reply(prompt) or (7, 1)


class Together:
    """Student and teacher who wrote what is written, each token with a probability of a third."""

    def mixed(self, prompts, sampling, seed, *, alpha):
        assert alpha == 0.2
        texts = [speak(prompt) for prompt in prompts]
        return [Completion(text, (-1.0986,) * len(text)) for text in texts]


def rows():
    """Sixteen pairs: the teacher's completion, and the student's own."""
    return [
        dataclasses.replace(row, author=Author.TEACHER, rejected=speak(row.prompt))
        for row in make_rows(16)
    ]


def gathered(value):
    """What each rank has."""
    if not torch.distributed.is_initialized():
        return [value]
    found = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(found, value)
    return found


def trained(folder, method, per_device, student, round_):
    args = make_args(
        folder,
        per_device_train_batch_size=per_device,
        gradient_accumulation_steps=4,
        max_steps=4,
    )
    trainer = DistillTrainer(
        student,
        method=method,
        args=args,
        train_dataset=rows(),
        processing_class=build_tokenizer("right"),
        teacher=make_teacher(),
        round=round_,
    )
    trainer.sources = dataclasses.replace(
        trainer.sources, student=Scripted(speak), together=Together()
    )
    choices = []

    def told(loaded, sources, step):
        chosen = method.sequences(loaded, sources, step)
        choices.append(sorted({s.author.name for s in chosen}))
        return chosen

    now = trainer.now
    trainer.now = lambda: (_Telling(now()[0], told), now()[1])
    trainer.train()
    return trainer, choices


class _Telling:
    """A method whose choice of text is noted down."""

    def __init__(self, method, told):
        self._method, self.sequences = method, told

    def __getattr__(self, name):
        return getattr(self._method, name)


def run(folder, per_device):
    results = {}
    for name, method in CASES.items():
        student, memory, choices = make_student(), None, []
        for index in range(method.number_of_rounds(0)):
            round_ = Round(index, method.number_of_rounds(0), memory)
            trainer, chosen = trained(folder, method, per_device, student, round_)
            memory, choices = trainer.memory.keep(), [*choices, *chosen]
        results[name] = {
            "weights": weights(student),
            "memories": gathered(memory),
            "choices": gathered(choices),
        }
    return results


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    results = run(folder, int(sys.argv[2]))
    if torch.distributed.get_rank() == 0:
        torch.save(results, folder / "result.pt")
    depart()
