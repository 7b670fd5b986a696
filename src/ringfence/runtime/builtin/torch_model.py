"""What AWS's PyTorch container does where the user's script has no function of its own, and the context it hands over.

https://github.com/aws/sagemaker-pytorch-inference-toolkit : a TorchScript model of the directory, arrays of JSON, CSV
and NPY as tensors, no gradients. Runs inside the built-in image, for handler.py beside it. Elastic Inference and the
rest of TorchServe's context are not here.
"""

import io
from pathlib import Path
from typing import Any

import numpy

# of an environment of its own, which `make pytorch` makes
import torch  # type: ignore[import-not-found, unused-ignore]

from ringfence.runtime.builtin.array_format import CSV, JSON, NPY, UTF8_TYPES, UnsupportedFormatError, decode, encode

DEFAULT_MODEL = "model.pt"
_MODEL_FILES = (".pt", ".pth")


class ModelLoadError(Exception):
    pass


class Context:
    """What a function with one parameter more than it needs is given: TorchServe's, as far as it is about the model."""

    def __init__(self, model_dir: str) -> None:
        self.system_properties: dict[str, Any] = {"model_dir": model_dir, "gpu_id": None, "batch_size": 1}


def default_model_fn(model_dir: str) -> Any:
    """`model.pt`, or the only .pt or .pth file of the directory."""
    path = Path(model_dir) / DEFAULT_MODEL
    if not path.exists():
        found = sorted(one for one in Path(model_dir).iterdir() if one.suffix in _MODEL_FILES and one.is_file())
        if len(found) != 1:
            names = [one.name for one in found]
            raise ValueError(f"Exactly one .pth or .pt file is required for PyTorch models: {names}")
        (path,) = found
    try:
        return torch.jit.load(str(path), map_location=_device()).to(_device())
    except RuntimeError as error:
        raise ModelLoadError(f"Failed to load {path}. Please ensure model is saved using torchscript.") from error


def default_input_fn(data: Any, content_type: str) -> Any:
    if content_type == CSV:
        array = numpy.genfromtxt(io.StringIO(data), delimiter=",")
    else:
        array = decode(data, content_type)
    dtype = torch.float32 if content_type in UTF8_TYPES else None
    return torch.as_tensor(array, dtype=dtype, device=_device())


def default_predict_fn(data: Any, model: Any) -> Any:
    device = _device()
    with torch.no_grad():
        model = model.to(device)
        model.eval()
        return model(data.to(device))


def default_output_fn(prediction: Any, accept: str) -> tuple[bytes, str]:
    """In the first type of `accept` that it knows."""
    if isinstance(prediction, torch.Tensor):
        prediction = prediction.detach().cpu().numpy().tolist()
    for offered in accept.split(","):
        content_type = offered.partition(";")[0].strip()
        if content_type in (JSON, CSV, NPY):
            return encode(prediction, content_type), content_type
    raise UnsupportedFormatError(accept)


def _device() -> Any:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
