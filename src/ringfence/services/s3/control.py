"""S3 Control: the tags of a bucket, one by one. Terraform's provider reads and writes a bucket's tags so, from 6.23 on.

The tags are those of `tagging`, which replaces all of them at once. Nothing else has tags here.
Not access points, grants and jobs, the rest of S3 Control.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_AWS_S3_Control.html
"""

from ringfence.core.arn import parse_arn
from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import not_implemented
from ringfence.core.operation import operation
from ringfence.core.tags import drop_tags, set_tags, tags_of, to_list
from ringfence.services.s3.find import check_owner, find_bucket
from ringfence.services.s3.parameter import bucket_arn
from ringfence.services.s3.tagging import MOST_BUCKET_TAGS, check_number, read_tags

_SERVICE = "s3control"


@operation("ListTagsForResource", service=_SERVICE, takes="AccountId ResourceArn", on=("{ResourceArn}",))
def list_tags_for_resource(call: Call, request: Request) -> Result:
    """Of a bucket without tags an empty list, where GetBucketTagging has an error."""
    return {"Tags": to_list(tags_of(call.records, _find_arn(call, request)))}


@operation("TagResource", service=_SERVICE, takes="AccountId ResourceArn Tags", on=("{ResourceArn}",))
def tag_resource(call: Call, request: Request) -> Result:
    """Add tags, or give them new values; the others stay."""
    arn = _find_arn(call, request)
    added = read_tags(request["Tags"], most=MOST_BUCKET_TAGS)
    check_number({**tags_of(call.records, arn), **added}, most=MOST_BUCKET_TAGS)
    set_tags(call.records, arn, added)
    return {}


@operation("UntagResource", service=_SERVICE, takes="AccountId ResourceArn TagKeys", on=("{ResourceArn}",))
def untag_resource(call: Call, request: Request) -> Result:
    """Of keys that the bucket does not have nothing is said."""
    drop_tags(call.records, _find_arn(call, request), request["TagKeys"])
    return {}


def _find_arn(call: Call, request: Request) -> str:
    """The ARN of the bucket that is named; its owner must be the account that is."""
    parsed = parse_arn(request["ResourceArn"])
    if parsed is None or parsed.service != "s3" or "/" in parsed.resource or parsed.account:
        raise not_implemented("tags in S3 Control of what is no general purpose bucket")
    bucket = find_bucket(call, {"Bucket": parsed.resource})
    check_owner(bucket, request["AccountId"])
    return bucket_arn(bucket.name)
