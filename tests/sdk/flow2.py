"""The flows of the SageMaker Python SDK v2, as a user writes them. Runs in the SDK's own environment; see conftest.py.

Prints one JSON object for each flow that it was asked for, among the SDK's own output, the streamed logs. The flows run
at the same time: most of each is the SDK sleeping, 30 seconds between two looks at an endpoint.
"""

import contextlib
import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pandas as pd
import sagemaker
from sagemaker.feature_store.feature_definition import IntegralFeatureDefinition
from sagemaker.feature_store.feature_group import FeatureGroup
from sagemaker.feature_store.feature_store import FeatureStore
from sagemaker.feature_store.inputs import FeatureParameter, Filter, FilterOperatorEnum, Identifier, ResourceEnum
from sagemaker.inputs import TrainingInput
from sagemaker.multidatamodel import MultiDataModel
from sagemaker.processing import ProcessingInput, ProcessingOutput
from sagemaker.serializers import CSVSerializer
from sagemaker.serverless import ServerlessInferenceConfig
from sagemaker.sklearn.estimator import SKLearn
from sagemaker.sklearn.model import SKLearnModel
from sagemaker.sklearn.processing import SKLearnProcessor

CODE = str(Path(__file__).parent / "code")
ROLE, SUBNETS, GROUPS = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
INSTANCE = "ml.m5.large"
JOB = "flow-fit"
fitting = threading.Lock()


def put_rows(session):
    rows = "".join(f"{2 * x + y},{x},{y}\n" for x in range(8) for y in range(8))
    return session.upload_string_as_file_body(rows, session.default_bucket(), "flow/rows.csv")


def fit(session):
    """One training job serves all flows that need one, of this program and of those that run beside it."""
    with fitting:
        if not session.sagemaker_client.list_training_jobs(NameContains=JOB)["TrainingJobSummaries"]:
            with contextlib.suppress(session.sagemaker_client.exceptions.ResourceInUse):  # the other was faster
                start_training(session)
        return SKLearn.attach(JOB, sagemaker_session=session)


def start_training(session):
    estimator = SKLearn(
        entry_point="fit.py",
        source_dir=CODE,
        role=ROLE,
        framework_version="1.2-1",
        instance_type=INSTANCE,
        hyperparameters={"scale": 1.0, "label": "a b"},
        metric_definitions=[{"Name": "score", "Regex": "score=(.*?);"}],
        subnets=SUBNETS,
        security_group_ids=GROUPS,
        sagemaker_session=session,
        max_run=600,
        tags=[{"Key": "flow", "Value": "fit"}],
    )
    estimator.fit({"train": TrainingInput(put_rows(session), content_type="text/csv")}, job_name=JOB)


def flow_fit(session):
    estimator = fit(session)
    told = estimator.latest_training_job.describe()
    session.logs_for_job(JOB, wait=False)
    listed = session.sagemaker_client.list_tags(ResourceArn=told["TrainingJobArn"])["Tags"]
    return {"status": told["TrainingJobStatus"], "model": estimator.model_data, "tags": listed}


def flow_deploy(session):
    estimator = fit(session)
    predictor = estimator.deploy(initial_instance_count=1, instance_type=INSTANCE)
    try:
        answer = predictor.predict([[3, 4]])
        predictor.serializer = CSVSerializer()
        lines = predictor.predict("3,4\n7,1")
    finally:
        predictor.delete_model()
        predictor.delete_endpoint()
    return {"answer": list(map(float, answer)), "lines": list(map(float, lines))}


def flow_model(session):
    """A model that was trained elsewhere, with its own inference code."""
    estimator = fit(session)
    model = SKLearnModel(
        model_data=estimator.model_data,
        role=ROLE,
        entry_point="fit.py",
        source_dir=CODE,
        framework_version="1.2-1",
        vpc_config={"Subnets": SUBNETS, "SecurityGroupIds": GROUPS},
        sagemaker_session=session,
    )
    predictor = model.deploy(initial_instance_count=1, instance_type=INSTANCE)
    try:
        return {"answer": list(map(float, predictor.predict([[3, 4]])))}
    finally:
        predictor.delete_model()
        predictor.delete_endpoint()


def flow_serverless(session):
    """A model without a VPC behind an endpoint without instances; a predictor of its own, as another program has."""
    model = SKLearnModel(
        model_data=fit(session).model_data,
        role=ROLE,
        entry_point="fit.py",
        source_dir=CODE,
        framework_version="1.2-1",
        sagemaker_session=session,
    )
    config = ServerlessInferenceConfig(memory_size_in_mb=2048, max_concurrency=2)
    predictor = model.deploy(serverless_inference_config=config)
    try:
        told = session.sagemaker_client.describe_endpoint(EndpointName=predictor.endpoint_name)
        answer = [float(one) for one in predictor.predict([[3, 4]])]
    finally:
        predictor.delete_model()
        predictor.delete_endpoint()
    return {"answer": answer, "config": told["ProductionVariants"][0]["CurrentServerlessConfig"]}


def flow_many(session):
    """Many models behind one endpoint, which come to it after it serves; with one's own code for all of them."""
    estimator, prefix = fit(session), f"s3://{session.default_bucket()}/many/"
    model = SKLearnModel(
        model_data=estimator.model_data,
        role=ROLE,
        entry_point="fit.py",
        source_dir=CODE,
        framework_version="1.2-1",
        vpc_config={"Subnets": SUBNETS, "SecurityGroupIds": GROUPS},
        sagemaker_session=session,
    )
    many = MultiDataModel(name="flow-many", model_data_prefix=prefix, model=model, sagemaker_session=session)
    predictor = many.deploy(initial_instance_count=1, instance_type=INSTANCE)
    try:
        many.add_model(model_data_source=estimator.model_data, model_data_path="first.tar.gz")
        many.add_model(model_data_source=estimator.model_data, model_data_path="more/second.tar.gz")
        answers = [predictor.predict([[3, 4]], target_model=name) for name in sorted(many.list_models())]
    finally:
        predictor.delete_model()
        predictor.delete_endpoint()
    return {"models": sorted(many.list_models()), "answers": [float(one[0]) for one in answers]}


