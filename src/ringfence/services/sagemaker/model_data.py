"""CreateModel's look at the data of a model without a VpcConfig.

Records and policies only: what the role may do is asked of the gateway's authorizer (`Call.may`), from outside any VPC,
so a bucket that admits one VPC endpoint alone refuses it, as with AWS.
"""

from ringfence.core.call import Call
from ringfence.core.errors import ServiceError
from ringfence.resources.iam import Role
from ringfence.resources.s3 import Bucket, S3Object
from ringfence.services.sagemaker.container import ModelData
from ringfence.services.sagemaker.execution_role import SERVICE, session_of
from ringfence.services.sagemaker.refusal import invalid


def check_model_data(call: Call, role_arn: str, role: Role | None, data: ModelData) -> None:
    """The data is there, in this region, and the role may read it."""
    bucket = call.records.get(Bucket, data.bucket)
    if role is None or (bucket is not None and bucket.region != call.region):
        raise _inaccessible(call, role_arn, data)
    who = session_of(call, role)
    action, arn = "s3:GetObject", f"arn:aws:s3:::{data.bucket}/{data.key}"
    if data.form in ("prefix", "models"):
        action, arn = "s3:ListBucket", f"arn:aws:s3:::{data.bucket}"
    if not call.may(who, action, arn):
        raise _inaccessible(call, role_arn, data)
    if data.form != "models" and not _exists(call, data):  # models may come later
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
        f'"{SERVICE}". Also ensure that the role has "s3:GetObject" permissions and that the object is located in '
        f"{call.region}. If your Model uses multiple models or uncompressed models, please ensure that the role has "
        '"s3:ListBucket" permission.'
    )
