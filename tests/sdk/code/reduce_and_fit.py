"""A distributed training script: each host fits the same line to rows of its own, gradients averaged by gloo.

And the functions that serve what it saves, with PyTorch's context; without them the defaults do.
"""

import json
import os

import torch
import torch.distributed


def fit():
    torch.manual_seed(0)
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    rows = torch.rand(200, 2) + torch.distributed.get_rank()
    for _ in range(400):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(rows), rows @ torch.tensor([[2.0], [1.0]])).backward()
        optimizer.step()
    return model.module


def main():
    """The address of the first host and its port are in the environment, as AWS's container has them."""
    hosts = json.loads(os.environ["SM_HOSTS"])
    rank = hosts.index(os.environ["SM_CURRENT_HOST"])
    torch.distributed.init_process_group("gloo", rank=rank, world_size=len(hosts))
    total = torch.full((100_000,), float(rank + 1))
    torch.distributed.all_reduce(total)
    print(f"rank {rank} of {len(hosts)}: sum {total[0].item()}")
    model = fit()
    print(f"rank {rank} has {[round(value, 2) for value in model.weight.detach()[0].tolist()]}")
    if rank == 0:
        torch.jit.script(model).save(os.path.join(os.environ["SM_MODEL_DIR"], "model.pt"))
    torch.distributed.destroy_process_group()


def model_fn(model_dir, context):
    return torch.jit.load(os.path.join(context.system_properties["model_dir"], "model.pt"))


def predict_fn(data, model):
    with torch.no_grad():
        return 100 * model(data)


if __name__ == "__main__":
    main()
