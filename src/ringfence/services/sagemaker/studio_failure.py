"""What an app's FailureReason says of its network and its container. Written by `reconcile` when it has happened, by
`explain` when it is going to."""

# https://github.com/data-dot-all/dataall/issues/351
NO_SAGEMAKER = (
    "SageMaker studio is unable to reach SageMaker Endpoint. Please ensure your VPC has connectivity to SageMaker via "
    "Internet or VPC Endpoint"
)
NFS_PORT = 2049
LOG_GROUP = "/aws/sagemaker/studio"
_SEE = f"See its log in {LOG_GROUP}."


def no_home(mount_target: str, subnet: str) -> str:
    """Ours: AWS's text is not published."""
    return (
        f"The home directory could not be mounted: the mount target {mount_target} in {subnet} does not answer on port "
        f"{NFS_PORT}. Please ensure that the security groups for NFS have their rules and that the network ACLs let "
        "NFS pass."
    )


def script_failed(config_arn: str) -> str:
    """These are ours in wording: AWS's are not published."""
    return f"The lifecycle configuration {config_arn} failed. {_SEE}"


def script_too_long(config_arn: str) -> str:
    return f"The lifecycle configuration {config_arn} took longer than 5 minutes. {_SEE}"


def no_answer(app_type: str, seconds: float) -> str:
    return f"The {app_type} app did not answer within {seconds:.0f} seconds. {_SEE}"


def no_memory(app_type: str, instance_type: str) -> str:
    return f"The {app_type} app ran out of the memory of {instance_type}. {_SEE}"


def ended(app_type: str, code: int | None) -> str:
    return f"The {app_type} app ended with exit code {code}. {_SEE}"


def is_of_container(reason: str) -> bool:
    """Whether it is one of those above, about which the app's log says more."""
    return reason.endswith(_SEE)
