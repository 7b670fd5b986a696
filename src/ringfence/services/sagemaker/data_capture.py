"""DataCaptureConfig: which invocations are kept, and in what form. Pure.

Checked by `endpoint_config`; the line of an invocation is `sagemaker_runtime.capture`'s.
https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html
"""

from typing import Any

from ringfence.services.sagemaker.refusal import invalid, refuse_others

_MEMBERS = frozenset(
    {"EnableCapture", "InitialSamplingPercentage", "DestinationS3Uri", "CaptureOptions", "CaptureContentTypeHeader"}
)


def check_data_capture(config: dict[str, Any]) -> None:
    """Raise ValidationException for what is malformed or not implemented."""
    refuse_others(config, _MEMBERS, "DataCaptureConfig.")
    if not config["DestinationS3Uri"].startswith("s3://"):
        raise invalid(f'DataCaptureConfig.DestinationS3Uri is not an s3:// URI: "{config["DestinationS3Uri"]}".')
    for option in config["CaptureOptions"]:
        refuse_others(option, frozenset({"CaptureMode"}), "DataCaptureConfig.CaptureOptions.")
    header = config.get("CaptureContentTypeHeader", {})
    known = frozenset({"CsvContentTypes", "JsonContentTypes"})
    refuse_others(header, known, "DataCaptureConfig.CaptureContentTypeHeader.")


def summarize_data_capture(config: dict[str, Any]) -> dict[str, Any]:
    """As DescribeEndpoint shows it. There is no key of KMS, which the shape wants all the same."""
    enabled = config.get("EnableCapture", False)
    return {
        "EnableCapture": enabled,
        "CaptureStatus": "Started" if enabled else "Stopped",
        "CurrentSamplingPercentage": config["InitialSamplingPercentage"],
        "DestinationS3Uri": config["DestinationS3Uri"],
        "KmsKeyId": "",
    }
