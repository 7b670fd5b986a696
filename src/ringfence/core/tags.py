"""Tags of any resource, in one table keyed by ARN, so that authorization finds aws:ResourceTag in one place."""

from collections.abc import Iterable, Mapping

import msgspec

from ringfence.core.record import Reader, Record, Writer


class TagSet(Record, frozen=True, kw_only=True):
    """The tags of the resource `arn`."""

    arn: str
    tags: dict[str, str] = {}

    @property
    def key(self) -> str:
        return self.arn


def tags_of(records: Reader, arn: str) -> dict[str, str]:
    """The tags of `arn`, none if it has none."""
    found = records.get(TagSet, arn)
    return found.tags if found else {}


def set_tags(records: Writer, arn: str, tags: Mapping[str, str]) -> None:
    """Add or replace `tags` on `arn`."""
    if tags:
        found = records.get(TagSet, arn) or TagSet(arn=arn)
        records.put(msgspec.structs.replace(found, tags={**found.tags, **tags}))


def drop_tags(records: Writer, arn: str, keys: Iterable[str] | None = None) -> None:
    """Remove these tag keys from `arn`; all of them when `keys` is None (the resource is deleted)."""
    found = records.get(TagSet, arn)
    if found is None:
        return
    gone = set(found.tags) if keys is None else set(keys)
    left = {key: value for key, value in found.tags.items() if key not in gone}
    if left:
        records.put(msgspec.structs.replace(found, tags=left))
    else:
        records.delete(found)


def from_list(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """`[{"Key": k, "Value": v}]` as a mapping."""
    return {tag["Key"]: tag.get("Value", "") for tag in tags}


def to_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """A mapping as `[{"Key": k, "Value": v}]`."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
