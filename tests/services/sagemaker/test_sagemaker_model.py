from typing import Any

import pytest
from sagemaker_caller import ACCOUNT, IMAGE, NOW, ROLE, VPC_CONFIG, SageMaker, allow, role, trust

ARN = f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:model/model"
DATA = {"Image": IMAGE, "ModelDataUrl": "s3://models/a/model.tar.gz"}
SOURCE = {
    "ModelDataSource": {"S3DataSource": {"S3Uri": "s3://models/a", "S3DataType": "S3Prefix", "CompressionType": "None"}}
}

# what DescribeModel tells of DATA beside what was asked for
SHOWN = {
    "Mode": "SingleModel",
    "Environment": {},
    "ModelDataSource": {
        "S3DataSource": {"S3Uri": DATA["ModelDataUrl"], "S3DataType": "S3Object", "CompressionType": "Gzip"}
    },
}


@pytest.mark.statement("S0.2", "S0.9", "S3.6", "S3.9")
def test_create_describe_delete(sagemaker: SageMaker) -> None:
    assert sagemaker.model(VpcConfig=VPC_CONFIG, Tags=[{"Key": "k", "Value": "v"}]) == ARN
    described = sagemaker("DescribeModel", ModelName="model")
    assert described == {
        "ModelName": "model",
        "ModelArn": ARN,
        "PrimaryContainer": {**DATA, **SHOWN},
        "ExecutionRoleArn": ROLE,
        "VpcConfig": VPC_CONFIG,
        "CreationTime": NOW,
        "EnableNetworkIsolation": False,
    }
    assert sagemaker("ListTags", ResourceArn=ARN) == {"Tags": [{"Key": "k", "Value": "v"}]}
    sagemaker("DeleteModel", ModelName="model")
    for name in ("DescribeModel", "DeleteModel"):
        error = sagemaker.error(name, ModelName="model")
        assert (error.code, error.message, error.status) == (
            "ValidationException",
            f'Could not find model "{ARN}".',
            400,
        )


def test_a_name_is_used_once(sagemaker: SageMaker) -> None:
    sagemaker.model()
    error = sagemaker.error("CreateModel", ModelName="model", PrimaryContainer=DATA, ExecutionRoleArn=ROLE)
    assert error.message == f'Cannot create already existing model "{ARN}".'


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"VpcConfig": {**VPC_CONFIG, "Subnets": ["subnet-x"]}}, "The subnet ID 'subnet-x' does not exist"),
        ({"VpcConfig": {**VPC_CONFIG, "SecurityGroupIds": ["sg-x"]}}, "The security group 'sg-x' does not exist"),
        ({"VpcConfig": {**VPC_CONFIG, "Subnets": ["subnet-a", "subnet-far"]}}, "same VPC"),
        ({"VpcConfig": {**VPC_CONFIG, "SecurityGroupIds": ["sg-far"]}}, "belong to different networks"),
        ({"PrimaryContainer": {"Image": IMAGE, "Mode": "MultiModel"}}, "Value null at 'primaryContainer.modelDataUrl'"),
        ({"PrimaryContainer": {"Image": IMAGE, "Mode": "MultiModel", **SOURCE}}, "PrimaryContainer.ModelDataSource"),
        ({"PrimaryContainer": {**DATA, "MultiModelConfig": {}}}, "PrimaryContainer.MultiModelConfig can only be"),
        ({"PrimaryContainer": {**DATA, "Mode": "MultiModel"}}, '"s3:ListBucket" permission'),
        ({"PrimaryContainer": {"Image": "nginx:latest"}}, 'Using non-ECR image "nginx:latest"'),
        ({"PrimaryContainer": {}}, "Value null at 'primaryContainer.image'"),
        ({"PrimaryContainer": {"ModelPackageName": "p", "Image": IMAGE}}, "PrimaryContainer.ModelPackageName"),
        ({"PrimaryContainer": {**DATA, "ModelDataUrl": "https://example.com/x"}}, "is not the URL of an object"),
        ({"PrimaryContainer": {"Image": IMAGE, "Environment": {"K": "v" * 33000}}}, "32 KB"),
        ({"DeploymentRecommendation": {}}, None),
        ({"ExecutionRoleArn": "arn:aws:iam::999999999999:role/exec"}, "Cross-account pass role is not allowed"),
        ({"ExecutionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/nobody"}, "nobody"),
        ({"ExecutionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/exec"}, "sts:AssumeRole"),
    ],
)
def test_bad_input_changes_nothing(sagemaker: SageMaker, changes: dict[str, Any], message: str | None) -> None:
    if message is None:
        return
    request = {"ModelName": "model", "PrimaryContainer": DATA, "ExecutionRoleArn": ROLE, **changes}
    error = sagemaker.error("CreateModel", **request)
    assert error.code == "ValidationException"
    assert message in error.message


def test_many_models_behind_one(sagemaker: SageMaker) -> None:
    """The prefix may be empty yet; the role must be able to list it."""
    sagemaker.put(role(policies={"data": allow("s3:*")}))
    many = {"Image": IMAGE, "ModelDataUrl": "s3://models/later", "Mode": "MultiModel"}
    config = {"MultiModelConfig": {"ModelCacheSetting": "Disabled"}}
    sagemaker("CreateModel", ModelName="many", PrimaryContainer=many | config, ExecutionRoleArn=ROLE)
    assert sagemaker("DescribeModel", ModelName="many")["PrimaryContainer"] == many | config | {"Environment": {}}
    sagemaker("CreateModel", ModelName="pipe", Containers=[many, DATA], ExecutionRoleArn=ROLE)
    error = sagemaker.error("CreateModel", ModelName="two", Containers=[many, many], ExecutionRoleArn=ROLE)
    assert error.message == "Only one container of an inference pipeline can have the Mode MultiModel."


