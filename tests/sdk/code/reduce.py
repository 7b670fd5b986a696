"""A distributed training script: each host fits the same line to rows of its own, gradients averaged by gloo."""

import json
import os
import sys
import tarfile

with tarfile.open(os.path.join(os.environ["SM_CHANNEL_TORCH"], "torch.tar")) as archive:
    archive.extractall("/tmp/torch")
sys.path.insert(0, "/tmp/torch")

import torch
import torch.distributed

hosts = json.loads(os.environ["SM_HOSTS"])
rank = hosts.index(os.environ["SM_CURRENT_HOST"])
os.environ["GLOO_SOCKET_IFNAME"] = os.environ["SM_NETWORK_INTERFACE_NAME"]
torch.distributed.init_process_group("gloo", f"tcp://{hosts[0]}:23456", rank=rank, world_size=len(hosts))
total = torch.full((100_000,), float(rank + 1))
torch.distributed.all_reduce(total)
print(f"rank {rank} of {len(hosts)}: sum {total[0].item()}")

torch.manual_seed(0)
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
rows = torch.rand(200, 2) + rank
for _ in range(50):
    optimizer.zero_grad()
    torch.nn.functional.mse_loss(model(rows), rows @ torch.tensor([[2.0], [1.0]])).backward()
    optimizer.step()
weights = [round(value, 2) for value in model.module.weight.detach()[0].tolist()]
print(f"rank {rank} has {weights}")
if rank == 0:
    torch.save(model.module.state_dict(), os.path.join(os.environ["SM_MODEL_DIR"], "model.pt"))
torch.distributed.destroy_process_group()