def flow_bucket(session):
    """The default bucket's name has the account's number, which the SDK asks sts for."""
    return {"bucket": session.default_bucket(), "role": sagemaker.get_execution_role(session)}


def flow_process(session):
    bucket = session.default_bucket()
    session.upload_string_as_file_body("1\n2\n3", bucket, "flow/in/numbers.txt")
    processor = SKLearnProcessor(
        framework_version="1.2-1", role=ROLE, instance_type=INSTANCE, instance_count=1, sagemaker_session=session
    )
    processor.run(
        code=f"{CODE}/prepare.py",
        inputs=[ProcessingInput(source=f"s3://{bucket}/flow/in", destination="/opt/ml/processing/input")],
        outputs=[ProcessingOutput(source="/opt/ml/processing/output", output_name="doubled")],
        arguments=["--factor", "2"],
    )
    uri = processor.latest_job.outputs[0].destination
    return {"out": session.read_s3_file(bucket, uri.split("/", 3)[3] + "/numbers.txt")}


def flow_xgboost(session):
    image = sagemaker.image_uris.retrieve("xgboost", session.boto_region_name, version="1.7-1")
    estimator = sagemaker.estimator.Estimator(
        image_uri=image,
        role=ROLE,
        instance_count=1,
        instance_type=INSTANCE,
        output_path=f"s3://{session.default_bucket()}/boosted",
        sagemaker_session=session,
        hyperparameters={"num_round": 40, "max_depth": 4, "objective": "reg:squarederror"},
    )
    estimator.fit({"train": TrainingInput(put_rows(session), content_type="text/csv")})
    predictor = estimator.deploy(initial_instance_count=1, instance_type=INSTANCE, serializer=CSVSerializer())
    try:
        answer = predictor.predict("3,4\n7,1")
    finally:
        predictor.delete_model()
        predictor.delete_endpoint()
    return {"answer": [round(float(one)) for one in answer.decode().split(",")]}


def flow_features(session):
    """A feature group: definitions of a frame's columns, its rows ingested by several workers, one read again."""
    columns = {"id": pd.Series(["a", "b", "c"], dtype="string"), "at": [1767323045.5] * 3, "age": [1, 2, 3]}
    frame = pd.DataFrame(columns)
    group = FeatureGroup(name="flow-features", sagemaker_session=session)
    group.load_feature_definitions(data_frame=frame)
    group.create(
        s3_uri=f"s3://{session.default_bucket()}/features",
        record_identifier_name="id",
        event_time_feature_name="at",
        role_arn=ROLE,
        enable_online_store=True,
        disable_glue_table_creation=True,
    )
    while (status := group.describe()["FeatureGroupStatus"]) == "Creating":
        time.sleep(0.2)
    group.ingest(data_frame=frame, max_workers=2, wait=True)
    record = group.get_record(record_identifier_value_as_string="b")
    group.delete_record(record_identifier_value_as_string="c", event_time="1767323046.5")
    found = {
        "status": status,
        "record": {one["FeatureName"]: one["ValueAsString"] for one in record},
        **_feature_catalog(session, group),
        "refused": [_refusal(session, base) for base in (group, frame.astype({"id": object}))],
    }
    group.delete()
    return found


def _feature_catalog(session, group):
    """The group is changed, described, searched for, and read by its store."""
    store = FeatureStore(session)
    group.update(feature_additions=[IntegralFeatureDefinition("height")])
    group.update_feature_metadata("age", description="years", parameter_additions=[FeatureParameter("unit", "year")])
    unit = Filter("Parameters.unit", "year", FilterOperatorEnum.EQUALS)
    features = store.search(resource=ResourceEnum.FEATURE_METADATA, filters=[unit])["Results"]
    records = store.batch_get_record([Identifier("flow-features", ["a", "b", "c", "d"])])["Records"]
    return {
        "definitions": [one["FeatureName"] for one in group.describe()["FeatureDefinitions"]],
        "parameters": group.list_parameters_for_feature_metadata("age"),
        "searched": [one["FeatureMetadata"]["FeatureName"] for one in features],
        "listed": [
            one["FeatureGroupName"] for one in store.list_feature_groups(name_contains="flow")["FeatureGroupSummaries"]
        ],
        "batch": sorted(one["RecordIdentifierValueAsString"] for one in records),
    }


def _refusal(session, base):
    """What create_dataset ends with: it is Athena's work on Glue's tables."""
    place = f"s3://{session.default_bucket()}/dataset"
    try:
        FeatureStore(session).create_dataset(base, place, "id", "at").to_csv_file()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "it worked"


def run(flows):
    """Those of `flows`, a module's names, that the command line names."""
    session = sagemaker.Session(boto3.Session(), default_bucket=os.environ.get("FLOW_BUCKET"))
    session.default_bucket()  # found once, before several ask

    def flow(name):
        result = flows[f"flow_{name}"](session)
        print(f"\n=== {json.dumps({'flow': name, **result})}\n", end="", flush=True)

    with ThreadPoolExecutor(3) as pool:  # not more, for the sake of the machine
        list(pool.map(flow, sys.argv[4:]))


if __name__ == "__main__":
    run(globals())
