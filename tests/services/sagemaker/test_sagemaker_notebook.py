"""Notebook instances and their lifecycle configurations as their operations keep, show and refuse them."""

import base64
from typing import Any

import pytest
from sagemaker_caller import ACCOUNT, NOW, ROLE, SageMaker

from ringfence.resources.notebook import NotebookInstance, NotebookInstanceStatus, NotebookSession, NotebookUrl

PREFIX = f"arn:aws:sagemaker:us-west-2:{ACCOUNT}"
GIVEN = {"InstanceType": "ml.t3.medium", "RoleArn": ROLE}
IN_VPC = {"SubnetId": "subnet-a", "SecurityGroupIds": ["sg-1"]}
SCRIPT = [{"Content": base64.b64encode(b"#!/bin/bash\ntrue\n").decode()}]


def arn(name: str = "nb") -> str:
    return f"{PREFIX}:notebook-instance/{name}"


def make(sagemaker: SageMaker, name: str = "nb", **changes: Any) -> str:
    return str(sagemaker("CreateNotebookInstance", NotebookInstanceName=name, **{**GIVEN, **changes})[_ARN])


_ARN = "NotebookInstanceArn"


def see(sagemaker: SageMaker, state: str, name: str = "nb", **changes: Any) -> None:
    """What the reconciler writes."""
    with sagemaker.store.transaction() as records:
        one = records.get(NotebookInstance, f"{ACCOUNT}/us-west-2/{name}")
        assert one is not None
        given = {"launch": one.launch, "generation": one.generation, "modified": NOW, **changes}
        records.put(NotebookInstanceStatus(arn=one.arn, status=state, **given))


def state(sagemaker: SageMaker, name: str = "nb") -> str:
    return str(sagemaker("DescribeNotebookInstance", NotebookInstanceName=name)["NotebookInstanceStatus"])


def test_round_trip(sagemaker: SageMaker) -> None:
    assert make(sagemaker, **IN_VPC, Tags=[{"Key": "team", "Value": "a"}]) == arn()
    shown = sagemaker("DescribeNotebookInstance", NotebookInstanceName="nb")
    assert (shown["NotebookInstanceStatus"], shown["Url"]) == ("Pending", "nb.notebook.us-west-2.sagemaker.aws")
    assert (shown["SubnetId"], shown["SecurityGroups"]) == ("subnet-a", ["sg-1"])
    assert (shown["DirectInternetAccess"], shown["RootAccess"], shown["VolumeSizeInGB"]) == ("Enabled", "Enabled", 5)
    assert shown["PlatformIdentifier"] == "notebook-al2023-v1"
    assert shown["InstanceMetadataServiceConfiguration"] == {"MinimumInstanceMetadataServiceVersion": "1"}
    assert "NetworkInterfaceId" not in shown and "FailureReason" not in shown
    assert sagemaker("ListTags", ResourceArn=arn())["Tags"] == [{"Key": "team", "Value": "a"}]
    see(sagemaker, "InService", interface_id="eni-1")
    shown = sagemaker("DescribeNotebookInstance", NotebookInstanceName="nb")
    assert (shown["NotebookInstanceStatus"], shown["NetworkInterfaceId"]) == ("InService", "eni-1")
    assert sagemaker.error("CreateNotebookInstance", NotebookInstanceName="nb", **GIVEN).message == (
        f"Cannot create a duplicate Notebook Instance ({arn()})"
    )
    assert sagemaker.error("DescribeNotebookInstance", NotebookInstanceName="no").message == "RecordNotFound"
    assert sagemaker.error("ListTags", ResourceArn=arn("no")).message == "RecordNotFound"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"DirectInternetAccess": "Disabled"}, "can be Disabled only if SubnetId"),
        ({"SubnetId": "subnet-a"}, "SecurityGroupIds is required"),
        ({"SecurityGroupIds": ["sg-1"]}, "only with SubnetId"),
        ({**IN_VPC, "SubnetId": "subnet-none"}, "The subnet ID 'subnet-none' does not exist"),
        ({**IN_VPC, "SecurityGroupIds": ["sg-far"]}, "different networks"),
        ({"RoleArn": ROLE + "x"}, "Could not assume role"),
        ({"InstanceType": "ml.p3.2xlarge"}, "'ml.p3.2xlarge for notebook instance usage' is 0 Instances"),
        ({"KmsKeyId": "key"}, "does not implement KmsKeyId"),
        ({"DefaultCodeRepository": "https://example.com/a"}, "does not implement DefaultCodeRepository"),
        ({"AcceleratorTypes": ["ml.eia1.medium"]}, "does not implement AcceleratorTypes"),
        ({"IpAddressType": "dualstack"}, "does not implement IpAddressType"),
        ({"PlatformIdentifier": "notebook-al1-v1"}, "does not implement PlatformIdentifier notebook-al1-v1"),
        ({"LifecycleConfigName": "no"}, "Notebook Instance Lifecycle Config does not exist.)"),
        ({"Tags": [{"Key": "aws:a", "Value": "b"}]}, "aws: prefixed"),
    ],
)
def test_what_is_refused(sagemaker: SageMaker, changes: dict[str, Any], message: str) -> None:
    error = sagemaker.error("CreateNotebookInstance", NotebookInstanceName="nb", **{**GIVEN, **changes})
    assert message in error.message


