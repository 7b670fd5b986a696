"""Models: a container image, its model data, the role and the VPC that its instances get."""

from typing import Any

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import operation
from ringfence.core.tags import drop_tags, set_tags
from ringfence.resources.sagemaker import Model
from ringfence.services.sagemaker.container import check_container, is_multi_model, model_data, show_container
from ringfence.services.sagemaker.execution_role import find_role, not_assumable
from ringfence.services.sagemaker.listing import filtered, owned, sorted_page
from ringfence.services.sagemaker.lookup import arn_of, check_new, find
from ringfence.services.sagemaker.model_data import check_model_data
from ringfence.services.sagemaker.refusal import invalid, null_member, refuse_others
from ringfence.services.sagemaker.tag import read_tags, tagging_action, tagging_resources
from ringfence.services.sagemaker.vpc_config import check_vpc_config

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModel.html
_MOST_CONTAINERS = 15
_MEMBERS = frozenset(
    {
        "ModelName",
        "PrimaryContainer",
        "Containers",
        "InferenceExecutionConfig",
        "ExecutionRoleArn",
        "VpcConfig",
        "EnableNetworkIsolation",
        "Tags",
    }
)


@operation(
    "CreateModel",
    on=("model/{ModelName}",),
    keys={
        "sagemaker:VpcSubnets": "VpcConfig.Subnets",
        "sagemaker:VpcSecurityGroupIds": "VpcConfig.SecurityGroupIds",
        "sagemaker:NetworkIsolation": "EnableNetworkIsolation",
        **tagging_action("CreateModel"),
    },
    passes={"ExecutionRoleArn": "sagemaker.amazonaws.com"},
    also=(("sagemaker:AddTags", tagging_resources("model/{ModelName}")),),
)
def create_model(call: Call, request: Request) -> Result:
    """Without a VpcConfig the model data is checked here; with one at launch, through the VPC, since a bucket that
    admits only the VPC would refuse a check from here."""
    refuse_others(request, _MEMBERS)
    name = request["ModelName"]
    check_new(call, Model, name)
    containers = read_containers(request)
    arn, role_arn = arn_of(call, Model, name), request.get("ExecutionRoleArn")
    if role_arn is None:
        raise null_member("executionRoleArn")
    role = find_role(call, role_arn, arn)
    data = [found for container in containers if (found := model_data(container))]
    if data and "VpcConfig" not in request:
        for one in data:
            check_model_data(call, role_arn, role, one)
    elif role is None:
        raise not_assumable(role_arn)
    if "VpcConfig" in request:
        check_vpc_config(call, request["VpcConfig"])
    spec = {member: value for member, value in request.items() if member not in ("ModelName", "Tags")}
    call.records.put(Model(name=name, account=call.account, region=call.region, arn=arn, created=call.now, spec=spec))
    set_tags(call.records, arn, read_tags(request))
    return {"ModelArn": arn}


@operation("DescribeModel", on=("model/{ModelName}",))
def describe_model(call: Call, request: Request) -> Result:
    model = find(call, Model, request["ModelName"])
    shown: Result = {"EnableNetworkIsolation": False, **model.spec}
    if "PrimaryContainer" in shown:
        shown["PrimaryContainer"] = show_container(shown["PrimaryContainer"])
    if "Containers" in shown:
        shown["Containers"] = [show_container(one) for one in shown["Containers"]]
    return {**shown, "ModelName": model.name, "ModelArn": model.arn, "CreationTime": model.created}


@operation("ListModels")
def list_models(call: Call, request: Request) -> Result:
    models, token = sorted_page(filtered(owned(call, Model), request), request)
    listed = [{"ModelName": item.name, "ModelArn": item.arn, "CreationTime": item.created} for item in models]
    return {"Models": listed, **({"NextToken": token} if token else {})}


@operation("DeleteModel", on=("model/{ModelName}",))
def delete_model(call: Call, request: Request) -> Result:
    """Endpoints that run the model go on: they keep what they were made of."""
    model = find(call, Model, request["ModelName"])
    call.records.delete(model)
    drop_tags(call.records, model.arn)
    return {}


def read_containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The containers of a model, checked: one, or those of a pipeline in their order."""
    containers = spec.get("Containers") or []
    if "PrimaryContainer" in spec:
        if containers:
            raise invalid("PrimaryContainer and Containers cannot both be specified.")
        check_container(spec["PrimaryContainer"], "PrimaryContainer")
        return [spec["PrimaryContainer"]]
    if not containers:
        raise null_member("primaryContainer")
    for container in containers:
        check_container(container, "Containers")
    _check_names(containers, spec.get("InferenceExecutionConfig", {}).get("Mode") == "Direct")
    return list(containers)


def _check_names(containers: list[dict[str, Any]], direct: bool) -> None:
    """Names are how containers are asked and find each other. AWS's texts are not published: ours."""
    if len(containers) > _MOST_CONTAINERS:
        raise ServiceError(
            "ValidationException",
            "1 validation error detected: Value at 'containers' failed to satisfy constraint: Member must have length "
            f"less than or equal to {_MOST_CONTAINERS}",
        )
    # https://docs.aws.amazon.com/sagemaker/latest/dg/multi-model-endpoints.html
    if sum(map(is_multi_model, containers)) > 1:
        raise invalid("Only one container of an inference pipeline can have the Mode MultiModel.")
    names = [container["ContainerHostname"] for container in containers if "ContainerHostname" in container]
    if len(set(names)) < len(names):
        raise invalid("The ContainerHostname of each container of a model must be unique.")
    if direct and len(names) < len(containers) and len(containers) > 1:
        raise invalid("Each container of a model with the inference execution mode Direct needs a ContainerHostname.")
