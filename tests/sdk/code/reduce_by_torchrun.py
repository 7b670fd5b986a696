"""Begun by torchrun, which tells each process who it is."""

import torch
import torch.distributed

torch.distributed.init_process_group("gloo")
total = torch.full((10,), float(torch.distributed.get_rank() + 1))
torch.distributed.all_reduce(total)
print(f"torchrun {torch.distributed.get_rank()} of {torch.distributed.get_world_size()}: sum {total[0].item()}")
torch.distributed.destroy_process_group()
