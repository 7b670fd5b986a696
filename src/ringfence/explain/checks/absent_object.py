"""Why there is no object at a place in S3: nothing was ever there, or a delete marker hides what is.

Called by the checks of models' data and of jobs' input, where a listing shows the same for both.
"""

from itertools import islice

from ringfence.core.record import Reader
from ringfence.resources.s3 import ObjectVersion

_MOST_VERSIONS = 1000


def tell_absent(records: Reader, uri: str, bucket: str, key: str, *, is_prefix: bool) -> tuple[str, str]:
    """(what is the matter, what mends it) where no current object is."""
    marker = _marker(records, bucket, key, is_prefix=is_prefix)
    what = f"there are no objects under {uri}" if is_prefix else f"there is no object {uri}"
    if marker is None:
        return what, "upload one, or correct the URI"
    named = f"--bucket {bucket} --key {marker.name} --version-id {marker.version_id}"
    whose = f" of `{marker.name}`" if is_prefix else ""
    return (
        f"{what}: the current version{whose} is a delete marker of {marker.last_modified:%Y-%m-%dT%H:%M:%SZ}",
        f"`aws s3api delete-object {named}` removes the marker, and the version before it is there again",
    )


def _marker(records: Reader, bucket: str, key: str, *, is_prefix: bool) -> ObjectVersion | None:
    """A delete marker that is current and has a version behind it."""
    found = list(islice(records.scan(ObjectVersion, f"{bucket}\0{key}" + ("" if is_prefix else "\0")), _MOST_VERSIONS))
    held = {version.name for version in found if version.held is not None}
    return next((one for one in found if one.noncurrent_since is None and one.name in held), None)
