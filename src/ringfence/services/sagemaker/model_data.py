"""CreateModel's look at the execution role and, for a model without a VpcConfig, at its model data."""

from ringfence.core.arn import parse_arn
from ringfence.core.call import Call, Request
from ringfence.resources.iam import Role
from ringfence.resources.s3 import Bucket
from ringfence.services.sagemaker.container import ModelData
from ringfence.services.sagemaker.refusal import invalid, null_member


def check_role(call: Call, request: Request) -> None:
    """The execution role is one of the caller's account and exists."""
    arn = request.get("ExecutionRoleArn")
    if arn is None:
        raise null_member("executionRoleArn")
    parsed = parse_arn(arn)
    if parsed is None or parsed.account != call.account:
        raise invalid("RoleArn: Cross-account pass role is not allowed.")
    if _role(call, arn) is None:
        raise invalid(
            f"Could not assume role {arn}. Please ensure that the role exists and allows principal "
            "'sagemaker.amazonaws.com' to assume the role."
        )


def check_model_data(call: Call, role_arn: str, data: ModelData) -> None:
    """The object is there, and the role may read it."""
    bucket = call.records.get(Bucket, data.bucket)
    if bucket is None:
        raise invalid(f"Could not find model data at {data.url}.")


def _role(call: Call, arn: str) -> Role | None:
    found = call.records.get(Role, f"{call.account}/{arn.rpartition('/')[2].lower()}")
    return found if found is not None and found.arn == arn else None
