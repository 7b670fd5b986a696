"""CreateTrainingJob's and CreateTransformJob's look at their input, of a job without a VpcConfig.

Records and policies only: what the role may do is asked of the gateway's authorizer (`Call.may`), from outside any VPC.
Through a VPC it is looked at when the job downloads it, since a bucket that admits only the VPC would refuse this look.
CreateProcessingJob does not look. Called by `job`.
"""

from ringfence.core.call import Call
from ringfence.resources.iam import Role
from ringfence.resources.s3 import S3Object
from ringfence.services.sagemaker.execution_role import session_of
from ringfence.services.sagemaker.job_failure import no_objects
from ringfence.services.sagemaker.job_plan import JobPlan, bucket_and_key
from ringfence.services.sagemaker.refusal import invalid


def check_input_data(call: Call, role: Role, plan: JobPlan) -> None:
    """ValidationException for a prefix under which nothing is, or that the role may not list.

    https://github.com/aws/amazon-sagemaker-examples/issues/2489 for training
    https://github.com/aws/amazon-sagemaker-examples/issues/2270 for transform
    """
    if plan.noun == "ProcessingJob" or plan.subnet_ids:
        return
    for source in plan.sources:
        if source.kind != "S3Prefix" or source.optional:
            continue
        bucket, prefix = bucket_and_key(source.uri)
        listed = call.may(session_of(call, role), "s3:ListBucket", f"arn:aws:s3:::{bucket}")
        if not listed or next(call.records.scan(S3Object, f"{bucket}\0{prefix}"), None) is None:
            raise invalid(no_objects(source.uri, bucket, plan.role_arn, call.region))
