"""The role with which SageMaker makes what Studio needs in a VPC: network interfaces and groups. AWS makes it with the
first domain of an account; no user's role needs EC2 permissions for Studio.

https://docs.aws.amazon.com/sagemaker/latest/dg/security-iam-awsmanpol-notebooks.html
"""

import json

from ringfence.core import ids
from ringfence.core.arn import make_arn
from ringfence.core.call import Call
from ringfence.resources.iam import Role

ROLE_NAME = "AWSServiceRoleForAmazonSageMakerNotebooks"
ROLE_PATH = "/aws-service-role/sagemaker.amazonaws.com/"
_POLICY = "arn:aws:iam::aws:policy/aws-service-role/AmazonSageMakerNotebooksServiceRolePolicy"
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def role_arn(account: str) -> str:
    return make_arn("iam", "", account, f"role{ROLE_PATH}{ROLE_NAME}")


def ensure_role(call: Call) -> None:
    """Make it if the account does not have it."""
    if call.records.get(Role, f"{call.account}/{ROLE_NAME.lower()}") is None:
        call.records.put(
            Role(
                name=ROLE_NAME,
                account=call.account,
                id=ids.principal_id("AROA", call.entropy),
                created=call.now,
                path=ROLE_PATH,
                attached=(_POLICY,),
                trust=json.dumps(_TRUST),
            )
        )
