"""The execution role that a model or a job names: whether it is there and SageMaker may assume it.

Called by the operations that create them, before anything is made.
"""

from ringfence.core.arn import parse_arn
from ringfence.core.call import Call, Principal
from ringfence.core.errors import ServiceError
from ringfence.resources.iam import Role
from ringfence.services.sagemaker.refusal import invalid

SERVICE = "sagemaker.amazonaws.com"


def find_role(call: Call, arn: str, owner: str) -> Role | None:
    """The role, one of the caller's account, as used for `owner`; None if absent or not trusting SageMaker."""
    parsed = parse_arn(arn)
    if parsed is None or parsed.account != call.account:
        raise invalid("RoleArn: Cross-account pass role is not allowed.")
    role = call.records.get(Role, f"{call.account}/{parsed.name.lower()}")
    # https://docs.aws.amazon.com/sagemaker/latest/dg/security-confused-deputy-prevention.html
    service = Principal("service", call.account, SERVICE, SERVICE, service=SERVICE, source_arn=owner)
    if role is None or role.arn != arn or not call.may(service, "sts:AssumeRole", arn):
        return None
    return role


def session_of(call: Call, role: Role) -> Principal:
    """Who SageMaker is once it has assumed the role."""
    return Principal(
        kind="role",
        account=role.account,
        arn=f"arn:aws:sts::{role.account}:assumed-role/{role.name}/SageMaker",
        id=f"{role.id}:SageMaker",
        role_arn=role.arn,
        session_name="SageMaker",
        token_issued=call.now,
    )


def not_assumable(arn: str) -> ServiceError:
    """Where there is no data to speak of."""
    return invalid(
        f"Could not assume role {arn}. Please ensure that the role exists and allows principal '{SERVICE}' to "
        "assume the role."
    )
