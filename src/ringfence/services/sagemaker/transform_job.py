"""Batch transform: a model's container, started as for hosting, is sent the objects of a prefix and then ended.

https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform.html
"""

from typing import Any

from ringfence.core.call import Call, Request, Result
from ringfence.core.operation import operation
from ringfence.resources.job import TransformJob
from ringfence.resources.sagemaker import Model
from ringfence.services.sagemaker.container import is_multi_model
from ringfence.services.sagemaker.fleet import variant_of
from ringfence.services.sagemaker.job import (
    check_s3_uri,
    create_job,
    find_job,
    list_jobs,
    stop_job,
    summarize_job,
    tell_outcome,
    tell_start,
)
from ringfence.services.sagemaker.json_path import BadPath, read_path
from ringfence.services.sagemaker.lookup import find
from ringfence.services.sagemaker.refusal import invalid, refuse_others
from ringfence.services.sagemaker.tag import tagging_action, tagging_resources

_MEMBERS = frozenset(
    {
        "TransformJobName", "ModelName", "MaxConcurrentTransforms", "ModelClientConfig", "MaxPayloadInMB",
        "BatchStrategy", "Environment", "TransformInput", "TransformOutput", "TransformResources", "DataProcessing",
        "Tags",
    }
)  # fmt: skip
# "The value of MaxPayloadInMB cannot be greater than 100 MB", nor its product with MaxConcurrentTransforms
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html
_LARGEST_MB = 100


@operation(
    "CreateTransformJob",
    on=("transform-job/{TransformJobName}",),
    keys={
        "sagemaker:InstanceTypes": "TransformResources.InstanceType",
        "sagemaker:ModelArn": "ModelName",
        "sagemaker:OutputKmsKeyArn": "TransformOutput.KmsKeyId",
        "sagemaker:VolumeKmsKeyArn": "TransformResources.VolumeKmsKeyId",
        **tagging_action("CreateTransformJob"),
    },
    also=(("sagemaker:AddTags", tagging_resources("transform-job/{TransformJobName}")),),
)
def create_transform_job(call: Call, request: Request) -> Result:
    """The model is copied, so that deleting it changes nothing; its network and its role are those of the job."""
    refuse_others(request, _MEMBERS)
    _check_input(request["TransformInput"])
    output, resources = request["TransformOutput"], request["TransformResources"]
    known = frozenset({"S3OutputPath", "Accept", "AssembleWith"})
    refuse_others(output, known, "TransformOutput.", {"KmsKeyId": ""})
    check_s3_uri(output["S3OutputPath"], "TransformOutput.S3OutputPath")
    known = frozenset({"InstanceType", "InstanceCount"})
    refuse_others(resources, known, "TransformResources.", {"VolumeKmsKeyId": ""})
    _check_sizes(request)
    _check_processing(request)
    model = find(call, Model, request["ModelName"])
    wanted = {
        "VariantName": request["TransformJobName"],
        "InstanceType": resources["InstanceType"],
        "InitialInstanceCount": resources["InstanceCount"],
        "InitialVariantWeight": 1.0,
    }
    variant = variant_of(wanted, model)
    if variant.direct:  # ours
        raise invalid("A model with the inference execution mode Direct cannot be used for batch transform.")
    if any(is_multi_model(one) for one in (variant.container, *variant.others)):  # AWS's text is not published: ours
        raise invalid("A model with the container mode MultiModel cannot be used with batch transform.")
    return create_job(call, TransformJob, request, variant=variant)


@operation("DescribeTransformJob", on=("transform-job/{TransformJobName}",))
def describe_transform_job(call: Call, request: Request) -> Result:
    job = find_job(call, TransformJob, request)
    shown = {
        **job.spec,
        "TransformInput": {"CompressionType": "None", "SplitType": "None", **job.spec["TransformInput"]},
        "TransformOutput": {"AssembleWith": "None", "KmsKeyId": "", **job.spec["TransformOutput"]},
        "DataProcessing": {
            "InputFilter": "$",
            "OutputFilter": "$",
            "JoinSource": "None",
            **job.spec.get("DataProcessing", {}),
        },
        **_show(call, job),
        **tell_start(call, job),
    }
    del shown["LastModifiedTime"]  # of listings only
    return shown


@operation("StopTransformJob", on=("transform-job/{TransformJobName}",))
def stop_transform_job(call: Call, request: Request) -> Result:
    """What has been written stays: each object's output is whole or not there."""
    return stop_job(call, TransformJob, request)


@operation("ListTransformJobs")
def list_transform_jobs(call: Call, request: Request) -> Result:
    return list_jobs(call, TransformJob, request, _show, order="Descending")


def _show(call: Call, job: TransformJob) -> Result:
    return summarize_job(call, job) | tell_outcome(call, job)


def _check_input(given: dict[str, Any]) -> None:
    where = "TransformInput."
    refuse_others(given, frozenset({"DataSource", "ContentType", "CompressionType", "SplitType"}), where)
    refuse_others(given["DataSource"], frozenset({"S3DataSource"}), f"{where}DataSource.")
    data = given["DataSource"]["S3DataSource"]
    refuse_others(data, frozenset({"S3DataType", "S3Uri"}), f"{where}DataSource.S3DataSource.")
    check_s3_uri(data["S3Uri"], f"{where}DataSource.S3DataSource.S3Uri")
    if data["S3DataType"] not in ("S3Prefix", "ManifestFile"):
        raise invalid(f"Ringfence does not implement {where}DataSource.S3DataSource.S3DataType {data['S3DataType']}.")


def _check_sizes(request: Request) -> None:
    """The text is ours."""
    payload, at_once = request.get("MaxPayloadInMB", 6), request.get("MaxConcurrentTransforms", 1)
    if payload > _LARGEST_MB or payload * at_once > _LARGEST_MB:
        raise invalid(
            f"MaxPayloadInMB and its product with MaxConcurrentTransforms must not be greater than {_LARGEST_MB} MB."
        )


def _check_processing(request: Request) -> None:
    """https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform-data-processing.html ; the texts are ours."""
    given = request.get("DataProcessing", {})
    refuse_others(given, frozenset({"InputFilter", "OutputFilter", "JoinSource"}), "DataProcessing.")
    filters = {member: given[member] for member in ("InputFilter", "OutputFilter") if given.get(member, "$") != "$"}
    for member, path in filters.items():
        try:
            read_path(path)
        except BadPath as bad:
            raise invalid(f"DataProcessing.{member}: '{path}' is no JSONPath of batch transform's: {bad}.") from None
    kind = request["TransformInput"].get("ContentType", "").partition(";")[0].strip()
    if (filters or given.get("JoinSource", "None") != "None") and kind not in (
        "text/csv", "application/json", "application/jsonlines",
    ):  # fmt: skip
        raise invalid("DataProcessing needs the ContentType text/csv, application/json or application/jsonlines.")
