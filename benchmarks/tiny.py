"""A small random student and teacher, text of fixed length for them, and a clock inside training."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    TrainerCallback,
    TrainingArguments,
)

from limbeck.data import Sequence

PAD, EOS = 0, 1


@dataclass(frozen=True)
class World:
    """Who is trained on what.

    Attributes:
        vocabulary: V.
        batch: Sequences in an optimiser step.
        prompt: Tokens of each prompt.
        completion: Tokens of each completion, all supervised.
        student: Layers and width.
        teacher: Layers and width.
    """

    vocabulary: int
    batch: int = 8
    prompt: int = 128
    completion: int = 128
    student: tuple[int, int] = (4, 128)
    teacher: tuple[int, int] = (8, 256)

    @property
    def tokens(self) -> int:
        """Supervised tokens of a step."""
        return self.batch * self.completion

    def models(self) -> tuple[LlamaForCausalLM, LlamaForCausalLM]:
        """Student and teacher with fresh weights, always the same."""
        return self._llama(1, *self.student), self._llama(2, *self.teacher)

    def _llama(self, seed: int, layers: int, width: int) -> LlamaForCausalLM:
        config = LlamaConfig(
            vocab_size=self.vocabulary,
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=self.prompt + self.completion,
            initializer_range=0.1,  # distributions that differ, so that losses can be compared
            tie_word_embeddings=False,
            pad_token_id=PAD,
            bos_token_id=None,
            eos_token_id=EOS,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return LlamaForCausalLM(config)

    def tokenizer(self) -> PreTrainedTokenizerFast:
        """A word for each id; pads on the left, as TRL asks where a student writes."""
        words = {"<pad>": PAD, "<eos>": EOS} | {word(i): i for i in range(2, self.vocabulary)}
        tokenizer = Tokenizer(models.WordLevel(words, unk_token=word(2)))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        return PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", padding_side="left"
        )

    def rows(self, steps: int, ranks: int = 1) -> list[Sequence]:
        """Random ids for so many steps."""
        shape = (steps * ranks * self.batch, self.prompt + self.completion)
        ids = torch.randint(2, self.vocabulary, shape, generator=torch.Generator().manual_seed(0))
        return [Sequence(tuple(r[: self.prompt]), tuple(r[self.prompt :])) for r in ids.tolist()]


def word(token: int) -> str:
    """How a token is written."""
    return f"w{token}"


def arguments(
    world: World, steps: int, folder: str, kind: type[TrainingArguments], **more: Any
) -> Any:
    """The same training for every program: float32, AdamW, the rows in their order.

    Args:
        world: What is trained.
        steps: Optimiser steps.
        folder: Where the trainer may write.
        kind: The program's class of arguments.
        more: Its own arguments, and what is to be different.
    """
    settings = {
        "output_dir": folder,
        "per_device_train_batch_size": world.batch,
        "max_steps": steps,
        "learning_rate": 1e-4,
        "lr_scheduler_type": "constant",
        "train_sampling_strategy": "sequential",
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
        "bf16": False,
    }
    return kind(**settings | more)


class StepClock(TrainerCallback):
    """Reads a clock whenever an optimiser step ends.

    From one end to the next lies everything that a step costs: programs differ in whether they
    generate before or after the Trainer says that a step begins. The first step is not counted;
    it loads and allocates what the others find.
    """

    def __init__(self, clock: Callable[[], float] = time.process_time):
        self.clock = clock
        self.ends: list[float] = []

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        """Note the time."""
        self.ends.append(self.clock())

    @property
    def seconds(self) -> float:
        """Of a step, on average."""
        return (self.ends[-1] - self.ends[0]) / (len(self.ends) - 1)