def test_from_state_to_state(sagemaker: SageMaker) -> None:
    """With AWS's messages where a step is none."""
    make(sagemaker)
    steps = {"Start": ("Stopped, Failed", "Pending"), "Stop": ("InService", "Stopping")}
    steps |= {"Update": ("Stopped, Failed", "Updating"), "Delete": ("Stopped, Failed", "Deleting")}

    def refused(*names: str) -> None:
        for name in names:
            error = sagemaker.error(f"{name}NotebookInstance", NotebookInstanceName="nb")
            wanted, to = steps[name]
            assert (error.code, error.message) == (
                "ValidationException",
                f"Status ({state(sagemaker)}) not in ([{wanted}]). Unable to transition to ({to}) for Notebook "
                f"Instance ({arn()})",
            )

    refused("Start", "Stop", "Update", "Delete")  # Pending
    see(sagemaker, "InService")
    refused("Start", "Update", "Delete")
    sagemaker("StopNotebookInstance", NotebookInstanceName="nb")
    assert state(sagemaker) == "Stopping"
    refused("Start", "Stop", "Update", "Delete")
    see(sagemaker, "Stopped")
    assert state(sagemaker) == "Stopped"
    refused("Stop")
    sagemaker("StartNotebookInstance", NotebookInstanceName="nb")
    assert state(sagemaker) == "Pending"
    see(sagemaker, "Failed", failure_reason="why")
    shown = sagemaker("DescribeNotebookInstance", NotebookInstanceName="nb")
    assert (shown["NotebookInstanceStatus"], shown["FailureReason"]) == ("Failed", "why")
    refused("Stop")
    sagemaker("DeleteNotebookInstance", NotebookInstanceName="nb")
    assert state(sagemaker) == "Deleting"
    refused("Start", "Stop", "Update", "Delete")


def test_update(sagemaker: SageMaker) -> None:
    make(sagemaker, VolumeSizeInGB=20)
    name = {"NotebookInstanceName": "nb"}
    sagemaker("CreateNotebookInstanceLifecycleConfig", NotebookInstanceLifecycleConfigName="c", OnStart=SCRIPT)
    see(sagemaker, "Stopped")
    assert (
        "cannot be decreased to 10 GB" in sagemaker.error("UpdateNotebookInstance", **name, VolumeSizeInGB=10).message
    )
    sagemaker(
        "UpdateNotebookInstance", **name, VolumeSizeInGB=30, InstanceType="ml.m5.xlarge", RootAccess="Disabled",
        LifecycleConfigName="c",
        InstanceMetadataServiceConfiguration={"MinimumInstanceMetadataServiceVersion": "2"},
    )  # fmt: skip
    assert state(sagemaker) == "Updating"
    see(sagemaker, "Stopped")
    shown = sagemaker("DescribeNotebookInstance", **name)
    assert (shown["VolumeSizeInGB"], shown["InstanceType"], shown["RootAccess"]) == (30, "ml.m5.xlarge", "Disabled")
    assert shown["NotebookInstanceLifecycleConfigName"] == "c"
    assert shown["InstanceMetadataServiceConfiguration"] == {"MinimumInstanceMetadataServiceVersion": "2"}
    error = sagemaker.error("DeleteNotebookInstanceLifecycleConfig", NotebookInstanceLifecycleConfigName="c")
    assert f"is in use by the Notebook Instance {arn()}" in error.message
    both = {"LifecycleConfigName": "c", "DisassociateLifecycleConfig": True}
    assert "cannot be specified together" in sagemaker.error("UpdateNotebookInstance", **name, **both).message
    sagemaker("UpdateNotebookInstance", **name, DisassociateLifecycleConfig=True)
    see(sagemaker, "Stopped")
    assert "NotebookInstanceLifecycleConfigName" not in sagemaker("DescribeNotebookInstance", **name)
    sagemaker("DeleteNotebookInstanceLifecycleConfig", NotebookInstanceLifecycleConfigName="c")


