"""One rank of models sharded by FSDP2: ``torchrun ... -m targets.sharded_worker``.

Asserts that every gradient is the mean over ranks of what an unsharded model has.
"""

import copy
import functools

import torch
from torch import distributed
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from limbeck.divergences import jensen_shannon, linear_divergence
from limbeck.targets import head_of, last_hidden
from training.models import build_llama
from two_ranks import depart

CASES = {
    "with the root, kept whole after the forward pass": {},
    "with the root, sharded again": {"reshard_after_forward": True},
    "a shard of its own": {"alone": True},
    "tied to the embedding": {"reshard_after_forward": True, "tie_word_embeddings": True},
}


def sharded(model, mesh, alone=False, **settings):
    for layer in model.model.layers:
        fully_shard(layer, mesh=mesh)
    if alone:
        fully_shard(model.lm_head, mesh=mesh)
    return fully_shard(model, mesh=mesh, **settings)


def loss(student, teacher, rank):
    ids = torch.randint(2, 32, (3, 7), generator=torch.Generator().manual_seed(rank))
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    with torch.no_grad():
        taught = last_hidden(teacher, batch).flatten(0, 1)
    hidden = last_hidden(student, batch).flatten(0, 1)
    divergence = functools.partial(jensen_shannon, beta=0.3)
    return linear_divergence(taught, head_of(teacher), hidden, head_of(student), divergence)


def check(mesh, rank, settings):
    tied = settings.get("tie_word_embeddings", False)
    settings = {k: v for k, v in settings.items() if k != "tie_word_embeddings"}
    student = build_llama(1, tie_word_embeddings=tied, vocabulary=33)
    teacher = build_llama(2, hidden=24, vocabulary=33)
    whole = copy.deepcopy(student)
    expected = [loss(whole, teacher, r) for r in range(2)]
    (sum(expected) / 2).backward()
    student, teacher = (sharded(m, mesh, **settings) for m in (student, teacher))
    found = loss(student, teacher, rank)
    torch.testing.assert_close(found, expected[rank].detach(), check_dtype=False)
    found.backward()
    for (name, p), q in zip(student.named_parameters(), whole.parameters(), strict=True):
        assert isinstance(p.grad, DTensor), name
        torch.testing.assert_close(p.grad.full_tensor(), q.grad, rtol=1e-4, atol=1e-5, msg=name)


if __name__ == "__main__":
    distributed.init_process_group("gloo")
    mesh = init_device_mesh("cpu", (2,))
    for name, settings in CASES.items():
        check(mesh, distributed.get_rank(), settings)
        distributed.barrier()
        if distributed.get_rank() == 0:  # two writers of one pipe write into each other's lines
            print("sound:", name, flush=True)
    depart()
