"""A student, a teacher, eight rows of unequal length, and a trainer for them."""

import torch
from transformers import TrainingArguments

from limbeck.data import Author, Sequence
from limbeck.training import DistillTrainer

from .models import EOS, build_llama, build_tokenizer


def make_rows(n=8, seed=0):
    """Prompts of 1 to 5 and completions of 1 to 7 ids, the end included."""
    g = torch.Generator().manual_seed(seed)

    def draw(low, high):
        return int(torch.randint(low, high + 1, (), generator=g))

    rows = []
    for i in range(n):
        prompt = tuple(draw(2, 31) for _ in range(draw(1, 5)))
        completion = (*(draw(2, 31) for _ in range(draw(0, 6))), EOS)
        rows.append(Sequence(prompt, completion, Author.DATA, example=i))
    return rows


def reply(prompt):
    """What a scripted student says: of another length than the data, and for some nothing."""
    if prompt[0] % 5 == 0:
        return ()
    return (*((prompt[0] * k) % 30 + 2 for k in range(1, 2 + sum(prompt) % 6)), EOS)


def make_student(seed=1, dtype=torch.float64, **config):
    return build_llama(seed, hidden=12, dtype=dtype, **config)


def make_teacher(seed=2, dtype=torch.float64, **config):
    return build_llama(seed, hidden=16, dtype=dtype, **config)


def make_args(folder, **args):
    """Plain SGD without clipping, so that nothing forgives a gradient of the wrong size."""
    defaults = {
        "output_dir": str(folder),
        "per_device_train_batch_size": 8,
        "max_steps": 3,
        "learning_rate": 0.05,
        "lr_scheduler_type": "constant",
        "optim": "sgd",
        "max_grad_norm": 0.0,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
    }
    return TrainingArguments(**defaults | args)


def make_trainer(
    folder, method, student, teacher=None, rows=None, side="right", generation=None, **args
):
    eval_dataset = args.pop("eval_dataset", None)
    return DistillTrainer(
        student,
        method=method,
        args=make_args(folder, **args),
        train_dataset=make_rows() if rows is None else rows,
        eval_dataset=eval_dataset,
        processing_class=build_tokenizer(side),
        teacher=teacher,
        generation=generation,
    )


def weights(model):
    return {name: p.detach().clone() for name, p in model.state_dict().items()}


def logged(trainer, *names):
    """The values of the training's log, step by step."""
    return [[h[n] for n in names] for h in trainer.state.log_history if "loss" in h]