def test_list(sagemaker: SageMaker) -> None:
    sagemaker("CreateNotebookInstanceLifecycleConfig", NotebookInstanceLifecycleConfigName="config")
    for name, config in (("bee", None), ("ant", "config"), ("cat", None)):
        make(sagemaker, name, **({"LifecycleConfigName": config} if config else {}))
    see(sagemaker, "InService", "ant")
    see(sagemaker, "Stopped", "bee")

    def names(**request: Any) -> list[str]:
        found = sagemaker("ListNotebookInstances", **request)["NotebookInstances"]
        return [one["NotebookInstanceName"] for one in found]

    assert names() == ["ant", "bee", "cat"]
    assert names(SortOrder="Descending") == ["cat", "bee", "ant"]
    assert names(SortBy="CreationTime") == ["bee", "ant", "cat"]
    assert names(SortBy="Status") == ["ant", "cat", "bee"]
    assert names(StatusEquals="Pending") == ["cat"]
    assert names(NameContains="a") == ["ant", "cat"]
    assert names(NotebookInstanceLifecycleConfigNameContains="onf") == ["ant"]
    assert names(DefaultCodeRepositoryContains="x") == names(AdditionalCodeRepositoryEquals="x") == []
    assert names(CreationTimeAfter=NOW) == ["ant", "bee", "cat"] and names(CreationTimeBefore=NOW) == []
    first = sagemaker("ListNotebookInstances", MaxResults=2)
    assert [one["NotebookInstanceName"] for one in first["NotebookInstances"]] == ["ant", "bee"]
    assert names(MaxResults=2, NextToken=first["NextToken"]) == ["cat"]


def test_hosts_are_one_instances_own(sagemaker: SageMaker) -> None:
    """Names in the browser know no case; another account may have the same name."""
    make(sagemaker, "Team")
    make(sagemaker, "team")
    urls = [one["Url"] for one in sagemaker("ListNotebookInstances")["NotebookInstances"]]
    assert urls[0] == "team.notebook.us-west-2.sagemaker.aws"
    assert urls[1].startswith("team-") and len(urls[1].partition(".")[0]) == 9
    for name in ("l" * 63, "L" * 63):
        make(sagemaker, name)
        assert len(sagemaker("DescribeNotebookInstance", NotebookInstanceName=name)["Url"].partition(".")[0]) == 63


def test_presigned_url(sagemaker: SageMaker) -> None:
    make(sagemaker)
    name = {"NotebookInstanceName": "nb"}
    error = sagemaker.error("CreatePresignedNotebookInstanceUrl", **name)
    assert error.message.startswith("Status (Pending) not in ([InService]).")
    see(sagemaker, "InService")
    url = sagemaker("CreatePresignedNotebookInstanceUrl", **name)["AuthorizedUrl"]
    host, _, token = url.partition("?authToken=")
    assert (host, len(token)) == ("https://nb.notebook.us-west-2.sagemaker.aws", 64)
    with sagemaker.store.transaction() as records:
        (kept,) = records.all(NotebookUrl)
        seconds = (kept.opens_until - NOW).total_seconds()
        assert kept.seconds == 43_200 and 300 <= seconds < 310 and token not in repr(kept)
        given = {name: getattr(kept, name) for name in ("account", "region", "principal", "notebook", "volume_id")}
        records.put(NotebookSession(digest="s", until=NOW, **given))
    see(sagemaker, "Stopped")
    sagemaker("DeleteNotebookInstance", **name)
    with sagemaker.store.transaction() as records:
        assert [*records.all(NotebookUrl), *records.all(NotebookSession)] == []


def test_lifecycle_configurations(sagemaker: SageMaker) -> None:
    name = {"NotebookInstanceLifecycleConfigName": "c"}
    made = sagemaker("CreateNotebookInstanceLifecycleConfig", **name, OnStart=SCRIPT, Tags=[{"Key": "a", "Value": "b"}])
    config = f"{PREFIX}:notebook-instance-lifecycle-config/c"
    assert made == {"NotebookInstanceLifecycleConfigArn": config}
    assert sagemaker("ListTags", ResourceArn=config)["Tags"] == [{"Key": "a", "Value": "b"}]
    assert sagemaker.error("CreateNotebookInstanceLifecycleConfig", **name).message == (
        f"Unable to create Notebook Instance Lifecycle Config {config}. (Details: Notebook Instance Lifecycle Config "
        "already exists.)"
    )
    bad = sagemaker.error("UpdateNotebookInstanceLifecycleConfig", **name, OnCreate=[{"Content": "no base64!"}])
    assert bad.message == "The Content of OnCreate must be base64 encoded."
    sagemaker("UpdateNotebookInstanceLifecycleConfig", **name, OnCreate=SCRIPT, OnStart=[])
    shown = sagemaker("DescribeNotebookInstanceLifecycleConfig", **name)
    assert shown["OnCreate"] == SCRIPT and "OnStart" not in shown
    assert shown["LastModifiedTime"] > shown["CreationTime"]
    sagemaker("CreateNotebookInstanceLifecycleConfig", NotebookInstanceLifecycleConfigName="d")
    listed = sagemaker("ListNotebookInstanceLifecycleConfigs", SortBy="Name", SortOrder="Ascending")
    names = [one["NotebookInstanceLifecycleConfigName"] for one in listed["NotebookInstanceLifecycleConfigs"]]
    assert names == ["c", "d"]
    sagemaker("DeleteNotebookInstanceLifecycleConfig", **name)
    assert sagemaker.error("DescribeNotebookInstanceLifecycleConfig", **name).message == (
        f"Unable to describe Notebook Instance Lifecycle Config '{config}'. (Details: Notebook Instance Lifecycle "
        "Config does not exist.)"
    )