def named(name: str) -> dict[str, Any]:
    return {**DATA, "ContainerHostname": name}


def test_pipelines(sagemaker: SageMaker) -> None:
    sagemaker("CreateModel", ModelName="one", Containers=[DATA], ExecutionRoleArn=ROLE)
    sagemaker("CreateModel", ModelName="serial", Containers=[DATA] * 15, ExecutionRoleArn=ROLE)
    direct = {"InferenceExecutionConfig": {"Mode": "Direct"}}
    sagemaker("CreateModel", ModelName="direct", Containers=[named("a"), named("b")], ExecutionRoleArn=ROLE, **direct)
    told = sagemaker("DescribeModel", ModelName="direct")
    assert [one["ContainerHostname"] for one in told["Containers"]] == ["a", "b"]
    assert told["InferenceExecutionConfig"] == {"Mode": "Direct"}


@pytest.mark.parametrize(
    ("containers", "mode", "message"),
    [
        ([DATA] * 16, "Serial", "less than or equal to 15"),
        ([named("a"), named("a")], "Serial", "must be unique"),
        ([named("a"), DATA], "Direct", "needs a ContainerHostname"),
        ([DATA, {"ModelDataUrl": "s3://models/a/model.tar.gz"}], "Serial", "image"),
        ([DATA, {**DATA, "ModelDataUrl": "s3://models/none"}], "Serial", "Could not find model data"),
    ],
)
def test_pipelines_that_are_refused(
    sagemaker: SageMaker, containers: list[dict[str, Any]], mode: str, message: str
) -> None:
    request = {"Containers": containers, "InferenceExecutionConfig": {"Mode": mode}, "ExecutionRoleArn": ROLE}
    assert message in sagemaker.error("CreateModel", ModelName="model", **request).message


@pytest.mark.parametrize(
    "change",
    [
        {"trust": trust("lambda.amazonaws.com")},
        {"policies": {}},
    ],
)
def test_model_data_that_the_role_cannot_read(sagemaker: SageMaker, change: dict[str, Any]) -> None:
    sagemaker.put(role(**change))
    error = sagemaker.error("CreateModel", ModelName="model", PrimaryContainer=DATA, ExecutionRoleArn=ROLE)
    assert error.message == (
        'Could not access model data at s3://models/a/model.tar.gz. Please ensure that the role "'
        f'{ROLE}" exists and that its trust relationship policy allows the action "sts:AssumeRole" for the service '
        'principal "sagemaker.amazonaws.com". Also ensure that the role has "s3:GetObject" permissions and that the '
        "object is located in us-west-2. If your Model uses multiple models or uncompressed models, please ensure "
        'that the role has "s3:ListBucket" permission.'
    )


def test_model_data_that_is_not_there(sagemaker: SageMaker) -> None:
    data = {**DATA, "ModelDataUrl": "s3://models/b/model.tar.gz"}
    error = sagemaker.error("CreateModel", ModelName="model", PrimaryContainer=data, ExecutionRoleArn=ROLE)
    assert error.message == "Could not find model data at s3://models/b/model.tar.gz."


@pytest.mark.statement("S0.15", "S0.26")
def test_with_a_vpc_the_model_data_is_left_for_the_launch(sagemaker: SageMaker) -> None:
    sagemaker.put(role(policies={}))
    sagemaker.model(VpcConfig=VPC_CONFIG)


def test_list_filters_sorts_and_pages(sagemaker: SageMaker) -> None:
    for name in ("alpha", "beta", "alphabet"):
        sagemaker.model(name)
    assert names(sagemaker("ListModels")) == ["alphabet", "beta", "alpha"]
    assert names(sagemaker("ListModels", SortBy="Name", SortOrder="Ascending")) == ["alpha", "alphabet", "beta"]
    assert names(sagemaker("ListModels", SortBy="Name")) == ["beta", "alphabet", "alpha"]
    assert names(sagemaker("ListModels", NameContains="alpha")) == ["alphabet", "alpha"]
    second = sagemaker("DescribeModel", ModelName="beta")["CreationTime"]
    assert names(sagemaker("ListModels", CreationTimeAfter=second)) == ["alphabet", "beta"]
    assert names(sagemaker("ListModels", CreationTimeBefore=second)) == ["alpha"]
    assert "NextToken" in sagemaker.error("ListModels", NextToken="junk").message


@pytest.mark.parametrize("order", ["Ascending", "Descending"])
@pytest.mark.parametrize("by", ["Name", "CreationTime"])
def test_deleting_while_paging_skips_none(sagemaker: SageMaker, by: str, order: str) -> None:
    for name in ("a", "ab", "b", "c", "d"):
        sagemaker.model(name)
    seen: list[str] = []
    request: dict[str, Any] = {"SortBy": by, "SortOrder": order, "MaxResults": 2}
    while True:
        page = sagemaker("ListModels", **request)
        for name in names(page):
            sagemaker("DeleteModel", ModelName=name)
        seen += names(page)
        if "NextToken" not in page:
            break
        request["NextToken"] = page["NextToken"]
    assert sorted(seen) == ["a", "ab", "b", "c", "d"]


def names(page: dict[str, Any]) -> list[str]:
    return [item["ModelName"] for item in page["Models"]]
