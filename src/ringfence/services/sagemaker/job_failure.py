"""What a job's FailureReason says, in AWS's words where they are known; ours are marked.

Written by `reconcile` when it has happened, by `explain` when it is going to. Each text's source is the thread in
which somebody met it.
"""

from ringfence.services.sagemaker.failure_reason import not_installed

# What such a reason begins with is no fault of the job's: RetryStrategy is for it.
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_RetryStrategy.html
INTERNAL = "InternalServerError"
_LONGEST = 1024
# ours: AWS's machines always can
CANNOT_ENCRYPT = (
    "InternalServerError: Inter-container traffic encryption needs /dev/net/tun on the machine of Ringfence: load the "
    "kernel module tun."
)
# ours: AWS does not say what happens to a job whose instance is lost
HOST_LOST = "InternalServerError: The instance that ran the container was lost. Please create the job again."


def image_missing(image: str) -> str:
    """https://github.com/aws/amazon-sagemaker-examples/issues/2333"""
    text = f"ClientError: API error (404): manifest for {image} not found: manifest unknown: Requested image not found"
    more = not_installed(image)
    return f"{text}.{more}" if more else text


def cannot_start(image: str, why: str) -> str:
    """(recalled), with the runtime's own words."""
    return (
        "AlgorithmError: CannotStartContainerError. Please make sure the container can be run with 'docker run "
        f"{image}'. {why}"
    )


def download_unreachable(noun: str, uri: str) -> str:
    """S3 did not answer. https://github.com/aws-samples/sagemaker-run-notebook/issues/32 for processing."""
    if noun == "ProcessingJob":
        return (
            f"ClientError: Failed to download data. ListObjectsV2 failed for {uri} nextToken:[null]: Unable to "
            "execute request to S3"
        )
    return f"ClientError: Data download failed:{_NETWORK}"


def upload_unreachable(noun: str) -> str:
    """https://github.com/aws/amazon-sagemaker-operator-for-k8s/issues/22 ; processing's is ours after it."""
    failed = "Failed to upload data. " if noun == "ProcessingJob" else "Artifact upload failed:"
    return f"ClientError: {failed}{_NETWORK}"


def download_refused(noun: str, uri: str, code: str, status: int, message: str) -> str:
    """S3 refused. https://github.com/aws/amazon-sagemaker-examples/issues/4384 for training, processing's (recalled)"""
    if noun == "ProcessingJob":
        return f"ClientError: Failed to download data. Cannot download {uri}: {code} ({status}): {message}"
    return f"ClientError: Data download failed:Unable to download object {uri} ({code}: {message})"


def upload_refused(noun: str, uri: str, code: str, status: int, message: str) -> str:
    """(recalled)"""
    if noun == "ProcessingJob":
        return f"ClientError: Failed to upload data to {uri}: {code} ({status}): {message}"
    return f"ClientError: Artifact upload failed:{code} ({status}): {message}"


def nothing_found(noun: str, uri: str, role_arn: str, region: str) -> str:
    """The text that CreateTrainingJob has: https://github.com/aws/amazon-sagemaker-examples/issues/2489"""
    bucket = uri.removeprefix("s3://").partition("/")[0]
    failed = "Failed to download data. " if noun == "ProcessingJob" else "Data download failed:"
    return f"ClientError: {failed}{no_objects(uri, bucket, role_arn, region)}"


def no_objects(uri: str, bucket: str, role_arn: str, region: str) -> str:
    return (
        f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket exists '
        f"in the selected region ({region}), that objects exist under that S3 prefix, and that the role "
        f'"{role_arn}" has "s3:ListBucket" permissions on bucket "{bucket}".'
    )


def clash(noun: str, uri: str) -> str:
    """Two objects want one path, or a key leads out of the directory. (recalled)"""
    failed = "Failed to download data. " if noun == "ProcessingJob" else "Data download failed:"
    return f"ClientError: {failed}Cannot download {uri}, a previously downloaded file/folder clashes with it."


def bad_manifest(noun: str, uri: str) -> str:
    """ours"""
    failed = "Failed to download data. " if noun == "ProcessingJob" else "Data download failed:"
    return f"ClientError: {failed}The manifest {uri} is not a JSON list of a prefix and keys."


def bad_augmented_manifest(uri: str, attributes: tuple[str, ...]) -> str:
    """ours"""
    return (
        f"ClientError: Data download failed:The augmented manifest {uri} is not a JSON object a line, each with the "
        f"attributes {', '.join(attributes)}; of those that end with -ref the S3 URI of an object."
    )


def volume_too_small(noun: str, gigabytes: int) -> str:
    """ours, after what the forums cite"""
    failed = "Failed to download data. " if noun == "ProcessingJob" else "Data download failed:"
    return (
        f"ClientError: {failed}Insufficient disk space: the input does not fit into the volume of {gigabytes} GB. "
        "Please choose a larger VolumeSizeInGB."
    )


def no_file_system(why: str) -> str:
    """ours: AWS's instances always can"""
    return f"InternalServerError: FastFile mode needs FUSE, which this machine does not offer: {why}."


def object_too_large(uri: str) -> str:
    """ours: a RecordIO record has 29 bits for its length"""
    return f"ClientError: Data download failed:{uri} does not fit into a RecordIO record, which has less than 512 MiB."


# ours: AWS does not restart what feeds an instance
STREAM_LOST = (
    "InternalServerError: The daemon that streamed the input was restarted while the container read it. Please create "
    "the job again, or use File mode."
)


def transform_failed(*, client: bool) -> str:
    """What the data logs say more of. https://github.com/aws/sagemaker-python-sdk/issues/1033"""
    return f"{'ClientError' if client else 'AlgorithmError'}: See job logs for more information"


# ours, after hosting's
NO_PING = "AlgorithmError: The model container did not pass the ping health check. See job logs for more information"


def algorithm_failed(code: int, said: str) -> str:
    """Of a processing container nothing is `said`: what it tells is the job's ExitMessage.

    https://github.com/aws-samples/amazon-sagemaker-ml-pipeline-deploy-with-terraform/issues/12 has it of a container
    that said nothing. The code stays, however much was said: "Length Constraints: Maximum length of 1024"
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html
    """
    begun, ended = "AlgorithmError: ", f", exit code: {code}"
    return f"{begun}{said[: _LONGEST - len(begun) - len(ended)]}{ended}"


# (recalled)
OUT_OF_MEMORY = (
    "ClientError: Please use an instance type with more memory, or reduce the size of job data processed on an "
    "instance."
)

# M4 of public threads: https://github.com/aws/amazon-sagemaker-operator-for-k8s/issues/22
_NETWORK = (
    "Please ensure that the subnet's route table has a route to an S3 VPC endpoint or a NAT device, and both the "
    "security groups and the subnet's network ACL allow outbound traffic to S3."
)
