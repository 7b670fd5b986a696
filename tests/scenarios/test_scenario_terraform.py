"""The calls that Terraform's AWS provider makes for SageMaker's resources: create, wait, read, change, delete.

Replayed with boto3, with the provider's members; what it then reads must be what was asked for, no more and no less, or
the next plan shows a difference. It knows what is gone by error codes and texts, which are held here too.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo.story import Story
from tests.patience import eventually
from tests.scenarios.hosting import IMAGE, Hosting
from tests.scenarios.studio import Studio

pytestmark = [pytest.mark.root, pytest.mark.slow]

TAGS = [{"Key": "Name", "Value": "tf"}]


def differs(asked: Any, read: Any) -> Any:
    """What of `asked` is not in `read` as it was asked; None if nothing. Lists of strings are sets."""
    if isinstance(asked, dict):
        found = {name: differs(value, read.get(name)) for name, value in asked.items()}
        return {name: value for name, value in found.items() if value is not None} or None
    if isinstance(asked, list) and asked and isinstance(asked[0], dict):
        if len(asked) != len(read or ()):
            return (asked, read)
        return [one for one in map(differs, asked, read) if one is not None] or None
    same = sorted(asked) == sorted(read or ()) if isinstance(asked, list) else asked == read
    return None if same else (asked, read)


def refusal(call: Callable[..., Any], **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return str(error["Code"]), str(error["Message"])


def until(look: Callable[[], Any], wanted: Any, pending: tuple[Any, ...]) -> None:
    """As the provider's waiters do: a status that is neither wanted nor pending is an error."""
    seen = eventually(look, lambda seen: seen not in pending, seconds=200, pause=0.3)
    assert seen == wanted


def retag(sagemaker: Any, arn: str) -> None:
    """`tags` changes in place: what goes, what comes; the list afterwards is what the plan has."""
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == TAGS
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["Name"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == []
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "other", "Value": ""}])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "other", "Value": ""}]


def gone(look: Callable[[], str]) -> None:
    """Deleting, then not to be found."""

    def seen() -> str:
        try:
            return look()
        except ClientError as error:
            return str(error.response["Error"]["Code"])

    assert eventually(seen, lambda status: status != "Deleting", pause=0.3) == "ResourceNotFound"


def make_model(story: Story, hosting: Hosting) -> None:
    sagemaker = hosting.sagemaker
    model = {
        "ModelName": "tf",
        "PrimaryContainer": {
            "Image": IMAGE,
            "Mode": "SingleModel",
            "ModelDataUrl": story.facts["data"],
            "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
        },
        "ExecutionRoleArn": story.facts["roles"]["execution"],
        "VpcConfig": hosting.vpc_config(),
    }
    arn = sagemaker.create_model(**model, Tags=TAGS)["ModelArn"]
    read = sagemaker.describe_model(ModelName="tf")
    assert differs({**model, "ModelArn": arn, "EnableNetworkIsolation": False}, read) is None
    assert not {"Containers", "InferenceExecutionConfig"} & read.keys(), "blocks that were not written are not read"
    retag(sagemaker, arn)


def make_configuration(sagemaker: Any, name: str) -> None:
    variant = {
        "VariantName": "one",
        "ModelName": "tf",
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
        "InitialVariantWeight": 1.0,
        "ModelDataDownloadTimeoutInSeconds": 120,
        "ContainerStartupHealthCheckTimeoutInSeconds": 60,
    }
    config = {"EndpointConfigName": name, "ProductionVariants": [variant]}
    arn = sagemaker.create_endpoint_config(**config, Tags=TAGS)["EndpointConfigArn"]
    read = sagemaker.describe_endpoint_config(EndpointConfigName=name)
    assert differs({**config, "EndpointConfigArn": arn}, read) is None
    assert not {"DataCaptureConfig", "AsyncInferenceConfig", "ShadowProductionVariants", "KmsKeyId"} & read.keys()
    assert not {"ServerlessConfig", "CoreDumpConfig", "RoutingConfig"} & read["ProductionVariants"][0].keys()
    retag(sagemaker, arn)


