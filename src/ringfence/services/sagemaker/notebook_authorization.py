"""What IAM is asked about a notebook instance that is made or changed: condition keys, and what else must be allowed.

Not what the operations do. Read by `notebook_instance`.
"""

from typing import Any

from ringfence.core.arn import make_arn
from ringfence.core.call import Call, Request
from ringfence.core.operation import Keys, KeyValues
from ringfence.resources.notebook import NotebookLifecycleConfig
from ringfence.services.sagemaker.lookup import arn_of
from ringfence.services.sagemaker.tag import tagging_action, tagging_resources

ON = "notebook-instance/{NotebookInstanceName}"
PASSED = {"RoleArn": "sagemaker.amazonaws.com"}
_METADATA = "InstanceMetadataServiceConfiguration.MinimumInstanceMetadataServiceVersion"


def _lifecycle_arns(call: Call, request: Request) -> list[str]:
    name = request.get("LifecycleConfigName")
    return [arn_of(call, NotebookLifecycleConfig, name)] if name else []


KEYS: Keys = {
    "sagemaker:AcceleratorTypes": "AcceleratorTypes",
    "sagemaker:InstanceTypes": "InstanceType",
    "sagemaker:MinimumInstanceMetadataServiceVersion": _METADATA,
    "sagemaker:NotebookInstanceLifecycleConfigArns": _lifecycle_arns,
    "sagemaker:RootAccess": "RootAccess",
}


def _or_default(member: str, default: str) -> KeyValues:
    """The value that will hold: AWS does not say whether a key is there for what is left to its default, and a Deny of
    `Enabled` is to stop that too."""
    return lambda call, request: [request.get(member, default)]


def _metadata_version(call: Call, request: Request) -> list[str]:
    given = request.get("InstanceMetadataServiceConfiguration", {})
    return [given.get("MinimumInstanceMetadataServiceVersion", "1")]


def _in_vpc(*resources: str) -> Any:
    """What the caller needs for an instance in a VPC, beside what the role needs at its launch.

    https://docs.aws.amazon.com/sagemaker/latest/dg/api-permissions-reference.html
    """

    def arns(call: Call, request: Request) -> list[str]:
        if "SubnetId" not in request:
            return []
        named = [
            f"subnet/{request['SubnetId']}",
            *(f"security-group/{one}" for one in request.get("SecurityGroupIds", ())),
        ]
        wanted = [*resources, *named] if resources else []
        return [make_arn("ec2", call.region, call.account, one) for one in wanted] or ["*"]

    return arns


CREATE_KEYS: Keys = {
    **KEYS,
    "sagemaker:DirectInternetAccess": _or_default("DirectInternetAccess", "Enabled"),
    "sagemaker:RootAccess": _or_default("RootAccess", "Enabled"),
    "sagemaker:MinimumInstanceMetadataServiceVersion": _metadata_version,
    "sagemaker:VolumeKmsKeyArn": "KmsKeyId",
    "sagemaker:VpcSecurityGroupIds": "SecurityGroupIds",
    "sagemaker:VpcSubnets": "SubnetId",
    **tagging_action("CreateNotebookInstance"),
}

CREATE_ALSO = (
    ("sagemaker:AddTags", tagging_resources(ON)),
    ("ec2:DescribeSubnets", _in_vpc()),
    ("ec2:DescribeSecurityGroups", _in_vpc()),
    ("ec2:DescribeVpcs", _in_vpc()),
    ("ec2:CreateNetworkInterface", _in_vpc("network-interface/*")),
)
