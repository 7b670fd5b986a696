"""No member of a request is ignored in silence: each one of an operation's shape is read by its handler or refused.

Two looks at each handler: run with one more member than it needs, it must read or refuse that member, unless it fails
for another reason first; then, and for what is nested, the member's name must be in the code that it reaches.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from daemon import ACCOUNT, REGION
from member_reach import Watched, reachable_strings

from ringfence import services
from ringfence.core.call import Arrival, Call, Principal
from ringfence.core.errors import ServiceError
from ringfence.core.operation import REGISTRY, Operation
from ringfence.iam.session_token import ensure_sealing_key
from ringfence.protocol.model import Shape, load
from ringfence.services.s3.checksum import ALGORITHMS
from ringfence.store.database import Store, open_store

services.load()

# What may be unread, and why. A whole structure is named by its first part.
_OUTER = "refused with the structure that it is in, whatever it holds"
_BODY = "the gateway verifies the body by it"
ALLOWED = {
    ("ec2", "*", "DryRun"): "the decorator of EC2's operations",
    ("ec2", "DescribeAvailabilityZones", "AllAvailabilityZones"): "all zones of the region are opted in",
    ("ec2", "DescribeNetworkInterfaces", "IncludeManagedResources"): "no interface is managed by an operator",
    ("ec2", "CreateNetworkInterface", "Ipv6Addresses[]"): _OUTER,
    ("ec2", "CreateVpnConnection", "Options"): "refused by name, each level",
    ("sts", "AssumeRole", "ExternalId"): "a condition key: authorization reads it",
    ("sts", "AssumeRole", "ProvidedContexts[]"): _OUTER,
    ("s3", "*", "RequestPayer"): "no bucket is a Requester Pays bucket, where S3 ignores it",
    ("s3", "*", "ContentMD5"): _BODY,
    ("s3", "*", "ChecksumAlgorithm"): _BODY,
    ("s3", "*", "ContentLength"): _BODY,
    **{("s3", "*", f"Checksum{one}"): "by checksum.verified" for one in ALGORITHMS},
    ("s3", "*", "BucketKeyEnabled"): "there is no KMS whose calls a bucket key would save",
    ("s3", "*", "OptionalObjectAttributes"): "RestoreStatus is the one value, and nothing is ever restored",
    ("s3", "PutBucketPolicy", "ConfirmRemoveSelfBucketAccess"): "who locks oneself out is never refused",
    ("s3", "*", "Id"): "there is no such configuration, whatever its id",
    ("s3", "PutBucketNotificationConfiguration", "SkipDestinationValidation"): "there are no destinations",
    ("s3", "PutBucketNotificationConfiguration", "NotificationConfiguration"): "each member is refused by its name",
    ("s3", "PutBucketAcl", "AccessControlPolicy"): "all but the owner's FULL_CONTROL is refused",
    ("s3", "PutObjectAcl", "AccessControlPolicy"): "all but the owner's FULL_CONTROL is refused",
    ("s3", "CreateBucket", "CreateBucketConfiguration.Location"): "refused by accept_only",
    ("s3", "CreateBucket", "CreateBucketConfiguration.Bucket"): "refused by accept_only",
    ("s3", "PutBucketEncryption", "ServerSideEncryptionConfiguration.Rules[].BlockedEncryptionTypes"): "by accept_only",
    ("s3", "CompleteMultipartUpload", "MultipartUpload.Parts[]"): "refused by accept_only",
    ("logs", "FilterLogEvents", "interleaved"): "every answer is interleaved, as with AWS since 2019, which ignores it",
    ("logs", "*", "unmask"): "nothing is masked: there are no data protection policies",
    ("logs", "PutLogEvents", "sequenceToken"): "AWS ignores it too: any token is accepted",
    ("route53", "*", "ChangeBatch.Changes[].ResourceRecordSet.GeoLocation"): _OUTER,
    ("route53", "*", "ChangeBatch.Changes[].ResourceRecordSet.CidrRoutingConfig"): _OUTER,
    ("route53", "*", "ChangeBatch.Changes[].ResourceRecordSet.GeoProximityLocation"): _OUTER,
    ("directconnect", "CreatePrivateVirtualInterface", "newPrivateVirtualInterface"): "refused member by member",
    ("sagemaker", "CreateModel", "PrimaryContainer"): "refused by refuse_others, each level",
    ("sagemaker", "CreateModel", "Containers[]"): "refused by refuse_others, each level",
    ("sagemaker", "CreateEndpointConfig", "ProductionVariants[]"): "refused by refuse_others",
    ("sagemaker", "CreateEndpointConfig", "ShadowProductionVariants[]"): "refused by refuse_others",
    ("sagemaker", "CreateEndpointConfig", "VpcConfig"): "refused by refuse_others",
    ("sagemaker", "CreateEndpointConfig", "DataCaptureConfig"): "refused by refuse_others, each level",
    ("sagemaker", "CreateEndpointConfig", "AsyncInferenceConfig"): "refused by refuse_others, each level",
    ("sagemaker", "CreateFeatureGroup", "OnlineStoreConfig.SecurityConfig"): "refused by refuse_others",
    ("sagemaker", "CreateFeatureGroup", "OfflineStoreConfig.S3StorageConfig"): "refused by refuse_others",
    ("sagemaker", "CreateFeatureGroup", "OfflineStoreConfig.DataCatalogConfig"): "kept and shown: no table is made",
    ("sagemaker", "CreateTrainingJob", "AlgorithmSpecification"): "refused by refuse_others",
    ("sagemaker", "CreateTrainingJob", "InputDataConfig[]"): "refused by refuse_others, each level",
    ("sagemaker", "CreateTrainingJob", "ResourceConfig"): "refused by refuse_others",
    ("sagemaker", "CreateTrainingJob", "StoppingCondition"): "refused by refuse_others",
    ("sagemaker", "CreateTrainingJob", "ProfilerConfig"): "refused by refuse_others",
    ("sagemaker", "CreateTrainingJob", "DebugHookConfig.CollectionConfigurations[]"): "told to the container as it is",
    (
        "application-autoscaling",
        "PutScalingPolicy",
        "TargetTrackingScalingPolicyConfiguration.CustomizedMetricSpecification.Metrics",
    ): _OUTER,
    (
        "application-autoscaling",
        "PutScalingPolicy",
        "TargetTrackingScalingPolicyConfiguration.CustomizedMetricSpecification.Metrics[]",
    ): _OUTER,
    ("sagemaker", "CreateTransformJob", "ModelClientConfig"): "both members are used by `reconcile.transform`",
    ("sagemaker", "CreateTransformJob", "TransformResources"): "refused by refuse_others",
    ("sagemaker", "UpdateEndpointWeightsAndCapacities", "DesiredWeightsAndCapacities[]"): "refused by refuse_others",
    ("sagemaker", "CreateProcessingJob", "ProcessingInputs[]"): "refused by refuse_others, each level",
    ("sagemaker", "CreateProcessingJob", "ProcessingOutputConfig.Outputs[]"): "refused by refuse_others, each level",
    ("sagemaker", "CreateProcessingJob", "ProcessingOutputConfig.KmsKeyId"): "refused by refuse_others",
    ("sagemaker", "CreateProcessingJob", "ProcessingResources.ClusterConfig"): "refused by refuse_others, each level",
    **{
        ("sagemaker", f"{verb}{noun}", member): "refused by refuse_others, each level"
        for verb, noun, members in (
            ("Create", "Domain", ("DefaultUserSettings", "DefaultSpaceSettings", "DomainSettings")),
            ("Update", "Domain", ("DefaultUserSettings", "DefaultSpaceSettings", "DomainSettingsForUpdate")),
            ("Create", "UserProfile", ("UserSettings",)),
            ("Update", "UserProfile", ("UserSettings",)),
            ("Create", "Space", ("SpaceSettings",)),
            ("Update", "Space", ("SpaceSettings",)),
            ("Create", "App", ("ResourceSpec",)),
        )
        for member in members
    },
}  # fmt: skip
ROOT = Principal("root", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
SERVICES = sorted({service for service, _ in REGISTRY})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = open_store(tmp_path_factory.mktemp("members"))
    with opened.transaction() as records:
        # as the first start of a daemon does
        ensure_sealing_key(records, os.urandom)
    yield opened
    opened.close()


@pytest.mark.parametrize("service", SERVICES)
def test_members_are_read_or_refused(store: Store, service: str) -> None:
    ignored = [
        f"{name}: {member}"
        for operation, name, shape in _operations(service)
        for member in shape.members
        if not _allowed(service, name, member) and not _read_or_refused(store, operation, shape, member)
    ]
    assert not ignored, "\n".join(ignored)


@pytest.mark.parametrize("service", SERVICES)
def test_nested_members_are_known(service: str) -> None:
    unknown = []
    for operation, name, shape in _operations(service):
        known = reachable_strings(operation.handler)
        for path, member in _nested(shape):
            top = path.split(".")[0].removesuffix("[]")
            if member not in known and top in known and not _allowed(service, name, path):
                unknown.append(f"{name}: {path}")
    assert not unknown


def test_allowances_are_of_use() -> None:
    """An allowance whose operation or member is gone hides the next one of that name."""
    for service, name, path in ALLOWED:
        names = [name] if name != "*" else [found for one, found in REGISTRY if one == service]
        assert all((service, found) in REGISTRY for found in names)
        top = path.split(".")[0].removesuffix("[]")
        shapes = [load(service).operation_model(found).input_shape for found in names]
        assert path == "*" or any(shape is not None and top in shape.members for shape in shapes)


def _operations(service: str) -> Iterator[tuple[Operation, str, Shape]]:
    for (own, name), operation in sorted(REGISTRY.items()):
        shape = load(own).operation_model(name).input_shape
        if own == service and shape is not None:
            yield operation, name, shape


def _allowed(service: str, name: str, path: str) -> bool:
    return any(
        allowed_service == service
        and allowed_name in (name, "*")
        and (allowed in (path, "*") or path.startswith(f"{allowed}."))
        for allowed_service, allowed_name, allowed in ALLOWED
    )


def _read_or_refused(store: Store, operation: Operation, shape: Shape, member: str) -> bool:
    request = Watched({**_sample(shape), member: _sample(shape.members[member], full=True)})
    error = _run(store, operation, request)
    if error is not None and (error.code == "NotImplemented" or "does not implement" in error.message):
        return True
    # what failed for another reason may not have come to it yet
    return member in request.read or (error is not None and member in reachable_strings(operation.handler))


class _Undo(Exception):
    pass


def _run(store: Store, operation: Operation, request: Watched) -> ServiceError | None:
    """Handle the request and take back what it did."""
    now = datetime.now(UTC)
    try:
        with store.transaction() as records:
            call = Call(records, ACCOUNT, REGION, ROOT, Arrival("127.0.0.1"), now, "request", os.urandom)
            operation.handler(call, request)
            raise _Undo
    except _Undo:
        return None
    except ServiceError as error:
        return error


def _sample(shape: Shape, full: bool = False) -> Any:
    """A value of the shape that asks for something; structures hold what they must, or `full` one thing at least."""
    match shape.type_name:
        case "structure":
            names = list(shape.required_members) or list(shape.members)[: int(full)]
            return {name: _sample(shape.members[name], full) for name in names}
        case "list":
            return [_sample(shape.member, full)]
        case "map":
            return {_sample(shape.key): _sample(shape.value, full)}
        case "boolean":
            return True
        case "integer" | "long":
            return max(1, shape.metadata.get("min", 1))
        case "float" | "double":
            return 1.0
        case "timestamp":
            return datetime.now(UTC)
        case "blob":
            return b"x"
    enum = shape.metadata.get("enum")
    return enum[0] if enum else "x" * max(1, shape.metadata.get("min", 1))


def _nested(shape: Shape, path: str = "", within: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """(path, name) of every member below the operation's own."""
    if shape.name in within:
        return
    match shape.type_name:
        case "structure":
            for name, member in shape.members.items():
                if path:
                    yield f"{path}.{name}", name
                yield from _nested(member, f"{path}.{name}" if path else name, (*within, shape.name))
        case "list":
            yield from _nested(shape.member, f"{path}[]", (*within, shape.name))
        case "map":
            yield from _nested(shape.value, path, (*within, shape.name))
