"""What an endpoint's FailureReason says, in AWS's words where they are known; ours are marked.

Written by `reconcile` when it has happened, by `explain` when it is going to. Each text's source is the thread in which
somebody met it.
"""

from collections.abc import Sequence

from ringfence.runtime.builtin.registry import what_to_install

# https://github.com/aws/sagemaker-python-sdk/issues/3026
INTERNAL_ERROR = "InternalServerError: We encountered an internal error.  Please try again."

# "at least two private IP addresses for each instance", of a model as of a job
# https://docs.aws.amazon.com/sagemaker/latest/dg/host-vpc.html
# https://docs.aws.amazon.com/sagemaker/latest/dg/process-vpc.html
ADDRESSES_EACH = 2

# ours, on EC2's code: SageMaker's text is not published
NO_ADDRESSES = (
    "InsufficientFreeAddressesInSubnet: The specified subnets do not have enough free addresses to satisfy the "
    f"request: SageMaker needs at least {ADDRESSES_EACH} private IP addresses for each instance."
)


def alarms_raised(names: Sequence[str]) -> str:
    """Ours: SageMaker's text is not published."""
    shown = ", ".join(names)
    return f"The deployment was rolled back because of alarms of its AutoRollbackConfiguration in ALARM: {shown}."


# "within the allotted 180 second timeout"
SERVERLESS_SECONDS = 180


def not_stood_up() -> str:
    """Of a serverless endpoint: https://github.com/plantonhq/planton ; the second sentence is (recalled)."""
    return (
        f"Unable to successfully stand up your model within the allotted {SERVERLESS_SECONDS} second timeout. Please "
        "ensure that downloading your model artifacts, starting your model container and passing the ping health "
        f"checks can be completed within {SERVERLESS_SECONDS} seconds."
    )


def image_missing(variant: str, image: str) -> str:
    """https://github.com/aws/amazon-sagemaker-examples/issues/275"""
    text = (
        f"Please make sure all images included in the model for the production variant {variant} exist, and that the "
        "execution role used to create the model has permissions to access them."
    )
    return text + not_installed(image)


def not_installed(image: str) -> str:
    """Ours, after AWS's text, of a built-in image that is not there; of any other image nothing."""
    todo = what_to_install(image)
    return f" {todo}, then try again." if todo else ""


def dhcp_incomplete(options_id: str, servers: Sequence[str], domain: Sequence[str]) -> str:
    """https://github.com/aws/sagemaker-python-sdk/issues/3955"""
    shown = " ".join(domain) or "<nil>"
    return (
        "ClientError: expected DHCP options to include keys domain-name-servers and domain-name, but missing one or "
        f"more attributes: {{DhcpOptionsId:{options_id} DomainNameServers:[{' '.join(servers)}] "
        f"DomainNameSearch:{shown}}}.Please refer to "
        "https://docs.aws.amazon.com/vpc/latest/userguide/DHCPOptionSet.html for more details"
    )


def role_refused(arn: str) -> str:
    return (
        f"Could not assume role {arn}. Please ensure that the role exists and allows principal "
        "'sagemaker.amazonaws.com' to assume the role."
    )


def data_refused(url: str, number: int = 1) -> str:
    """S3 answered, and not with the data. https://github.com/aws-samples/cvat-on-aws-china/issues/3"""
    return (
        f'Failed to download model data for container "container_{number}" from URL: "{url}". Please ensure that '
        "there is an object located at the URL and that the role passed to CreateModel has permissions to download the "
        "object."
    )


def data_unreachable(url: str) -> str:
    """S3 did not answer."""
    return (
        f'Failed to download model data from URL "{url}". Please ensure that an S3 VPC endpoint exists in route table '
        "or NAT gateway for the VPC mode and the URL is reachable from within the subnets provided."
    )


def label_missing(image: str, label: str) -> str:
    """(recalled) from those who deployed images that were not made for it."""
    return f"Your Ecr Image {image} does not contain required {label}=true Docker label(s)."


def cannot_start(variant: str) -> str:
    """https://github.com/aws/sagemaker-python-sdk/issues/4615"""
    return (
        f"CannotStartContainerError. Please ensure the model container for variant {variant} starts correctly when "
        "invoked with 'docker run <image> serve'"
    )


def no_ping(variant: str, container: str = "primary") -> str:
    """https://github.com/aws/sagemaker-python-sdk/issues/155"""
    return (
        f"The {container} container for production variant {variant} did not pass the ping health check. Please check "
        "CloudWatch logs for this endpoint."
    )
