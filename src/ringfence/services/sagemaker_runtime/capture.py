"""What data capture writes of one invocation: a line of JSON.

Made by `invoke_endpoint` of the fleet's DataCaptureConfig; the gateway hands it to whoever uploads, after the answer.
https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ringfence.core.call import Call, Request, Result
from ringfence.core.ids import uuid4
from ringfence.core.results import Captured
from ringfence.resources.sagemaker import Endpoint, Variant

_DEFAULT_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Sample:
    """One invocation that is kept; what of its answer, `capture` adds."""

    config: Mapping[str, Any]
    endpoint: Endpoint
    variant: Variant
    event_id: str
    at: datetime
    request: Request

    def of_shadow(self, call: Call, shadow: Variant) -> "Sample":
        """What the shadow variant answers to the same request: kept with it, so that the two can be compared."""
        return replace(self, variant=shadow, event_id=uuid4(call.entropy))

    def capture(self, result: Result) -> Captured:
        """Cheap: the line is written when it is uploaded, in a thread of the uploader's."""
        size = len(self.request["Body"]) + len(result["Body"])
        destination = self.config["DestinationS3Uri"]
        return Captured(
            self.endpoint.key, self.variant.name, destination, self.at, self.event_id, size,
            lambda: write_line(self, result),
        )  # fmt: skip


def choose_sample(
    call: Call, config: Mapping[str, Any] | None, endpoint: Endpoint, variant: Variant, request: Request
) -> Sample | None:
    """None for what is not kept: so many of a hundred are, at random."""
    if config is None or not config.get("EnableCapture"):
        return None
    if int.from_bytes(call.entropy(4)) * 100 >= config["InitialSamplingPercentage"] * 2**32:
        return None
    return Sample(config, endpoint, variant, uuid4(call.entropy), call.now, request)


def write_line(sample: Sample, result: Result) -> bytes:
    config, request = sample.config, sample.request
    modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
    data: dict[str, Any] = {}
    if modes & {"Input", "InputAndOutput"}:
        data["endpointInput"] = _describe(config, "INPUT", request.get("ContentType", _DEFAULT_TYPE), request["Body"])
    if modes & {"Output", "InputAndOutput"}:
        data["endpointOutput"] = _describe(config, "OUTPUT", result.get("ContentType", _DEFAULT_TYPE), result["Body"])
    metadata: dict[str, Any] = {"eventId": sample.event_id}
    if "InferenceId" in request:
        metadata["inferenceId"] = request["InferenceId"]
    if "CustomAttributes" in request:
        metadata["customAttributes"] = [request["CustomAttributes"]]
    metadata["inferenceTime"] = f"{sample.at:%Y-%m-%dT%H:%M:%SZ}"
    line = {"captureData": data, "eventMetadata": metadata, "eventVersion": "0"}
    return json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _describe(config: Mapping[str, Any], mode: str, content_type: str, body: bytes) -> dict[str, str]:
    """As text where the configuration names the type and it is text, else in base64."""
    header = config.get("CaptureContentTypeHeader", {})
    kind = content_type.partition(";")[0].strip().lower()
    encoding = "BASE64"
    for name, member in (("CSV", "CsvContentTypes"), ("JSON", "JsonContentTypes")):
        if kind in {one.lower() for one in header.get(member, ())}:
            encoding = name
    try:
        data = body.decode() if encoding != "BASE64" else base64.b64encode(body).decode()
    except UnicodeDecodeError:
        encoding, data = "BASE64", base64.b64encode(body).decode()
    return {"observedContentType": content_type, "mode": mode, "data": data, "encoding": encoding}
