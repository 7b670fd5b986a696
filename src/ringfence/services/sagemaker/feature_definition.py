"""The definitions of a feature group's features: what AWS takes of them. Called by `feature_group`.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_FeatureDefinition.html
https://docs.aws.amazon.com/sagemaker/latest/dg/feature-store-collection-types.html
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ringfence.core.call import Result
from ringfence.resources.feature_store import Feature
from ringfence.services.sagemaker.refusal import invalid

_MOST = 2500
_RESERVED = frozenset({"is_deleted", "write_time", "api_invocation_time"})


def make_features(
    definitions: Sequence[dict[str, Any]], existing: Sequence[Feature], storage: str | None, now: datetime
) -> tuple[Feature, ...]:
    """The existing features and the new ones, checked together. `storage`: the online store's type, None without one.

    AWS's texts for what is wrong are not published: ours.
    """
    made = [*existing, *(_make_feature(one, storage, now) for one in definitions)]
    names = [feature.name.lower() for feature in made]
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise invalid(f"Validation Error: FeatureName {twice} is defined more than once.")
    if len(made) > _MOST:
        raise invalid(f"Validation Error: a FeatureGroup can have at most {_MOST} FeatureDefinitions.")
    if sum(feature.collection == "Vector" for feature in made) > 1:
        raise invalid("Validation Error: a FeatureGroup can have only one feature with CollectionType Vector.")
    return tuple(made)


def check_key_features(features: Sequence[Feature], identifier: str, event_time: str) -> None:
    """Raise unless the record identifier and the event time are features that can be these."""
    known = {feature.name: feature for feature in features}
    for member, name in (("RecordIdentifierFeatureName", identifier), ("EventTimeFeatureName", event_time)):
        if name not in known:
            raise invalid(f"Validation Error: {member} {name} must be one of the FeatureDefinitions.")
        if known[name].collection is not None:
            raise invalid(f"Validation Error: {member} {name} must not be a collection.")
    if known[event_time].type not in ("String", "Fractional"):
        raise invalid(f"Validation Error: EventTimeFeatureName {event_time} must be of type String or Fractional.")
    if identifier == event_time:
        raise invalid("Validation Error: RecordIdentifierFeatureName and EventTimeFeatureName must differ.")


def show_definition(feature: Feature) -> Result:
    shown: Result = {"FeatureName": feature.name, "FeatureType": feature.type}
    if feature.collection is not None:
        shown["CollectionType"] = feature.collection
    if feature.dimension is not None:
        shown["CollectionConfig"] = {"VectorConfig": {"Dimension": feature.dimension}}
    return shown


def _make_feature(definition: dict[str, Any], storage: str | None, now: datetime) -> Feature:
    name, kind, collection = definition["FeatureName"], definition["FeatureType"], definition.get("CollectionType")
    if name.lower() in _RESERVED:
        raise invalid(f"Validation Error: FeatureName {name} is reserved.")
    config = definition.get("CollectionConfig", {})
    dimension = config.get("VectorConfig", {}).get("Dimension")
    if collection is not None and storage != "InMemory":
        raise invalid(f"Validation Error: CollectionType of {name} needs an OnlineStoreConfig of StorageType InMemory.")
    if (collection == "Vector") != (dimension is not None):
        raise invalid(f"Validation Error: VectorConfig.Dimension of {name} goes with CollectionType Vector.")
    if collection == "Vector" and kind != "Fractional":
        raise invalid(f"Validation Error: {name} must be of type Fractional to be a Vector.")
    return Feature(name=name, type=kind, collection=collection, dimension=dimension, created=now, modified=now)
