"""The teacher of a run: fine-tuned if the recipe asks for it, loaded once, shared by all arms."""

import gc
from functools import cached_property
from typing import Any

import torch

from limbeck.bench import Bench
from limbeck.caching import Cache, CachedTeacher
from limbeck.engines import Engine
from limbeck.engines.special_tokens import pad_id
from limbeck.engines.transformers import TransformersEngine
from limbeck.engines.vllm import VLLMEngine
from limbeck.errors import RequestError
from limbeck.models import checkpoints, device, fingerprint, load_model, place
from limbeck.recipe import ModelSpec
from limbeck.run import common
from limbeck.run.folder import RunFolder
from limbeck.run.trajectory import Trajectory
from limbeck.run.tuning import PATH, Tuning, kept_name, tuned
from limbeck.sources import seed_for
from limbeck.targets import ModelTeacher, NoisyTeacher, Teacher, check_head

FOLDER = "teacher"


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
        """Fine-tune the teacher, or find the best of its checkpoints, if the recipe asks for it.

        Returns:
            How that training went, or None.
        """
        spec, log = self.bench.recipe.teacher, None
        if spec is not None and spec.sft is not None:
            apart = ("train", "validation", "test")
            tuning = Tuning("teacher", FOLDER, spec, self._side, self._seed, apart)
            log = tuned(self.folder, self.bench, tuning, common.teacher(self.folder, self.bench))
        if self.bench.method.needs_path or (spec is not None and spec.checkpoints is not None):
            _ = self.trajectory.best  # all processes are here: later, one may come alone
        return log

    @cached_property
    def trajectory(self) -> Trajectory:
        """The checkpoints of the teacher's fine-tuning.

        Raises:
            RequestError: The recipe keeps and names none.
        """
        spec = self.bench.recipe.teacher
        if spec is None or not spec.has_path:
            raise RequestError(
                "the checkpoints of the teacher's fine-tuning are needed, and none are kept",
                where="teacher",
                mend="set teacher.keep_checkpoints beside teacher.sft, or teacher.checkpoints: FOLDER",
            )
        base = spec.untuned
        if spec.checkpoints is not None:
            return Trajectory(self.folder, self.bench, checkpoints(spec), base, "auto")
        count = spec.keep_checkpoints or 0
        kept = [self.folder / PATH / kept_name(i) for i in range(1, count + 1)]
        return Trajectory(self.folder, self.bench, kept, base, "float32")

    @cached_property
    def model(self) -> Any:
        """The teacher's weights, frozen."""
        self.rest()
        spec = self.prepared
        model = load_model(spec, "teacher", self._side.tokenizer, self._seed, "auto")
        check_head(model, "teacher")
        return model.eval().requires_grad_(False).to(device())

    @cached_property
    def judge(self) -> ModelTeacher:
        """The teacher as something that shows its distribution."""
        return ModelTeacher(self.model, len(self.bench.student.tokenizer))

    @cached_property
    def engine(self) -> Engine:
        """The teacher as something that writes."""
        tokenizer, ends = self._side.tokenizer, self._side.ends
        if self.bench.recipe.generation.engine == "transformers":
            return TransformersEngine(self.model, pad_id(tokenizer), ends, len(tokenizer))
        # vLLM refuses to start where the memory that it plans for is taken.
        for name in ("model", "judge"):
            self.__dict__.pop(name, None)
        gc.collect()
        torch.cuda.empty_cache()
        spec = self.prepared
        return VLLMEngine(
            place(spec) or "",
            ends,
            len(tokenizer),
            dtype=precision_of(self.bench),
            context=self._longest,
            revision=spec.revision,
            trust_remote_code=spec.trust_remote_code,
        )

    def rest(self) -> None:
        """Give back the memory of an engine that holds the GPU; asked again, it starts again."""
        engine = self.__dict__.get("engine")
        if isinstance(engine, VLLMEngine):
            engine.close()
            del self.engine

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
            and spec.checkpoints is None
            and recipe.student.sft is None
            and recipe.student.model is not None
            and place(recipe.student) == place(spec)
            and recipe.student.layers == spec.layers
            and not recipe.student.fresh
        )
        if not shared:
            return student, self._disturbed(self.judge)
        adapter = ""
        if spec.adapter is not None:
            adapter = "teacher"
            student.load_adapter(spec.adapter, adapter_name=adapter, is_trainable=False)
        own = ModelTeacher(student, len(self.bench.student.tokenizer), adapter)
        return student, self._disturbed(own)

    def _disturbed(self, teacher: ModelTeacher) -> Teacher:
        spec, seed = self.bench.recipe.teacher, self.bench.recipe.seed
        noise = spec.noise if spec is not None else None
        return teacher if noise is None else NoisyTeacher(teacher, noise, seed_for("noise", seed))

    @property
    def hash(self) -> str:
        """Identifies the teacher's weights."""
        return fingerprint(self.prepared)

    @property
    def prepared(self) -> ModelSpec:
        """What to load: the fine-tuned teacher, or the best of its checkpoints, once there is one."""
        spec = self.bench.recipe.teacher
        assert spec is not None
        if spec.checkpoints is not None:
            return self.trajectory.spec(self.trajectory.best)
        if spec.sft is None:
            return spec
        where = str(self.folder / FOLDER)
        return ModelSpec(model=where, trust_remote_code=spec.trust_remote_code)

    @property
    def knows_the_rows(self) -> bool:
        """Whether it may have been trained on the run's own training rows."""
        spec = self.bench.recipe.teacher
        assert spec is not None
        return spec.sft is None or spec.sft.data is None

    @property
    def _longest(self) -> int:
        """Of a prompt and what is written after it, in tokens."""
        recipe = self.bench.recipe
        new = max(recipe.generation.max_new_tokens, recipe.evaluate.max_new_tokens or 0)
        wanted = self.bench.max_length + new
        return min(wanted, self._side.context or wanted)

    @property
    def _side(self) -> Any:
        assert self.bench.teacher is not None
        return self.bench.teacher

    @property
    def _seed(self) -> int:
        return seed_for("teacher", self.bench.recipe.seed)


def precision_of(bench: Bench) -> str:
    """Of the teacher's weights in memory."""
    spec, side = bench.recipe.teacher, bench.teacher
    assert spec is not None and side is not None
    stored = str(getattr(side.config, "dtype", None) or "float32").removeprefix("torch.")
    if spec.sft is not None:
        return "float32"
    return stored if spec.dtype in (None, "auto") else str(spec.dtype)