def test_aws_sagemaker_model_endpoint_configuration_endpoint(story: Story, hosting: Hosting) -> None:
    sagemaker = hosting.sagemaker
    make_model(story, hosting)
    for name in ("tf-1", "tf-2"):
        make_configuration(sagemaker, name)
    made = sagemaker.create_endpoint(EndpointName="tf", EndpointConfigName="tf-1", Tags=TAGS)["EndpointArn"]

    def status() -> str:
        return str(sagemaker.describe_endpoint(EndpointName="tf")["EndpointStatus"])

    try:
        until(status, "InService", ("Creating",))
        read = sagemaker.describe_endpoint(EndpointName="tf")
        assert differs({"EndpointName": "tf", "EndpointArn": made, "EndpointConfigName": "tf-1"}, read) is None
        assert "LastDeploymentConfig" not in read
        retag(sagemaker, made)
        sagemaker.update_endpoint(EndpointName="tf", EndpointConfigName="tf-2")
        until(status, "InService", ("Updating",))
        assert sagemaker.describe_endpoint(EndpointName="tf")["EndpointConfigName"] == "tf-2"
    finally:
        sagemaker.delete_endpoint(EndpointName="tf")
    eventually(lambda: sagemaker.list_endpoints(NameContains="tf")["Endpoints"], lambda left: not left, pause=0.3)
    for name in ("tf-1", "tf-2"):
        sagemaker.delete_endpoint_config(EndpointConfigName=name)
    sagemaker.delete_model(ModelName="tf")
    for noun, text in (("endpoint", "endpoint"), ("endpoint_config", "endpoint configuration"), ("model", "model")):
        member = {"".join(part.title() for part in noun.split("_")) + "Name": "tf"}
        for verb in ("describe", "delete"):
            code, message = refusal(getattr(sagemaker, f"{verb}_{noun}"), **member)
            assert (code, message.startswith(f"Could not find {text}")) == ("ValidationException", True), message


def test_aws_sagemaker_feature_group(story: Story) -> None:
    """`ResourceNotFound` is how the provider knows that one is gone."""
    iam, sagemaker = story.client("iam"), story.client("sagemaker")
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName="tf-features", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    group = {
        "FeatureGroupName": "tf",
        "RecordIdentifierFeatureName": "id",
        "EventTimeFeatureName": "at",
        "RoleArn": role,
        "Description": "people",
        "FeatureDefinitions": [{"FeatureName": name, "FeatureType": "String"} for name in ("id", "at")],
        "OnlineStoreConfig": {"EnableOnlineStore": True},
    }
    arn = sagemaker.create_feature_group(**group, Tags=TAGS)["FeatureGroupArn"]

    def status() -> str:
        return str(sagemaker.describe_feature_group(FeatureGroupName="tf")["FeatureGroupStatus"])

    until(status, "Created", ("Creating",))
    read = sagemaker.describe_feature_group(FeatureGroupName="tf")
    assert differs({**group, "FeatureGroupArn": arn}, read) is None
    assert "OfflineStoreConfig" not in read
    retag(sagemaker, arn)
    sagemaker.delete_feature_group(FeatureGroupName="tf")
    gone(status)


def test_aws_sagemaker_domain_and_user_profile(story: Story, studio: Studio) -> None:
    sagemaker = studio.sagemaker
    asked = {
        "DomainName": "tf",
        "AuthMode": "IAM",
        "VpcId": story.facts["vpc"],
        "SubnetIds": story.facts["subnets"],
        "AppNetworkAccessType": "VpcOnly",
        "DefaultUserSettings": {"ExecutionRole": studio.role, "SecurityGroups": [studio.group]},
    }
    arn = sagemaker.create_domain(**asked, Tags=TAGS)["DomainArn"]
    id = arn.rpartition("/")[2]
    studio.domains.append(id)

    def status() -> str:
        return str(sagemaker.describe_domain(DomainId=id)["Status"])

    until(status, "InService", ("Pending",))
    read = sagemaker.describe_domain(DomainId=id)
    assert differs({**asked, "DomainArn": arn, "DomainId": id}, read) is None
    assert read["HomeEfsFileSystemId"] and read["Url"]
    retag(sagemaker, arn)
    profile = {"DomainId": id, "UserProfileName": "ada", "UserSettings": {"ExecutionRole": studio.role}}
    made = sagemaker.create_user_profile(**profile, Tags=TAGS)["UserProfileArn"]
    named = {"DomainId": id, "UserProfileName": "ada"}

    def profile_status() -> str:
        return str(sagemaker.describe_user_profile(**named)["Status"])

    until(profile_status, "InService", ("Pending",))
    assert differs({**profile, "UserProfileArn": made}, sagemaker.describe_user_profile(**named)) is None
    retag(sagemaker, made)
    changed = {"ExecutionRole": studio.role, "SecurityGroups": [studio.group]}
    sagemaker.update_user_profile(**named, UserSettings=changed)
    until(profile_status, "InService", ("Updating",))
    assert differs({"UserSettings": changed}, sagemaker.describe_user_profile(**named)) is None
    sagemaker.delete_user_profile(**named)
    gone(profile_status)
    assert refusal(sagemaker.delete_user_profile, **named)[0] == "ResourceNotFound"
    assert refusal(sagemaker.describe_domain, DomainId="d-000000000000")[0] == "ResourceNotFound"
