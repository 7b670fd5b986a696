"""ListObjects and ListObjectsV2: order, prefixes, delimiters, pages."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


async def fill(s3: Any, bucket: str, *keys: str) -> None:
    for key in keys:
        await s3.put(bucket, key, key.encode("utf-8"))


def keys_of(result: dict[str, Any]) -> list[str]:
    return [item["Key"] for item in result.get("Contents", ())]


def prefixes_of(result: dict[str, Any]) -> list[str]:
    return [item["Prefix"] for item in result.get("CommonPrefixes", ())]


async def test_an_empty_bucket(s3: Any, bucket: str) -> None:
    result = s3("ListObjectsV2", Bucket=bucket)
    assert result == {"Name": bucket, "Prefix": "", "MaxKeys": 1000, "IsTruncated": False, "KeyCount": 0}


async def test_order_is_of_utf8_bytes(s3: Any, bucket: str) -> None:
    keys = ["a", "a/", "a/b", "a0", "B", "é", "\uffff", "\U00010000"]
    await fill(s3, bucket, *keys)
    assert keys_of(s3("ListObjectsV2", Bucket=bucket)) == sorted(keys, key=lambda key: key.encode())


async def test_contents(s3: Any, bucket: str) -> None:
    await s3.put(bucket, "k", b"abc")
    (item,) = s3("ListObjectsV2", Bucket=bucket)["Contents"]
    head = s3("HeadObject", Bucket=bucket, Key="k")
    assert item == {
        "Key": "k", "LastModified": head["LastModified"], "ETag": head["ETag"], "Size": 3, "StorageClass": "STANDARD",
        "ChecksumAlgorithm": ["CRC64NVME"], "ChecksumType": "FULL_OBJECT",
    }  # fmt: skip
    (item,) = s3("ListObjectsV2", Bucket=bucket, FetchOwner=True)["Contents"]
    assert len(item["Owner"]["ID"]) == 64
    assert "Owner" in s3("ListObjects", Bucket=bucket)["Contents"][0]


async def test_delimiter(s3: Any, bucket: str) -> None:
    await fill(
        s3, bucket, "sample.jpg", "photos/2006/January/a", "photos/2006/January/b", "photos/2006/F/c", "photos/x"
    )
    top = s3("ListObjectsV2", Bucket=bucket, Delimiter="/")
    assert (keys_of(top), prefixes_of(top), top["KeyCount"]) == (["sample.jpg"], ["photos/"], 2)
    below = s3("ListObjectsV2", Bucket=bucket, Delimiter="/", Prefix="photos/")
    assert (keys_of(below), prefixes_of(below)) == (["photos/x"], ["photos/2006/"])
    deeper = s3("ListObjectsV2", Bucket=bucket, Delimiter="/", Prefix="photos/2006/")
    assert prefixes_of(deeper) == ["photos/2006/F/", "photos/2006/January/"]
    inside = s3("ListObjectsV2", Bucket=bucket, Delimiter="/", Prefix="photos/2006/J")
    assert prefixes_of(inside) == ["photos/2006/January/"]
    assert prefixes_of(s3("ListObjectsV2", Bucket=bucket, Delimiter="ary/")) == ["photos/2006/January/"]


async def test_start_after(s3: Any, bucket: str) -> None:
    await fill(s3, bucket, "a", "b/1", "b/2", "c")
    assert keys_of(s3("ListObjectsV2", Bucket=bucket, StartAfter="b/1")) == ["b/2", "c"]
    result = s3("ListObjectsV2", Bucket=bucket, StartAfter="b/", Delimiter="/")
    assert (keys_of(result), prefixes_of(result)) == (["c"], [])
    assert prefixes_of(s3("ListObjectsV2", Bucket=bucket, StartAfter="b/1", Delimiter="/")) == ["b/"]


async def test_pages(s3: Any, bucket: str) -> None:
    await fill(s3, bucket, "a", "b/1", "b/2", "c", "d/1")
    pages, token = [], {}
    while True:
        result = s3("ListObjectsV2", Bucket=bucket, Delimiter="/", MaxKeys=2, **token)
        pages.append(keys_of(result) + prefixes_of(result))
        if not result["IsTruncated"]:
            break
        token = {"ContinuationToken": result["NextContinuationToken"]}
    assert pages == [["a", "b/"], ["c", "d/"]]
    assert "NextContinuationToken" not in result


async def test_marker(s3: Any, bucket: str) -> None:
    await fill(s3, bucket, "a", "b/1", "b/2", "c")
    first = s3("ListObjects", Bucket=bucket, MaxKeys=2)
    assert (keys_of(first), first["IsTruncated"], "NextMarker" in first) == (["a", "b/1"], True, False)
    assert keys_of(s3("ListObjects", Bucket=bucket, Marker="b/1")) == ["b/2", "c"]
    rolled = s3("ListObjects", Bucket=bucket, MaxKeys=2, Delimiter="/")
    assert rolled["NextMarker"] == "b/"
    assert keys_of(s3("ListObjects", Bucket=bucket, Marker="b/", Delimiter="/")) == ["c"]


async def test_max_keys(s3: Any, bucket: str) -> None:
    await fill(s3, bucket, "a")
    nothing = s3("ListObjectsV2", Bucket=bucket, MaxKeys=0)
    assert (keys_of(nothing), nothing["IsTruncated"]) == ([], False)
    assert s3("ListObjectsV2", Bucket=bucket, MaxKeys=5000)["MaxKeys"] == 1000
    assert s3.fails("ListObjectsV2", Bucket=bucket, MaxKeys=-1).code == "InvalidArgument"


async def test_encoding(s3: Any, bucket: str) -> None:
    await fill(s3, bucket, "a b/c+\n", "a b/ü&")
    result = s3("ListObjectsV2", Bucket=bucket, EncodingType="url", Prefix="a b/")
    assert keys_of(result) == ["a%20b/c%2B%0A", "a%20b/%C3%BC%26"]
    assert (result["Prefix"], result["EncodingType"]) == ("a%20b/", "url")
    assert s3.fails("ListObjectsV2", Bucket=bucket, EncodingType="base64").code == "InvalidArgument"


def test_tokens_of_others(s3: Any, bucket: str) -> None:
    for token in ("rubbish", "", "eHh4", "ü"):
        error = s3.fails("ListObjectsV2", Bucket=bucket, ContinuationToken=token)
        assert error.code == "InvalidArgument"


KEY = st.text(alphabet="a/b\U0010ffff", min_size=1, max_size=5)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    keys=st.sets(KEY, max_size=12),
    prefix=st.text(alphabet="a/b", max_size=2),
    delimiter=st.sampled_from(["", "/", "b", "a/"]),
    size=st.integers(1, 5),
)
@pytest.mark.filterwarnings("ignore")
def test_pages_are_the_whole(s3: Any, keys: set[str], prefix: str, delimiter: str, size: int) -> None:
    """Whatever the page size, the pages together are the listing as S3 defines it."""
    from datetime import UTC, datetime

    from ringfence.resources.s3 import Bucket, S3Object

    now = datetime(2026, 1, 1, tzinfo=UTC)
    with s3.store.transaction() as transaction:
        for found in list(transaction.scan(S3Object)):
            transaction.delete(found)
        transaction.put(Bucket(name="b", account=s3.account, region=s3.region, created=now))
        for key in keys:
            transaction.put(S3Object(bucket="b", name=key, etag="e", size=0, extents=(), last_modified=now))
    objects, common = [], []
    for key in sorted(key for key in keys if key.startswith(prefix)):
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        if cut < 0:
            objects.append(key)
        elif (rolled := key[: cut + len(delimiter)]) not in common:
            common.append(rolled)
    seen: tuple[list[str], list[str]] = ([], [])
    more: dict[str, Any] = {}
    for _ in range(20):
        result = s3("ListObjectsV2", Bucket="b", Prefix=prefix, Delimiter=delimiter, MaxKeys=size, **more)
        assert result["KeyCount"] <= size
        seen[0].extend(keys_of(result))
        seen[1].extend(prefixes_of(result))
        if not result["IsTruncated"]:
            break
        more = {"ContinuationToken": result["NextContinuationToken"]}
    assert seen == (objects, common)
