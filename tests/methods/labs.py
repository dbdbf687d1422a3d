"""Who a method may ask in its preparation and in its steps, played back."""

import dataclasses

from limbeck.data.batch import Author, Sequence
from limbeck.engines import Completion, Interleaved
from limbeck.methods import Rationale


class Explains:
    """A teacher with one solution."""

    def solve(self, rows, again=False):
        return {i: Rationale("its solution", "first") for i in rows}

    def text(self, rationales):
        return [Sequence((2,), (4, 1), Author.TEACHER, i) for i in rationales]


class Answers:
    """A lab of one row: as the data has it, as a bare prompt, as the models answer it."""

    round = 0
    checkpoints = 2
    tutor = Explains()

    def prompts(self):
        return [Sequence((2,))]

    def labelled(self):
        return [Sequence((2,), (3, 1), Author.DATA)]

    def answered_by_teacher(self):
        return [Sequence((2,), (4, 1), Author.TEACHER)]

    def answered_by_student(self, rows):
        return [dataclasses.replace(r, rejected=(5, 1)) for r in rows]

    def kl_from_best(self):
        return [1.0, 0.0]

    def kl_from_student(self):
        return [0.5, 1.0]

    def losses_of_start(self, rows, source):
        return [1.0] * len(rows)

    def losses_of_checkpoint(self, checkpoint, rows, source):
        return [2.0] * len(rows)


class Together:
    """Both write the prompt once more, and end; asked for nothing that is not noted."""

    def __init__(self):
        self.asked = []

    def mixed(self, prompts, sampling, seed, *, alpha):
        self.asked.append(("mixed", alpha))
        return [Completion((*p, 1), tuple(-0.5 - i for i in range(len(p) + 1))) for p in prompts]

    def interleaved(self, prompts, sampling, seed, *, k, block, teacher_sampling=None):
        self.asked.append(("interleaved", k, block))
        by = [(*(i % 2 == 0 for i in range(len(p))), True) for p in prompts]
        return [Interleaved((*p, 1), by_student=b) for p, b in zip(prompts, by, strict=True)]
