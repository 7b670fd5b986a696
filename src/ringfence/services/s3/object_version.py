"""ListObjectVersions: of a bucket that is not versioned, each object is the one version of its key, `null`.

Tools that empty a bucket ask for versions whether or not there are any.
"""

from typing import Any

from ringfence.core.call import Call, Request, Result
from ringfence.core.operation import operation
from ringfence.services.s3 import policy_keys
from ringfence.services.s3.find import find_bucket, owner
from ringfence.services.s3.object_listing import key_encoder, list_page
from ringfence.services.s3.parameter import check_version, invalid_argument, with_shared

_MEMBERS = (
    "Delimiter",
    "EncodingType",
    "KeyMarker",
    "MaxKeys",
    "OptionalObjectAttributes",
    "Prefix",
    "VersionIdMarker",
)


@operation(
    "ListObjectVersions",
    takes=with_shared(*_MEMBERS),
    action="ListBucketVersions",
    on=("{Bucket}",),
    keys=policy_keys.LISTING,
)
def list_object_versions(call: Call, request: Request) -> Result:
    marker, version = request.get("KeyMarker", ""), request.get("VersionIdMarker", "")
    if version and not marker:
        message = "A version-id marker cannot be specified without a key marker."
        raise invalid_argument(message, "version-id-marker", version)
    check_version({"VersionId": version or None})
    bucket = find_bucket(call, request)
    listed, last = list_page(call, request, marker)
    encode = key_encoder(request)
    owned = owner(bucket.account)
    versions = [{**item, "VersionId": "null", "IsLatest": True, "Owner": owned} for item in listed.pop("Contents", ())]
    result: dict[str, Any] = {**listed, "KeyMarker": encode(marker), "VersionIdMarker": version}
    if versions:
        result["Versions"] = versions
    if last is not None:
        result |= {"NextKeyMarker": encode(last), "NextVersionIdMarker": "null"}
    return result
