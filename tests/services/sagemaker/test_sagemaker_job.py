"""Processing and training jobs as records: what is kept, what is refused and in which words."""

from datetime import timedelta
from typing import Any

import pytest
from sagemaker_caller import IMAGE, NOW, ROLE, VPC_CONFIG, SageMaker

from ringfence.explain.checks.image import how_to_get
from ringfence.resources.job import JobStatus, Outcome, TrainingJob, WarmPool
from ringfence.services.sagemaker import failure_reason, job_failure
from ringfence.services.sagemaker.warm_pool import is_match

_GROUP = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "InstanceGroupName": "g"}
_INPUT = {
    "InputName": "rows",
    "S3Input": {
        "S3Uri": "s3://input/rows",
        "LocalPath": "/opt/ml/processing/rows",
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
    },
}


def processing(**changes: Any) -> dict[str, Any]:
    cluster = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
    given = {
        "ProcessingJobName": "job",
        "RoleArn": ROLE,
        "AppSpecification": {"ImageUri": IMAGE},
        "ProcessingResources": {"ClusterConfig": cluster},
        "NetworkConfig": {"VpcConfig": VPC_CONFIG},
        "ProcessingInputs": [_INPUT],
    }
    return {**given, **changes}


def training(**changes: Any) -> dict[str, Any]:
    given = {
        "TrainingJobName": "fit",
        "RoleArn": ROLE,
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": "s3://models/out"},
        "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }
    return {**given, **changes}


def measured(regex: str) -> dict[str, Any]:
    definitions = [{"Name": "loss", "Regex": regex}]
    algorithm = {"TrainingImage": IMAGE, "TrainingInputMode": "File", "MetricDefinitions": definitions}
    return {"AlgorithmSpecification": algorithm}


def changed(**data: Any) -> list[dict[str, Any]]:
    return [{**_INPUT, "S3Input": {**_INPUT["S3Input"], **data}}]  # type: ignore[dict-item]


def network(**members: Any) -> dict[str, Any]:
    return {"NetworkConfig": {"VpcConfig": VPC_CONFIG, **members}}


def cluster(**changes: Any) -> dict[str, Any]:
    given = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1, **changes}
    return {"ProcessingResources": {"ClusterConfig": given}}


def test_a_job_is_described_as_it_was_asked_for(sagemaker: SageMaker) -> None:
    sagemaker("CreateProcessingJob", **processing(Tags=[{"Key": "team", "Value": "a"}]))
    told = sagemaker("DescribeProcessingJob", ProcessingJobName="job")
    assert told["ProcessingJobStatus"] == "InProgress"
    assert told["ProcessingInputs"][0]["S3Input"].items() >= _INPUT["S3Input"].items()  # type: ignore[attr-defined]
    assert sagemaker("ListTags", ResourceArn=told["ProcessingJobArn"])["Tags"] == [{"Key": "team", "Value": "a"}]
    sagemaker("StopProcessingJob", ProcessingJobName="job")
    assert sagemaker("DescribeProcessingJob", ProcessingJobName="job")["ProcessingJobStatus"] == "Stopping"
    outcome = Outcome(status="Stopped", secondary="Stopped")
    job = told["ProcessingJobArn"]
    sagemaker.put(
        JobStatus(
            job_arn=job, phase="Ended", modified=told["CreationTime"], ended=told["CreationTime"], outcome=outcome
        )
    )
    assert sagemaker.error("StopProcessingJob", ProcessingJobName="job").message == (
        "The request was rejected because the processing job is in status Stopped."
    )
    listed = sagemaker("ListProcessingJobs", StatusEquals="Stopped")["ProcessingJobSummaries"]
    assert [one["ProcessingJobName"] for one in listed] == ["job"]
    assert sagemaker("ListProcessingJobs", StatusEquals="InProgress")["ProcessingJobSummaries"] == []


