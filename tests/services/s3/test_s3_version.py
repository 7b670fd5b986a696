"""What becomes of versions: over a real store and real blobs, step by step as the user guide has it."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.fixture
def versioned(s3: Any, bucket: str) -> str:
    switch(s3, "Enabled")
    return bucket


def switch(s3: Any, status: str) -> None:
    s3("PutBucketVersioning", Bucket="one", VersioningConfiguration={"Status": status})


def listed(s3: Any, **request: Any) -> list[tuple[str, str, bool, bool]]:
    """(key, version id, whether it is the latest, whether it is a marker), the newest of a key first."""
    told = s3("ListObjectVersions", Bucket="one", **request)
    found = [(item, False) for item in told.get("Versions", ())] + [
        (one, True) for one in told.get("DeleteMarkers", ())
    ]
    found.sort(key=lambda pair: (pair[0]["Key"], -pair[0]["LastModified"].timestamp()))
    return [(item["Key"], item["VersionId"], item["IsLatest"], marker) for item, marker in found]


def test_configuration(s3: Any, bucket: str) -> None:
    assert s3("GetBucketVersioning", Bucket=bucket) == {}
    for status in ("Enabled", "Suspended", "Enabled"):
        switch(s3, status)
        assert s3("GetBucketVersioning", Bucket=bucket) == {"Status": status}
    disabled = {"Status": "Enabled", "MFADelete": "Disabled"}
    s3("PutBucketVersioning", Bucket=bucket, VersioningConfiguration=disabled)
    assert s3("GetBucketVersioning", Bucket=bucket) == disabled


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({}, "IllegalVersioningConfigurationException"),
        ({"Status": "Disabled"}, "MalformedXML"),
        ({"Status": "Enabled", "MFADelete": "x"}, "MalformedXML"),
        ({"Status": "Enabled", "MFADelete": "Enabled"}, "NotImplemented"),
    ],
)
def test_configurations_that_are_refused(s3: Any, bucket: str, asked: dict[str, str], code: str) -> None:
    assert s3.fails("PutBucketVersioning", Bucket=bucket, VersioningConfiguration=asked).code == code
    assert s3("GetBucketVersioning", Bucket=bucket) == {}


async def test_each_put_is_a_version(s3: Any, versioned: str) -> None:
    ids = [(await s3.put(versioned, "k", content))["VersionId"] for content in (b"1", b"2", b"3")]
    assert len({*ids, "null"}) == 4
    assert [await s3.get(versioned, "k", VersionId=id) for id in ids] == [b"1", b"2", b"3"]
    got = s3("HeadObject", Bucket=versioned, Key="k")
    assert (got["VersionId"], await s3.get(versioned, "k")) == (ids[2], b"3")
    assert listed(s3) == [("k", ids[2], True, False), ("k", ids[1], False, False), ("k", ids[0], False, False)]
    assert len(s3("ListObjectsV2", Bucket=versioned)["Contents"]) == 1
    assert s3.blob_count() == 3


async def test_a_version_goes_for_good_and_the_one_before_it_is_current(s3: Any, versioned: str) -> None:
    ids = [(await s3.put(versioned, "k", content, Tagging=f"n={content.decode()}"))["VersionId"]
           for content in (b"1", b"2", b"3")]  # fmt: skip
    assert s3("DeleteObject", Bucket=versioned, Key="k", VersionId=ids[1]) == {"VersionId": ids[1]}
    assert s3.fails("GetObject", Bucket=versioned, Key="k", VersionId=ids[1]).code == "NoSuchVersion"
    assert s3.blob_count() == 2
    s3("DeleteObject", Bucket=versioned, Key="k", VersionId=ids[2])
    assert await s3.get(versioned, "k") == b"1"
    tags = s3("GetObjectTagging", Bucket=versioned, Key="k")
    assert tags == {"TagSet": [{"Key": "n", "Value": "1"}], "VersionId": ids[0]}
    assert listed(s3) == [("k", ids[0], True, False)]
    again = (await s3.put(versioned, "k", b"4"))["VersionId"]
    assert again not in ids
    assert s3.fails("GetObject", Bucket=versioned, Key="k", VersionId=ids[1]).code == "NoSuchVersion"
    for id in (again, ids[0]):
        s3("DeleteObject", Bucket=versioned, Key="k", VersionId=id)
    assert s3.fails("GetObject", Bucket=versioned, Key="k").headers == {}
    assert (s3.blob_count(), listed(s3)) == (0, [])
    s3("DeleteBucket", Bucket=versioned)


async def test_a_delete_marker_hides_and_its_removal_shows_again(s3: Any, versioned: str) -> None:
    id = (await s3.put(versioned, "k", b"1"))["VersionId"]
    told = s3("DeleteObject", Bucket=versioned, Key="k")
    marker = told["VersionId"]
    assert told == {"DeleteMarker": True, "VersionId": marker}
    error = s3.fails("GetObject", Bucket=versioned, Key="k")
    assert (error.code, error.status) == ("NoSuchKey", 404)
    assert error.headers == {"x-amz-delete-marker": "true", "x-amz-version-id": marker}
    for name in ("GetObject", "HeadObject", "GetObjectTagging", "GetObjectAcl"):
        error = s3.fails(name, Bucket=versioned, Key="k", VersionId=marker)
        assert (error.code, error.status) == ("MethodNotAllowed", 405)
        assert error.headers["Allow"] == "DELETE"
        assert error.headers["Last-Modified"].endswith("GMT")
    assert await s3.get(versioned, "k", VersionId=id) == b"1"
    assert listed(s3) == [("k", marker, True, True), ("k", id, False, False)]
    assert "Contents" not in s3("ListObjectsV2", Bucket=versioned)
    told = s3("DeleteObject", Bucket=versioned, Key="k", VersionId=marker)
    assert told == {"DeleteMarker": True, "VersionId": marker}
    assert await s3.get(versioned, "k") == b"1"
    assert listed(s3) == [("k", id, True, False)]


async def test_markers_upon_markers(s3: Any, versioned: str) -> None:
    """Also of a key that never was; what is put upon them is current."""
    first = s3("DeleteObject", Bucket=versioned, Key="k")["VersionId"]
    second = s3("DeleteObject", Bucket=versioned, Key="k")["VersionId"]
    assert listed(s3) == [("k", second, True, True), ("k", first, False, True)]
    id = (await s3.put(versioned, "k", b"1", IfNoneMatch="*"))["VersionId"]
    assert listed(s3) == [("k", id, True, False), ("k", second, False, True), ("k", first, False, True)]
    s3("DeleteObject", Bucket=versioned, Key="k", VersionId=id)
    assert listed(s3) == [("k", second, True, True), ("k", first, False, True)]
    s3("DeleteObject", Bucket=versioned, Key="k", VersionId=second)
    assert listed(s3) == [("k", first, True, True)]


async def test_what_was_there_before_is_the_null_version(s3: Any, bucket: str) -> None:
    assert "VersionId" not in await s3.put(bucket, "k", b"before", Tagging="a=1")
    assert "VersionId" not in s3("GetObject", Bucket=bucket, Key="k")
    switch(s3, "Enabled")
    assert s3("HeadObject", Bucket=bucket, Key="k")["VersionId"] == "null"
    id = (await s3.put(bucket, "k", b"after"))["VersionId"]
    assert listed(s3) == [("k", id, True, False), ("k", "null", False, False)]
    assert await s3.get(bucket, "k", VersionId="null") == b"before"
    assert s3("GetObjectTagging", Bucket=bucket, Key="k")["TagSet"] == []
    assert s3("GetObjectTagging", Bucket=bucket, Key="k", VersionId="null")["TagSet"] == [{"Key": "a", "Value": "1"}]
    s3("DeleteObject", Bucket=bucket, Key="k", VersionId="null")
    assert listed(s3) == [("k", id, True, False)]
    assert s3.blob_count() == 1


async def test_suspended(s3: Any, versioned: str) -> None:
    """The null version is replaced wherever it is among the others; these stay."""
    kept = (await s3.put(versioned, "k", b"kept"))["VersionId"]
    switch(s3, "Suspended")
    assert "VersionId" not in await s3.put(versioned, "k", b"null 1")
    assert s3("HeadObject", Bucket=versioned, Key="k")["VersionId"] == "null"
    assert listed(s3) == [("k", "null", True, False), ("k", kept, False, False)]
    await s3.put(versioned, "k", b"null 2")
    assert listed(s3) == [("k", "null", True, False), ("k", kept, False, False)]
    assert s3.blob_count() == 2
    switch(s3, "Enabled")
    newer = (await s3.put(versioned, "k", b"newer"))["VersionId"]
    switch(s3, "Suspended")
    assert s3("DeleteObject", Bucket=versioned, Key="k") == {"DeleteMarker": True, "VersionId": "null"}
    assert listed(s3) == [("k", "null", True, True), ("k", newer, False, False), ("k", kept, False, False)]
    assert s3.blob_count() == 2
    s3("DeleteObject", Bucket=versioned, Key="k")
    assert len(listed(s3)) == 3
    await s3.put(versioned, "k", b"null 3")
    assert listed(s3) == [("k", "null", True, False), ("k", newer, False, False), ("k", kept, False, False)]
    s3("DeleteObject", Bucket=versioned, Key="k", VersionId="null")
    assert await s3.get(versioned, "k") == b"newer"


async def test_ids_that_lead_nowhere(s3: Any, versioned: str) -> None:
    id = (await s3.put(versioned, "k", b"1"))["VersionId"]
    for wrong, code in (("x", "InvalidArgument"), ("", "InvalidArgument"), ("Z" * 22 + id[22:], "NoSuchVersion")):
        for name in ("GetObject", "HeadObject", "GetObjectTagging", "GetObjectAcl"):
            assert s3.fails(name, Bucket=versioned, Key="k", VersionId=wrong).code == code
    gone = {"Key": "k", "VersionId": "Z" * 22 + id[22:]}
    assert s3("DeleteObject", Bucket=versioned, **gone) == {"VersionId": gone["VersionId"]}
    assert s3("DeleteObjects", Bucket=versioned, Delete={"Objects": [gone]})["Deleted"] == [gone]
    assert s3.fails("DeleteObject", Bucket=versioned, Key="k", VersionId="x").code == "InvalidArgument"
    assert s3.fails("GetObject", Bucket=versioned, Key="other", VersionId=id).code == "NoSuchVersion"
    assert listed(s3) == [("k", id, True, False)]


async def test_copies(s3: Any, versioned: str) -> None:
    old = (await s3.put(versioned, "k", b"old", Metadata={"n": "old"}, Tagging="n=old"))["VersionId"]
    new = (await s3.put(versioned, "k", b"new"))["VersionId"]
    told = s3("CopyObject", Bucket=versioned, Key="k", CopySource=f"one/k?versionId={old}")
    assert told["CopySourceVersionId"] == old
    assert told["VersionId"] not in (old, new)
    head = s3("HeadObject", Bucket=versioned, Key="k")
    assert (await s3.get(versioned, "k"), head["Metadata"], head["TagCount"]) == (b"old", {"n": "old"}, 1)
    assert s3.blob_count() == 2, "a copy shares its source's"
    assert s3("CopyObject", Bucket=versioned, Key="to", CopySource="one/k")["CopySourceVersionId"] == told["VersionId"]
    assert s3.fails("CopyObject", Bucket=versioned, Key="k", CopySource="one/k").code == "InvalidRequest"
    upload = s3("CreateMultipartUpload", Bucket=versioned, Key="mp")["UploadId"]
    part = {"Bucket": versioned, "Key": "mp", "UploadId": upload}
    copied = s3("UploadPartCopy", **part, PartNumber=1, CopySource=f"one/k?versionId={new}")
    assert copied["CopySourceVersionId"] == new
    parts = [{"PartNumber": 1, "ETag": copied["CopyPartResult"]["ETag"]}]
    done = s3("CompleteMultipartUpload", **part, MultipartUpload={"Parts": parts})
    assert await s3.get(versioned, "mp", VersionId=done["VersionId"]) == b"new"
    marker = s3("DeleteObject", Bucket=versioned, Key="k")["VersionId"]
    assert s3.fails("CopyObject", Bucket=versioned, Key="x", CopySource="one/k").code == "NoSuchKey"
    error = s3.fails("CopyObject", Bucket=versioned, Key="x", CopySource=f"one/k?versionId={marker}")
    assert (error.code, error.status) == ("InvalidRequest", 400)
    assert "delete marker" in error.message


async def test_deleting_many(s3: Any, versioned: str) -> None:
    id = (await s3.put(versioned, "a", b"1"))["VersionId"]
    await s3.put(versioned, "b", b"1")
    told = s3("DeleteObjects", Bucket=versioned, Delete={"Objects": [
        {"Key": "a", "VersionId": id}, {"Key": "b"}, {"Key": "b"}, {"Key": "c", "VersionId": "x"}]})  # fmt: skip
    first, second, third = told["Deleted"]
    assert first == {"Key": "a", "VersionId": id}
    assert (second["DeleteMarker"], second["Key"]) == (True, "b")
    assert second["DeleteMarkerVersionId"] != third["DeleteMarkerVersionId"]
    assert [(error["Key"], error["Code"]) for error in told["Errors"]] == [("c", "NoSuchVersion")]
    marker = {"Key": "b", "VersionId": third["DeleteMarkerVersionId"]}
    (removed,) = s3("DeleteObjects", Bucket=versioned, Delete={"Objects": [marker]})["Deleted"]
    assert removed == {**marker, "DeleteMarker": True, "DeleteMarkerVersionId": marker["VersionId"]}


async def test_conditions_are_about_the_current_version(s3: Any, versioned: str) -> None:
    old = await s3.put(versioned, "k", b"old")
    new = await s3.put(versioned, "k", b"new")
    assert s3.fails("DeleteObject", Bucket=versioned, Key="k", IfMatch=old["ETag"]).status == 412
    assert s3.fails("DeleteObject", Bucket=versioned, Key="k", IfMatch=new["ETag"], VersionId=old["VersionId"])
    s3("DeleteObject", Bucket=versioned, Key="k", IfMatch=new["ETag"])
    blob = await s3.blob(b"x")
    assert s3.fails("PutObject", Bucket=versioned, Key="k", Body=blob, IfMatch=new["ETag"]).code == "NoSuchKey"


async def test_a_bucket_with_versions_is_not_empty(s3: Any, versioned: str) -> None:
    id = (await s3.put(versioned, "k", b"1"))["VersionId"]
    marker = s3("DeleteObject", Bucket=versioned, Key="k")["VersionId"]
    for gone in (id, marker):
        error = s3.fails("DeleteBucket", Bucket=versioned)
        assert (error.code, error.status) == ("BucketNotEmpty", 409)
        assert error.message.endswith("You must delete all versions in the bucket.")
        s3("DeleteObject", Bucket=versioned, Key="k", VersionId=gone)
    s3("DeleteBucket", Bucket=versioned)


async def test_keys_that_begin_alike_keep_their_versions_apart(s3: Any, versioned: str) -> None:
    for name in ("a", "a/b", "a b", "ab", "a\u00e9"):
        await s3.put(versioned, name, b"1")
        await s3.put(versioned, name, b"2")
    s3("DeleteObject", Bucket=versioned, Key="a")
    found = listed(s3)
    assert [name for name, *_ in found] == ["a", "a", "a", "a b", "a b", "a/b", "a/b", "ab", "ab", "aé", "aé"]
    assert [latest for _, _, latest, _ in found] == [True, False, False, *[True, False] * 4]


class Model:
    """Versions as the user guide tells them: for each key (id, content or None for a marker), the newest first."""

    def __init__(self) -> None:
        self.status: str | None = None
        self.keys: dict[str, list[tuple[str, bytes | None]]] = {}

    def write(self, name: str, id: str, content: bytes | None) -> None:
        versions = self.keys.setdefault(name, [])
        if id == "null":
            versions[:] = [one for one in versions if one[0] != "null"]
        versions.insert(0, (id, content))

    def remove(self, name: str, id: str) -> None:
        self.keys[name] = [one for one in self.keys.get(name, []) if one[0] != id]

    def listed(self) -> list[tuple[str, str, bool, bool]]:
        return [(name, id, number == 0, content is None)
                for name in sorted(self.keys) for number, (id, content) in enumerate(self.keys[name])]  # fmt: skip


NAME = st.sampled_from(["a", "a/", "b"])
STEP = st.one_of(
    st.tuples(st.just("put"), NAME),
    st.tuples(st.just("delete"), NAME),
    st.tuples(st.just("remove"), NAME, st.integers(0, 3)),
    st.tuples(st.just("switch"), st.sampled_from(["Enabled", "Enabled", "Suspended"])),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=14))
async def test_any_sequence_of_calls(s3: Any, bucket: str, steps: list[Any]) -> None:
    """After each: the listing, what each version holds, what is current, and the blobs that are left."""
    empty(s3, bucket)
    model = Model()
    for number, (verb, argument, *which) in enumerate(steps):
        if verb == "switch":
            switch(s3, argument)
            model.status = argument
        elif verb == "put":
            content = b"%d" % number
            id = (await s3.put(bucket, argument, content)).get("VersionId", "null")
            model.write(argument, id, content)
        elif verb == "delete":
            told = s3("DeleteObject", Bucket=bucket, Key=argument)
            if model.status is None:
                model.remove(argument, "null")
            else:
                model.write(argument, told["VersionId"], None)
        elif which[0] < len(model.keys.get(argument, [])):
            id = model.keys[argument][which[0]][0]
            s3("DeleteObject", Bucket=bucket, Key=argument, VersionId=id)
            model.remove(argument, id)
        assert in_order(s3, bucket) == model.listed()
    for name, versions in model.keys.items():
        for id, held in versions:
            if held is not None:
                assert await s3.get(bucket, name, VersionId=id) == held
    current = [name for name, versions in sorted(model.keys.items()) if versions and versions[0][1] is not None]
    assert [item["Key"] for item in s3("ListObjectsV2", Bucket=bucket).get("Contents", ())] == current
    assert s3.blob_count() == sum(held is not None for versions in model.keys.values() for _, held in versions)


def in_order(s3: Any, bucket: str) -> list[tuple[str, str, bool, bool]]:
    """The listing one entry a page, so that versions and markers come in the order in which S3 has them."""
    found, more = [], {}
    while True:
        page = s3("ListObjectVersions", Bucket=bucket, MaxKeys=1, **more)
        found += [(item["Key"], item["VersionId"], item["IsLatest"], False) for item in page.get("Versions", ())]
        found += [(item["Key"], item["VersionId"], item["IsLatest"], True) for item in page.get("DeleteMarkers", ())]
        if not page["IsTruncated"]:
            return found
        more = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}


def empty(s3: Any, bucket: str) -> None:
    """The bucket as new."""
    for name, id, *_ in in_order(s3, bucket):
        s3("DeleteObject", Bucket=bucket, Key=name, VersionId=id)
    s3("DeleteBucket", Bucket=bucket)
    s3("CreateBucket", Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
