"""The teacher of a run: fine-tuned if the recipe asks for it, loaded once, shared by all arms."""

import shutil
from functools import cached_property
from typing import Any

from limbeck.bench import Bench, ids
from limbeck.caching import Cache, CachedTeacher
from limbeck.console import progress, say
from limbeck.data import DataSpec, Examples, load_examples
from limbeck.engines.special_tokens import pad_id
from limbeck.engines.transformers import TransformersEngine
from limbeck.errors import RequestError
from limbeck.methods import SFT
from limbeck.models import device, fingerprint, load_model, place
from limbeck.ranks import rank
from limbeck.recipe import ModelSpec, TeacherSFT
from limbeck.run.folder import RunFolder
from limbeck.run.saving import as_result, save
from limbeck.sources import seed_for
from limbeck.targets import ModelTeacher, Teacher, check_head
from limbeck.training import arguments, fit


class TeacherStage:
    """Prepares and holds the teacher.

    Args:
        folder: The run's.
        bench: What is known of the teacher before it is loaded.
        cache: What it said, for losses to read instead of asking it.
    """

    def __init__(self, folder: RunFolder, bench: Bench, cache: Cache | None = None):
        self.folder, self.bench, self.cache = folder, bench, cache

    def prepare(self) -> dict[str, Any] | None:
        """Fine-tune the teacher, if the recipe asks for it and it has not been done.

        Returns:
            How that training went, or None.
        """
        spec = self.bench.recipe.teacher
        if spec is None or spec.sft is None:
            return None
        sft = spec.sft
        result = self.folder.once(
            "train teacher", lambda: self._fine_tune(spec, sft), everywhere=True
        )
        if rank() == 0:
            shutil.rmtree(self.folder / "checkpoints" / "teacher", ignore_errors=True)
        return result

    @cached_property
    def model(self) -> Any:
        """The teacher's weights, frozen."""
        spec = self.prepared
        model = load_model(spec, "teacher", self._side.tokenizer, self._seed, "auto")
        check_head(model, "teacher")
        return model.eval().requires_grad_(False).to(device())

    @cached_property
    def judge(self) -> ModelTeacher:
        """The teacher as something that shows its distribution."""
        return ModelTeacher(self.model, len(self.bench.student.tokenizer))

    @cached_property
    def engine(self) -> TransformersEngine:
        """The teacher as something that writes."""
        tokenizer = self._side.tokenizer
        return TransformersEngine(self.model, pad_id(tokenizer), self._side.ends, len(tokenizer))

    def beside(self, student: Any) -> tuple[Any, Teacher]:
        """A teacher for this student to imitate.

        Where both are adapters of one base, the base is loaded once: the teacher's adapter is
        put beside the student's own.

        Returns:
            The student, perhaps with a second adapter, and the teacher.
        """
        if self.cache is not None:
            return student, CachedTeacher(self.cache)
        recipe = self.bench.recipe
        spec = recipe.teacher
        assert spec is not None
        shared = (
            recipe.student.lora is not None
            and spec.sft is None
            and recipe.student.model is not None
            and place(recipe.student) == place(spec)
            and recipe.student.layers == spec.layers
            and not recipe.student.fresh
        )
        if not shared:
            return student, self.judge
        adapter = ""
        if spec.adapter is not None:
            adapter = "teacher"
            student.load_adapter(spec.adapter, adapter_name=adapter, is_trainable=False)
        return student, ModelTeacher(student, len(self.bench.student.tokenizer), adapter)

    @property
    def hash(self) -> str:
        """Identifies the teacher's weights."""
        return fingerprint(self.prepared)

    @property
    def prepared(self) -> ModelSpec:
        """What to load: the fine-tuned teacher, once there is one."""
        spec = self.bench.recipe.teacher
        assert spec is not None
        return ModelSpec(model=str(self.folder / "teacher")) if spec.sft is not None else spec

    @property
    def _side(self) -> Any:
        assert self.bench.teacher is not None
        return self.bench.teacher

    @property
    def _seed(self) -> int:
        return seed_for("teacher", self.bench.recipe.seed)

    def _fine_tune(self, spec: ModelSpec, sft: TeacherSFT) -> dict[str, Any]:
        recipe, tokenizer = self.bench.recipe, self._side.tokenizer
        model = load_model(spec, "teacher", tokenizer, self._seed, "float32")
        data = sft.data or recipe.data
        examples, seen = _unseen(self.bench, data) if sft.data else (self.bench.examples, 0)
        splits = {}
        for split in ("train", "validation"):
            sequences, _ = ids(
                getattr(examples, split), examples.kind, data, self._side, self.bench.max_length
            )
            splits[split] = [s for s in sequences if s.completion]
        if not splits["train"]:
            raise RequestError(
                "there is nothing to fine-tune the teacher on",
                where="teacher.sft.data",
                mend="name data with completions that the student's data does not hold",
            )
        if seen:
            say(f"teacher: left out {seen} rows whose prompts the student's data holds")
        args = arguments(
            sft.training, self.folder / "checkpoints" / "teacher", recipe.seed, len(splits["train"])
        )
        with progress("training teacher", args.max_steps, "steps") as advance:
            done_fit = fit(
                model,
                SFT(),
                args,
                splits["train"],
                splits["validation"][:500],
                tokenizer,
                None,
                recipe.generation.sampling(),
                advance,
            )
        save(model, tokenizer, self.folder / "teacher")
        return {**as_result(done_fit), "left_out_rows": seen}


def _unseen(bench: Bench, data: DataSpec) -> tuple[Examples, int]:
    """The teacher's own data without prompts that the student's data holds, and how many those were.

    Otherwise the teacher would recite the gold answers of prompts that it is said to answer itself,
    and its score on the held-out rows would mean nothing.
    """
    examples = load_examples(data)
    own = bench.examples
    taken = {e.key for split in (own.train, own.validation, own.test) for e in split}
    kept = [e for e in examples.train if e.key not in taken]
    validation = [e for e in examples.validation if e.key not in taken]
    removed = len(examples.train) - len(kept) + len(examples.validation) - len(validation)
    return Examples(kept, validation, [], examples.kind, examples.verify, examples.notes), removed
