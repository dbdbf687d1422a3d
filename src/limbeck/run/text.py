"""The text of a round: the data's own, or the teacher's answers to all prompts."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from limbeck.bench import Bench
from limbeck.data import Author, Sequence
from limbeck.engines import Engine
from limbeck.errors import LimbeckError
from limbeck.sources import answer_all, seed_for


@dataclass
class RoundLab:
    """What a method may ask for; see `limbeck.methods.Lab`.

    Attributes:
        bench: The tokenised data.
        folder: Of this round; what the teacher writes is kept there.
        teacher: Makes the teacher's engine when it is first needed.
        teacher_hash: Identifies the teacher.
    """

    bench: Bench
    folder: Path
    teacher: Callable[[], Engine]
    teacher_hash: str

    def labelled(self) -> list[Sequence]:
        """Training rows that came with a completion."""
        return [s for s in self.bench.sequences["train"] if s.completion]

    def prompts(self) -> list[Sequence]:
        """All training rows, answered or not."""
        return list(self.bench.sequences["train"])

    def answered_by_teacher(self) -> list[Sequence]:
        """All training prompts with the teacher's completion; unfinished ones are left out."""
        rows = {s.example: s for s in self.prompts()}
        finished = [
            replace(
                rows[answer["example"]],
                completion=self._in_students_ids(answer["tokens"]),
                author=Author.TEACHER,
            )
            for answer in self.teacher_answers()
            if answer["finished"]
        ]
        kept = [s for s in finished if len(s) <= self.bench.max_length]
        if finished and not kept:
            raise LimbeckError(
                f"every answer of the teacher is longer than {self.bench.max_length} tokens with its prompt",
                where=str(self.folder),
                mend="raise data.max_length, or lower generation.max_new_tokens",
            )
        if not kept:
            raise LimbeckError(
                "no answer of the teacher came to an end",
                where=str(self.folder),
                mend="raise generation.max_new_tokens, or check the teacher's end-of-sequence token",
            )
        return kept

    def teacher_answers(self) -> list[dict[str, Any]]:
        """The teacher's answer to each training prompt, in order: written once, then read.

        Returns:
            ``{"example": position in the split, "tokens": teacher's ids, "finished": bool}``.
        """
        own = {s.example for s in self.prompts()}
        asked = [s for s in self.bench.for_teacher("train") if s.example in own]
        prompts = [s.prompt for s in asked]
        sampling = self.bench.recipe.generation.sampling()
        seed = seed_for("teacher text", self.bench.recipe.seed)
        key = digest(prompts, asdict(sampling), seed, self.teacher_hash)
        path = self.folder / "teacher.jsonl"
        answers = answer_all(path, key, prompts, self.teacher, sampling, seed, "teacher answers")
        return [{**a, "example": s.example} for s, a in zip(asked, answers, strict=True)]

    def _in_students_ids(self, tokens: list[int]) -> tuple[int, ...]:
        if self.bench.one_tokenizer:
            return tuple(tokens)
        assert self.bench.teacher is not None
        text = self.bench.teacher.tokenizer.decode(tokens, skip_special_tokens=True)
        own = self.bench.student.tokenizer
        return (*own(text, add_special_tokens=False)["input_ids"], own.eos_token_id)


def digest(*parts: Any) -> str:
    """A short hash of plain values."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()
