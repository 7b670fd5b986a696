"""What the checks of hosting look at: the endpoint or model as it would be launched now, and all there is around it.

Pure; filled in by gateway.admin.hosting, read by explain.endpoint and explain.checks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ringfence.core.call import Arrival, Principal, Request
from ringfence.core.record import Reader
from ringfence.explain.logged_call import Question
from ringfence.network.topology import Topology
from ringfence.resources.iam import Role
from ringfence.resources.sagemaker import Endpoint, EndpointConfig, EndpointStatus, Fleet, Model, Variant
from ringfence.runtime.driver import Image, State
from ringfence.services.sagemaker.fleet import variant_of

SAGEMAKER = "sagemaker.amazonaws.com"
_SESSION = "SageMaker"

# (principal, service, operation, request, path) -> the question whose answer refuses the call, None if it is allowed
Permits = Callable[[Principal, str, str, Request, Arrival], Question | None]


@dataclass(frozen=True, slots=True)
class Ground:
    """The records and topology of one moment, the authorizer, the images and containers of this machine."""

    records: Reader
    topology: Topology
    account: str
    region: str
    permits: Permits
    image: Callable[[str], Image | None]
    container: Callable[[str], State]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is going to be launched. `endpoint` and `status` are None of a model that no endpoint runs yet.

    `absent`: models or configurations that the endpoint was made of and that are gone.
    """

    name: str
    variants: tuple[Variant, ...]
    endpoint: Endpoint | None = None
    status: EndpointStatus | None = None
    absent: tuple[str, ...] = ()

    @property
    def networks(self) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
        """The different (subnets, groups) of the variants that have a VpcConfig."""
        found = ((one.subnet_ids, one.group_ids) for one in self.variants if one.subnet_ids)
        return tuple(dict.fromkeys(found))


def plan_alone(
    name: str,
    role_arn: str,
    instance_type: str,
    subnet_ids: tuple[str, ...],
    group_ids: tuple[str, ...],
    *,
    container: dict[str, Any] | None = None,
    count: int = 1,
    isolated: bool = False,
) -> Plan:
    """A job, an app or a notebook instance as hosting's checks see instances."""
    variant = Variant(
        name=name,
        model_name=name,
        container=container or {},
        role_arn=role_arn,
        instance_type=instance_type,
        count=count,
        weight=1.0,
        subnet_ids=subnet_ids,
        group_ids=group_ids,
        isolated=isolated,
        download_timeout=0,
        startup_timeout=0,
    )
    return Plan(name, (variant,))


def plan_endpoint(records: Reader, account: str, region: str, name: str) -> Plan | None:
    """What runs, is under way or failed; after a failure what configuration and models would give now."""
    endpoint = records.get(Endpoint, f"{account}/{region}/{name.lower()}")
    if endpoint is None:
        return None
    status = records.get(EndpointStatus, endpoint.key)
    fleet = records.get(Fleet, f"{endpoint.key}/{endpoint.generation}")
    if fleet is not None:
        return Plan(endpoint.name, fleet.variants, endpoint, status)
    variants, absent = _anew(records, endpoint)
    return Plan(endpoint.name, variants, endpoint, status, absent)


def _anew(records: Reader, endpoint: Endpoint) -> tuple[tuple[Variant, ...], tuple[str, ...]]:
    scope = f"{endpoint.account}/{endpoint.region}"
    config = records.get(EndpointConfig, f"{scope}/{endpoint.config_name}")
    if config is None:
        return (), (f"endpoint configuration `{endpoint.config_name}`",)
    variants, absent = [], []
    for spec in (*config.spec["ProductionVariants"], *config.spec.get("ShadowProductionVariants", ())):
        model = records.get(Model, f"{scope}/{spec['ModelName']}")
        if model is None:
            absent.append(f"model `{spec['ModelName']}`")
        else:
            variants.append(variant_of(spec, model))
    return tuple(variants), tuple(absent)


def plan_model(records: Reader, account: str, region: str, name: str) -> Plan | None:
    """The model as one instance of an endpoint would host it."""
    model = records.get(Model, f"{account}/{region}/{name}")
    if model is None:
        return None
    spec: dict[str, Any] = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
        "InitialVariantWeight": 1.0,
    }
    return Plan(name, (variant_of(spec, model),))


def role_record(records: Reader, role_arn: str) -> Role | None:
    fields = role_arn.split(":")
    found = records.get(Role, f"{fields[4]}/{role_arn.rpartition('/')[2].lower()}") if len(fields) > 5 else None
    return found if found is not None and found.arn == role_arn else None


def role_session(role: Role) -> Principal:
    """Who SageMaker is once it has assumed the execution role."""
    return Principal(
        kind="role",
        account=role.account,
        arn=f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{_SESSION}",
        id=f"{role.id}:{_SESSION}",
        role_arn=role.arn,
        session_name=_SESSION,
    )


def roles_of(plan: Plan) -> tuple[str, ...]:
    return tuple(dict.fromkeys(variant.role_arn for variant in plan.variants))