def test_a_training_job_begins_with_starting(sagemaker: SageMaker) -> None:
    sagemaker("CreateTrainingJob", **training())
    told = sagemaker("DescribeTrainingJob", TrainingJobName="fit")
    assert (told["TrainingJobStatus"], told["SecondaryStatus"]) == ("InProgress", "Starting")
    assert sagemaker.error("CreateTrainingJob", **training()).code == "ResourceInUse"


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"AppSpecification": {"ImageUri": "python:3"}}, "ValidationException", "non-ECR image"),
        (cluster(InstanceType="ml.p3.2xlarge"), "ResourceLimitExceeded", "ml.p3.2xlarge for processing job usage"),
        ({"RoleArn": ROLE.replace("exec", "nobody")}, "ValidationException", "Could not assume role"),
        ({"ProcessingInputs": changed(S3InputMode="Pipe")}, "ValidationException", "S3InputMode Pipe"),
        ({"ProcessingInputs": changed(S3CompressionType="Gzip")}, "ValidationException", "Gzip can only"),
        ({"ProcessingInputs": changed(LocalPath="/opt/ml/processing/../x")}, "ValidationException", "LocalPath"),
        ({"ProcessingInputs": changed(S3Uri="http://x")}, "ValidationException", "must have the form s3://"),
        ({"ProcessingInputs": [_INPUT, _INPUT]}, "ValidationException", "must be unique"),
        ({"ProcessingInputs": [{**_INPUT, "AppManaged": True}]}, "ValidationException", "AppManaged"),
        ({"NetworkConfig": {"VpcConfig": {**VPC_CONFIG, "Subnets": ["subnet-x"]}}}, "ValidationException", "subnet-x"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_kept(
    sagemaker: SageMaker, changes: dict[str, Any], code: str, words: str
) -> None:
    error = sagemaker.error("CreateProcessingJob", **processing(**changes))
    assert error.code == code and words in error.message
    missing = sagemaker.error("DescribeProcessingJob", ProcessingJobName="job")
    assert missing.message.startswith('Could not find processing job "arn:aws:sagemaker:')


def test_listings_begin_with_the_newest_job_but_of_processing_with_the_oldest(sagemaker: SageMaker) -> None:
    """As ListProcessingJobs and ListTransformJobs document the default of SortOrder, and ListTrainingJobs answers."""
    sagemaker("CreateModel", ModelName="model", PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=ROLE)
    listings = (
        ("Training", training, "Descending"),
        ("Processing", processing, "Ascending"),
        ("Transform", transforming, "Descending"),
    )
    for kind, ask, order in listings:
        for name in ("a", "b"):
            sagemaker(f"Create{kind}Job", **ask(**{f"{kind}JobName": name}))
        listed = [one[f"{kind}JobName"] for one in sagemaker(f"List{kind}Jobs")[f"{kind}JobSummaries"]]
        assert listed == (["a", "b"] if order == "Ascending" else ["b", "a"]), kind
    by_name = sagemaker("ListTrainingJobs", SortBy="Name")["TrainingJobSummaries"]
    assert [one["TrainingJobName"] for one in by_name] == ["a", "b"]


def test_jobs_that_have_not_ended_count_for_the_accounts_limit(sagemaker: SageMaker) -> None:
    many = {"InstanceCount": 100, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
    error = sagemaker.error("CreateTrainingJob", **training(ResourceConfig={**many, "InstanceCount": 100_000}))
    assert error.code == "ResourceLimitExceeded" and "request delta of 100000 Instances" in error.message
    sagemaker("CreateTrainingJob", **training(ResourceConfig=many))
    error = sagemaker.error("CreateTrainingJob", **training(TrainingJobName="next"))
    assert "is 100 Instances, with current utilization of 100 Instances and a request delta of 1" in error.message
    job = sagemaker("DescribeTrainingJob", TrainingJobName="fit")
    outcome = Outcome(status="Completed", secondary="Completed")
    now = job["CreationTime"]
    sagemaker.put(JobStatus(job_arn=job["TrainingJobArn"], phase="Ended", modified=now, ended=now, outcome=outcome))
    sagemaker("CreateTrainingJob", **training(TrainingJobName="next"))


def test_a_processing_job_shows_what_was_left_out(sagemaker: SageMaker) -> None:
    place = {"S3Uri": "s3://models/o", "S3UploadMode": "EndOfJob", "LocalPath": "/opt/ml/processing/o"}
    output = {"OutputName": "o", "S3Output": place}
    sagemaker("CreateProcessingJob", **processing(ProcessingOutputConfig={"Outputs": [output]}))
    told = sagemaker("DescribeProcessingJob", ProcessingJobName="job")
    (given,), (left,) = told["ProcessingInputs"], told["ProcessingOutputConfig"]["Outputs"]
    assert given["AppManaged"] is left["AppManaged"] is False
    assert (given["S3Input"]["S3DataDistributionType"], given["S3Input"]["S3CompressionType"]) == (
        "FullyReplicated", "None",
    )  # fmt: skip
    assert told["StoppingCondition"] == {"MaxRuntimeInSeconds": 86400}
    assert told["NetworkConfig"]["EnableNetworkIsolation"] is False


def test_descriptions_show_what_was_left_out(sagemaker: SageMaker) -> None:
    """The SDK's `attach` fails without OutputDataConfig.KmsKeyId."""
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://input/rows"}
    channel = {"ChannelName": "train", "DataSource": {"S3DataSource": source}}
    sagemaker("CreateTrainingJob", **training(InputDataConfig=[channel]))
    told = sagemaker("DescribeTrainingJob", TrainingJobName="fit")
    assert told["OutputDataConfig"] == {
        "KmsKeyId": "", "S3OutputPath": "s3://models/out", "CompressionType": "GZIP",
    }  # fmt: skip
    (shown,) = told["InputDataConfig"]
    assert (shown["CompressionType"], shown["RecordWrapperType"]) == ("None", "None")
    assert shown["DataSource"]["S3DataSource"] == {"S3DataDistributionType": "FullyReplicated", **source}


def _channel(uri: str) -> list[dict[str, Any]]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri}
    return [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}]


