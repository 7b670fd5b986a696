"""Whether a bucket is versioned: put and get. What follows from it for objects is in `version`."""

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.operation import operation
from ringfence.services.s3.find import find_bucket
from ringfence.services.s3.parameter import BODY_CHECKS, SHARED, malformed_xml, with_shared


@operation("PutBucketVersioning", takes=with_shared(*BODY_CHECKS, "VersioningConfiguration"), on=("{Bucket}",))
def put_bucket_versioning(call: Call, request: Request) -> Result:
    """A bucket that is versioned once stays so: what is suspended keeps the versions that there are."""
    bucket = find_bucket(call, request)
    asked = request["VersioningConfiguration"]
    status, mfa_delete = asked.get("Status"), asked.get("MFADelete")
    if status is None:
        message = "The Versioning element must be specified"
        raise ServiceError("IllegalVersioningConfigurationException", message, 400)
    if status not in ("Enabled", "Suspended") or mfa_delete not in (None, "Enabled", "Disabled"):
        raise malformed_xml()
    if mfa_delete == "Enabled":
        raise not_implemented("MFA delete: deletions of versions that a device must confirm")
    changed = msgspec.structs.replace(bucket, versioning=status, mfa_delete=mfa_delete or bucket.mfa_delete)
    call.records.put(changed)
    return {}


@operation("GetBucketVersioning", takes=SHARED, on=("{Bucket}",))
def get_bucket_versioning(call: Call, request: Request) -> Result:
    bucket = find_bucket(call, request)
    shown = {"Status": bucket.versioning, "MFADelete": bucket.mfa_delete}
    return {name: value for name, value in shown.items() if value is not None}
