"""DescribeAccountAttributes: the few facts about an account that old clients ask for."""

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.services.ec2 import noun, quota
from ringfence.services.ec2.operation import operation


@operation("DescribeAccountAttributes", takes="AttributeNames")
def describe_account_attributes(call: Call, request: Request) -> Result:
    default = noun.default_vpc(call)
    known = {
        "supported-platforms": "VPC",
        "default-vpc": default.id if default else "none",
        "max-instances": "0",  # there are no EC2 instances here
        "max-elastic-ips": str(quota.ELASTIC_IPS),
        "vpc-max-elastic-ips": str(quota.ELASTIC_IPS),
        "vpc-max-security-groups-per-interface": str(quota.GROUPS_PER_INTERFACE),
    }
    wanted = request.get("AttributeNames") or list(known)
    for name in wanted:
        if name not in known:
            raise ServiceError("InvalidParameterValue", f"Value ({name}) for parameter attributeName is invalid.")
    return {
        "AccountAttributes": [
            {"AttributeName": name, "AttributeValues": [{"AttributeValue": known[name]}]} for name in wanted
        ]
    }