@pytest.mark.parametrize("uri", ["s3://input/none", "s3://nobody/rows", "s3://models/a"])
def test_input_that_is_not_there_is_seen_at_once(sagemaker: SageMaker, uri: str) -> None:
    """Nothing under the prefix, no such bucket, a bucket that the role may not list."""
    bucket = uri.removeprefix("s3://").partition("/")[0]
    words = (
        f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket exists in '
        "the selected region (us-west-2), that objects exist under that S3 prefix, and that the role "
        f'"{ROLE}" has "s3:ListBucket" permissions on bucket "{bucket}".'
    )
    error = sagemaker.error("CreateTrainingJob", **training(InputDataConfig=_channel(uri)))
    assert (error.code, error.message) == ("ValidationException", words)
    sagemaker("CreateModel", ModelName="model", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": IMAGE})
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}
    error = sagemaker.error("CreateTransformJob", **transforming(TransformInput={"DataSource": source}))
    assert (error.code, error.message) == ("ValidationException", words)


def test_input_is_not_looked_at_from_outside_the_vpc(sagemaker: SageMaker) -> None:
    """A bucket that admits the VPC's endpoint alone would refuse; the job finds out."""
    sagemaker("CreateTrainingJob", **training(VpcConfig=VPC_CONFIG, InputDataConfig=_channel("s3://input/none")))
    lacking = changed(S3Uri="s3://input/none")
    sagemaker("CreateProcessingJob", **processing(NetworkConfig={}, ProcessingInputs=lacking))


@pytest.mark.parametrize("said", ["", "no such column", "x" * 2000])
def test_the_exit_code_is_in_the_failure_reason(said: str) -> None:
    reason = job_failure.algorithm_failed(3, said)
    assert reason.startswith(f"AlgorithmError: {said[:900]}") and reason.endswith(", exit code: 3")
    assert len(reason) <= 1024


