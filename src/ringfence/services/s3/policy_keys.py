"""The condition keys of S3's requests, as `keys` of its operations, and what `also` asks about ACLs.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
"""

from urllib.parse import parse_qsl

from ringfence.core.call import Call, Request
from ringfence.core.operation import Keys, Resources
from ringfence.services.s3.parameter import bucket_arn, object_arn


def _tags(request: Request) -> dict[str, str]:
    """The tags for an object, of the header x-amz-tagging or of a body; its faults are the handler's to tell."""
    given = request.get("Tagging")
    if isinstance(given, str):
        return dict(parse_qsl(given, keep_blank_values=True))
    return {tag["Key"]: tag.get("Value", "") for tag in given["TagSet"]} if given else {}


OBJECT_TAGS: Keys = {
    "s3:RequestObjectTag/": lambda call, request: _tags(request),
    "s3:RequestObjectTagKeys": lambda call, request: list(_tags(request)),
}
ACL: Keys = {
    "s3:x-amz-acl": "ACL",
    "s3:x-amz-grant-full-control": "GrantFullControl",
    "s3:x-amz-grant-read": "GrantRead",
    "s3:x-amz-grant-read-acp": "GrantReadACP",
    "s3:x-amz-grant-write": "GrantWrite",
    "s3:x-amz-grant-write-acp": "GrantWriteACP",
}
# Of the requests that send a new object's headers.
NEW_OBJECT: Keys = {
    "s3:x-amz-acl": "ACL",
    "s3:x-amz-grant-full-control": "GrantFullControl",
    "s3:x-amz-grant-read": "GrantRead",
    "s3:x-amz-grant-read-acp": "GrantReadACP",
    "s3:x-amz-grant-write-acp": "GrantWriteACP",
    "s3:x-amz-server-side-encryption": "ServerSideEncryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
    "s3:x-amz-server-side-encryption-customer-algorithm": "SSECustomerAlgorithm",
    "s3:x-amz-storage-class": "StorageClass",
    "s3:x-amz-website-redirect-location": "WebsiteRedirectLocation",
    "s3:object-lock-mode": "ObjectLockMode",
    "s3:object-lock-legal-hold": "ObjectLockLegalHoldStatus",
    "s3:object-lock-retain-until-date": "ObjectLockRetainUntilDate",
    **OBJECT_TAGS,
}
# s3:PutObject is asked for parts too: only what ends with an object says that it creates one.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
CREATES: Keys = {
    "s3:ObjectCreationOperation": lambda call, request: ["true"],
    "s3:if-match": "IfMatch",
    "s3:if-none-match": "IfNoneMatch",
}
CREATES_NOTHING: Keys = {"s3:ObjectCreationOperation": lambda call, request: ["false"]}
COPY: Keys = {
    "s3:x-amz-copy-source": "CopySource",
    # of s3:GetObjectVersion on the source
    "s3:versionid": lambda call, request: [request["CopySource"].partition("?versionId=")[2] or "null"],
}
VERSION: Keys = {"s3:versionid": "VersionId"}
LISTING: Keys = {"s3:prefix": "Prefix", "s3:delimiter": "Delimiter", "s3:max-keys": "MaxKeys"}


def _bucket_tags(request: Request) -> dict[str, str]:
    given = request.get("CreateBucketConfiguration", {}).get("Tags", ())
    return {tag["Key"]: tag.get("Value", "") for tag in given}


NEW_BUCKET: Keys = {
    "s3:locationconstraint": "CreateBucketConfiguration.LocationConstraint",
    **ACL,
    "s3:x-amz-bucket-namespace": "BucketNamespace",
    "s3:x-amz-object-ownership": "ObjectOwnership",
    "aws:RequestTag/": lambda call, request: _bucket_tags(request),
    "aws:TagKeys": lambda call, request: list(_bucket_tags(request)),
}


def _if_given(member: str) -> Resources:
    def arns(call: Call, request: Request) -> list[str]:
        if member not in request:
            return []
        return [object_arn(request["Bucket"], request["Key"]) if "Key" in request else bucket_arn(request["Bucket"])]

    return arns


def _object_acl(call: Call, request: Request) -> list[str]:
    """AWS's policies for services that deliver logs demand the header x-amz-acl, and allow s3:PutObject only.

    https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-s3-permissions.html
    """
    return [] if call.principal.kind == "service" else _if_given("ACL")(call, request)


# "To successfully change the objects acl of your PutObject request, you must have the s3:PutObjectAcl"
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
NEW_OBJECT_ACL = ("s3:PutObjectAcl", _object_acl)
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
NEW_BUCKET_ACL = ("s3:PutBucketAcl", _if_given("ACL"))
NEW_BUCKET_OWNERSHIP = ("s3:PutBucketOwnershipControls", _if_given("ObjectOwnership"))
NEW_BUCKET_LOCK = ("s3:PutBucketObjectLockConfiguration", _if_given("ObjectLockEnabledForBucket"))
