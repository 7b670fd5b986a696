"""Arrays in the three formats that every framework's container knows: JSON, CSV, NPY. Called by serve.py beside it."""

import csv
import io
import json
from typing import Any

JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"
UTF8_TYPES = (JSON, CSV)


class UnsupportedFormatError(Exception):
    def __init__(self, content_type: str) -> None:
        super().__init__(
            f"Content type {content_type} is not supported by this framework.\n"
            "Please implement input_fn to to deserialize the request data or an output_fn to serialize the response."
        )


def decode(data: Any, content_type: str) -> Any:
    """Bytes of one of the three known types as an array."""
    import numpy

    if content_type == NPY:
        return numpy.load(io.BytesIO(data), allow_pickle=False)
    if content_type == JSON:
        return numpy.array(json.loads(data))
    if content_type == CSV:
        rows = list(csv.reader(io.StringIO(data), strict=True))
        # as there: a single row becomes one-dimensional, which most models refuse
        return numpy.array(rows).squeeze()
    raise UnsupportedFormatError(content_type)


def encode(value: Any, content_type: str) -> bytes:
    import numpy

    if content_type == NPY:
        buffer = io.BytesIO()
        numpy.save(buffer, value)
        return buffer.getvalue()
    if content_type == JSON:
        return json.dumps(value, default=_plain).encode()
    if content_type == CSV:
        array = numpy.array(value)
        if array.ndim == 1:
            array = array.reshape(-1, 1)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n", strict=True).writerows(array.tolist())
        return text.getvalue().encode()
    raise UnsupportedFormatError(content_type)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