def transforming(**changes: Any) -> dict[str, Any]:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://input/rows/"}}
    given = {
        "TransformJobName": "batch",
        "ModelName": "model",
        "TransformInput": {"DataSource": source, "ContentType": "text/csv"},
        "TransformOutput": {"S3OutputPath": "s3://models/out"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }
    return {**given, **changes}


def test_a_transform_job_keeps_its_model(sagemaker: SageMaker) -> None:
    sagemaker("CreateModel", ModelName="model", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": IMAGE})
    sagemaker("CreateTransformJob", **transforming())
    sagemaker("DeleteModel", ModelName="model")
    told = sagemaker("DescribeTransformJob", TransformJobName="batch")
    assert (told["TransformJobStatus"], told["ModelName"]) == ("InProgress", "model")
    sagemaker("StopTransformJob", TransformJobName="batch")
    listed = sagemaker("ListTransformJobs", StatusEquals="Stopping")["TransformJobSummaries"]
    assert [one["TransformJobName"] for one in listed] == ["batch"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ModelName": "nobody"}, 'Could not find model "arn:aws:sagemaker:'),
        ({"MaxPayloadInMB": 101}, "greater than 100 MB"),
        ({"MaxPayloadInMB": 50, "MaxConcurrentTransforms": 3}, "greater than 100 MB"),
        ({"DataProcessing": {"InputFilter": "$..a"}}, "no JSONPath"),
        ({"DataCaptureConfig": {"DestinationS3Uri": "s3://models/c"}}, "DataCaptureConfig"),
        ({"TransformOutput": {"S3OutputPath": "https://models/out"}}, "must have the form s3://"),
    ],
)
def test_what_no_transform_can_be_is_refused(sagemaker: SageMaker, changes: dict[str, Any], words: str) -> None:
    sagemaker("CreateModel", ModelName="model", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": IMAGE})
    error = sagemaker.error("CreateTransformJob", **transforming(**changes))
    assert error.code == "ValidationException" and words in error.message


def test_what_is_told_of_a_warm_pool(sagemaker: SageMaker) -> None:
    resources = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1, "KeepAlivePeriodInSeconds": 60}
    spot = {
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 1, "MaxWaitTimeInSeconds": 2},
    }
    error = sagemaker.error("CreateTrainingJob", **training(ResourceConfig=resources, **spot))
    assert "KeepAlivePeriodInSeconds" in error.message
    sagemaker("CreateTrainingJob", **training(ResourceConfig=resources))
    told = sagemaker("DescribeTrainingJob", TrainingJobName="fit")
    assert told["WarmPoolStatus"] == {"Status": "InUse"}
    at = told["CreationTime"]
    pool = WarmPool(state="Reused", since=at, ended=at + timedelta(seconds=9), reused_by="next")
    outcome = Outcome(status="Completed", secondary="Completed")
    arn = told["TrainingJobArn"]
    sagemaker.put(JobStatus(job_arn=arn, phase="Ended", modified=at, ended=at, outcome=outcome, pool=pool))
    shown = {"Status": "Reused", "ResourceRetainedBillableTimeInSeconds": 9, "ReusedByJob": "next"}
    (listed,) = sagemaker("ListTrainingJobs", WarmPoolStatusEquals="Reused")["TrainingJobSummaries"]
    assert listed["WarmPoolStatus"] == shown
    assert sagemaker("ListTrainingJobs", WarmPoolStatusEquals="Available")["TrainingJobSummaries"] == []
    update = {"TrainingJobName": "fit", "ResourceConfig": {"KeepAlivePeriodInSeconds": 0}}
    assert "has no warm pool" in sagemaker.error("UpdateTrainingJob", **update).message


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"TrainingJobName": "other", "HyperParameters": {"a": "1"}}, True),
        ({"VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}}, False),
        ({"EnableNetworkIsolation": True}, False),
        ({"EnableInterContainerTrafficEncryption": True}, False),
        ({"RoleArn": "other"}, False),
        ({"ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 2}}, False),
        ({"ResourceConfig": {**training()["ResourceConfig"], "KeepAlivePeriodInSeconds": 9}}, True),
    ],
)
def test_which_jobs_match(changes: dict[str, Any], match: bool) -> None:
    jobs = [
        TrainingJob(name="j", account="1", region="r", arn="a", created=NOW, spec=spec)
        for spec in (training(), training(**changes))
    ]
    assert is_match(*jobs) == match


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ExperimentConfig": {"TrialName": "t"}}, "ExperimentConfig"),
        ({"ResourceConfig": {"VolumeSizeInGB": 1, "InstanceGroups": [_GROUP]}}, "ResourceConfig.InstanceGroups"),
        (measured("loss=(.*"), "The Regex of metric definition loss is not valid."),
    ],
)
def test_training_that_is_refused(sagemaker: SageMaker, changes: dict[str, Any], words: str) -> None:
    error = sagemaker.error("CreateTrainingJob", **training(**changes))
    assert error.code == "ValidationException" and words in error.message, error.message


def test_a_built_in_image_that_is_not_installed_says_what_to_run() -> None:
    """After AWS's words, which other images have alone."""
    image = "763104351884.dkr.ecr.us-west-2.amazonaws.com/pytorch-training:2.6.0-cpu-py312"
    todo = " PyTorch is not installed on the machine of Ringfence: run `make pytorch` there, then try again."
    found = job_failure.image_missing(image)
    assert found.startswith("ClientError: API error (404): manifest for ") and found.endswith(f"not found.{todo}")
    assert failure_reason.image_missing("one", image).endswith(f"permissions to access them.{todo}")
    assert job_failure.image_missing(IMAGE.replace("246618743249", "123456789012")).endswith(
        "Requested image not found"
    )
    assert "`make pytorch`" in how_to_get(image) and "make" not in how_to_get("mine:1")
