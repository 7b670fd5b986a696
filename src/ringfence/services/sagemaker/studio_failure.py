"""What an app's FailureReason says of its network. Written by `reconcile` when it has happened, by `explain` when it is
going to."""

# https://github.com/data-dot-all/dataall/issues/351
NO_SAGEMAKER = (
    "SageMaker studio is unable to reach SageMaker Endpoint. Please ensure your VPC has connectivity to SageMaker via "
    "Internet or VPC Endpoint"
)
NFS_PORT = 2049


def no_home(mount_target: str, subnet: str) -> str:
    """Ours: AWS's text is not published."""
    return (
        f"The home directory could not be mounted: the mount target {mount_target} in {subnet} does not answer on port "
        f"{NFS_PORT}. Please ensure that the security groups for NFS have their rules and that the network ACLs let "
        "NFS pass."
    )
