"""Records by name, and AWS's errors for one that is missing or already there."""

from typing import TypeVar

from ringfence.core.call import Call
from ringfence.core.errors import ServiceError
from ringfence.resources.feature_store import FeatureGroup
from ringfence.resources.job import Job, ProcessingJob, TrainingJob, TransformJob
from ringfence.resources.notebook import NotebookInstance, NotebookLifecycleConfig
from ringfence.resources.sagemaker import Endpoint, EndpointConfig, Model, SageMakerRecord
from ringfence.resources.studio import App, Domain, Space, StudioLifecycleConfig, UserProfile
from ringfence.services.sagemaker.refusal import invalid

S = TypeVar("S", bound=SageMakerRecord)

# record class -> (AWS's noun in messages, the resource's prefix in ARNs)
_NOUNS: dict[type[SageMakerRecord], tuple[str, str]] = {
    Model: ("model", "model"),
    EndpointConfig: ("endpoint configuration", "endpoint-config"),
    Endpoint: ("endpoint", "endpoint"),
    ProcessingJob: ("processing job", "processing-job"),
    TrainingJob: ("training job", "training-job"),
    TransformJob: ("transform job", "transform-job"),
    FeatureGroup: ("feature group", "feature-group"),
    Domain: ("domain", "domain"),
    UserProfile: ("user profile", "user-profile"),
    Space: ("space", "space"),
    App: ("app", "app"),
    StudioLifecycleConfig: ("studio lifecycle config", "studio-lifecycle-config"),
    NotebookInstance: ("notebook instance", "notebook-instance"),
    NotebookLifecycleConfig: ("notebook instance lifecycle config", "notebook-instance-lifecycle-config"),
}


def find(call: Call, kind: type[S], name: str) -> S:
    """The caller's record of that name; ValidationException `Could not find …` if there is none."""
    found = call.records.get(kind, _key(call, kind, name))
    if found is None:
        raise missing(kind, arn_of(call, kind, name))
    return found


def check_new(call: Call, kind: type[SageMakerRecord], name: str) -> None:
    """ValidationException `Cannot create already existing …` if the name is taken, ResourceInUse for others."""
    found = call.records.get(kind, _key(call, kind, name))
    if isinstance(found, Job):
        # (recalled)
        raise ServiceError(
            "ResourceInUse",
            "Job name must be unique within an AWS account and region, and a job with this name already exists "
            f"({found.arn})",
        )
    if isinstance(found, FeatureGroup):
        raise ServiceError(
            "ResourceInUse",
            f"Resource Already Exists: FeatureGroup with name {name} already exists. Choose a different name.",
        )
    if found is not None:
        raise invalid(f'Cannot create already existing {_NOUNS[kind][0]} "{found.arn}".')


def arn_of(call: Call, kind: type[SageMakerRecord], name: str) -> str:
    return call.arn("sagemaker", f"{_NOUNS[kind][1]}/{name}")


def missing(kind: type[SageMakerRecord], arn: str) -> ServiceError:
    if kind is NotebookInstance:
        # as other implementations of this API have it
        return invalid("RecordNotFound")
    if kind is FeatureGroup:
        name = arn.rpartition("/")[2]
        # https://github.com/aws/sagemaker-python-sdk/issues/2606
        return ServiceError(
            "ResourceNotFound", f"Resource Not Found: Amazon SageMaker can't find a FeatureGroup with name [{name}]."
        )
    return invalid(f'Could not find {_NOUNS[kind][0]} "{arn}".')


def kind_of(prefix: str) -> type[SageMakerRecord] | None:
    """The record class behind an ARN's resource prefix."""
    return next((kind for kind, (_, known) in _NOUNS.items() if known == prefix), None)


def _key(call: Call, kind: type[SageMakerRecord], name: str) -> str:
    return call.scoped(name.lower() if kind is Endpoint else name)
