"""CreateModel's look at the execution role and, for a model without a VpcConfig, at its model data.

Records and policies only: what the role may do is asked of the gateway's authorizer (`Call.may`), from outside any VPC,
so a bucket that admits one VPC endpoint alone refuses it, as with AWS.
"""

from ringfence.core.arn import parse_arn
from ringfence.core.call import Call, Principal, Request
from ringfence.core.errors import ServiceError
from ringfence.resources.iam import Role
from ringfence.resources.s3 import Bucket, S3Object
from ringfence.services.sagemaker.container import ModelData
from ringfence.services.sagemaker.refusal import invalid, null_member

_SERVICE = "sagemaker.amazonaws.com"


def check_role(call: Call, request: Request) -> Role | None:
    """The execution role, one of the caller's account; None if it is absent or does not trust SageMaker."""
    arn = request.get("ExecutionRoleArn")
    if arn is None:
        raise null_member("executionRoleArn")
    parsed = parse_arn(arn)
    if parsed is None or parsed.account != call.account:
        raise invalid("RoleArn: Cross-account pass role is not allowed.")
    role = call.records.get(Role, f"{call.account}/{parsed.name.lower()}")
    # https://docs.aws.amazon.com/sagemaker/latest/dg/security-confused-deputy-prevention.html
    model = call.arn("sagemaker", f"model/{request['ModelName']}")
    service = Principal("service", call.account, _SERVICE, _SERVICE, service=_SERVICE, source_arn=model)
    if role is None or role.arn != arn or not call.may(service, "sts:AssumeRole", arn):
        return None
    return role


def not_assumable(arn: str) -> ServiceError:
    """Where there is no model data to speak of."""
    return invalid(
        f"Could not assume role {arn}. Please ensure that the role exists and allows principal '{_SERVICE}' to "
        "assume the role."
    )


def check_model_data(call: Call, role_arn: str, role: Role | None, data: ModelData) -> None:
    """The data is there, in this region, and the role may read it."""
    bucket = call.records.get(Bucket, data.bucket)
    if role is None or (bucket is not None and bucket.region != call.region):
        raise _inaccessible(call, role_arn, data)
    who = Principal(
        kind="role",
        account=role.account,
        arn=f"arn:aws:sts::{role.account}:assumed-role/{role.name}/SageMaker",
        id=f"{role.id}:SageMaker",
        role_arn=role.arn,
        session_name="SageMaker",
        token_issued=call.now,
    )
    action, arn = "s3:GetObject", f"arn:aws:s3:::{data.bucket}/{data.key}"
    if data.form == "prefix":
        action, arn = "s3:ListBucket", f"arn:aws:s3:::{data.bucket}"
    if not call.may(who, action, arn):
        raise _inaccessible(call, role_arn, data)
    if not _exists(call, data):
        raise invalid(f"Could not find model data at {data.url}.")


def _exists(call: Call, data: ModelData) -> bool:
    if data.form == "prefix":
        return next(call.records.scan(S3Object, f"{data.bucket}\0{data.key}"), None) is not None
    return call.records.get(S3Object, f"{data.bucket}\0{data.key}") is not None


def _inaccessible(call: Call, role_arn: str, data: ModelData) -> ServiceError:
    """https://github.com/aws/sagemaker-python-sdk/issues/3755"""
    return invalid(
        f'Could not access model data at {data.url}. Please ensure that the role "{role_arn}" exists and that its '
        'trust relationship policy allows the action "sts:AssumeRole" for the service principal '
        f'"{_SERVICE}". Also ensure that the role has "s3:GetObject" permissions and that the object is located in '
        f"{call.region}. If your Model uses multiple models or uncompressed models, please ensure that the role has "
        '"s3:ListBucket" permission.'
    )
