"""A processing script that uses PyTorch."""

from pathlib import Path

import torch

out = Path("/opt/ml/processing/out")
out.mkdir(parents=True, exist_ok=True)
(out / "version.txt").write_text(f"{torch.__version__} {torch.ones(3).sum().item()}")
