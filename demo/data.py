"""Second chapter: the roles, the bucket that only the gateway endpoint reaches, and the trained model in it."""

import json
from pathlib import Path
from typing import Any

from demo.story import Story
from demo.train import PROGRAM, train

# What a self-written policy of the execution role needs for models in a VPC.
# https://docs.aws.amazon.com/sagemaker/latest/dg/host-vpc.html
EC2_ACTIONS = [
    "ec2:DescribeVpcEndpoints",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeVpcs",
    "ec2:DescribeSubnets",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DeleteNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
    "ec2:CreateNetworkInterface",
]


def prepare(story: Story, bucket: str, scratch: Path, program: Path = PROGRAM) -> None:
    """Roles, bucket and model archive, with `program` in it; ARNs go into `story.facts`."""
    story.chapter("2  Roles, a bucket, a model")
    _roles(story, bucket)
    _bucket(story, bucket)
    _model(story, bucket, scratch, program)


def _roles(story: Story, bucket: str) -> None:
    iam = story.client("iam")
    hosting = [
        {"Effect": "Allow", "Action": EC2_ACTIONS, "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:ListBucket"],
            "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        },
    ]
    calling = [
        {
            "Effect": "Allow",
            "Action": ["sagemaker:InvokeEndpoint", "sagemaker:DescribeEndpoint"],
            "Resource": "*",
            "Condition": {"StringLike": {"aws:SourceVpce": "vpce-*"}},
        }
    ]
    with story.step("the execution role with the ten EC2 actions; a role for callers, bound to VPC endpoints") as line:
        roles = {
            "execution": _role(iam, "execution", "sagemaker", hosting),
            "app": _role(iam, "app", "ec2", calling),
        }
        story.facts["roles"] = roles
        line.note = "\n".join(roles.values())


def _role(iam: Any, name: str, service: str, statements: list[dict[str, Any]]) -> str:
    principals = {"Service": f"{service}.amazonaws.com"}
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": principals, "Action": "sts:AssumeRole"}],
    }
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    document = {"Version": "2012-10-17", "Statement": statements}
    iam.put_role_policy(RoleName=name, PolicyName="rights", PolicyDocument=json.dumps(document))
    return arn


def _bucket(story: Story, bucket: str) -> None:
    s3 = story.client("s3")
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "ExecutionRoleOnlyThroughTheEndpoint",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
                "Condition": {
                    "StringNotEquals": {"aws:SourceVpce": story.facts["s3_endpoint"]},
                    "ArnEquals": {"aws:PrincipalArn": story.facts["roles"]["execution"]},
                },
            }
        ],
    }
    with story.step(f"bucket {bucket}: the execution role reaches it through that gateway endpoint only"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": story.region})
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


def _model(story: Story, bucket: str, scratch: Path, program: Path) -> None:
    with story.step(
        "a scikit-learn classifier, trained on the iris data now, uploaded with its inference code"
    ) as line:
        archive, rows, classes, accuracy = train(scratch, program)
        story.client("s3").upload_file(str(archive), bucket, "iris/model.tar.gz")
        story.facts |= {"rows": rows, "classes": classes, "data": f"s3://{bucket}/iris/model.tar.gz"}
        line.note = f"{story.facts['data']}, accuracy {accuracy:.2f} on unseen rows"
