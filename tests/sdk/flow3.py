"""The flows of the SageMaker Python SDK v3, as a user writes them. Runs in the SDK's own environment; see conftest.py.

Prints one JSON object for each flow that it was asked for; the SDK's own output, the streamed logs, goes before it.
"""

import functools
import json
import logging
import os
import sys
from pathlib import Path

import boto3
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.processing import ScriptProcessor
from sagemaker.core.resources import Endpoint, EndpointConfig, Model, TrainingJob
from sagemaker.core.shapes import (
    ContainerDefinition,
    ProcessingInput,
    ProcessingOutput,
    ProcessingS3Input,
    ProcessingS3Output,
    ProductionVariant,
    VpcConfig,
)
from sagemaker.serve import ModelBuilder
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, Networking, SourceCode, StoppingCondition

CODE = str(Path(__file__).parent / "code")
ROLE, SUBNETS, GROUPS = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
INSTANCE = "ml.m5.large"
IMAGE = image_uris.retrieve("sklearn", "us-west-2", version="1.2-1", instance_type=INSTANCE)


def put(session, key, text):
    session.upload_string_as_file_body(text, session.default_bucket(), key)
    return f"s3://{session.default_bucket()}/{key}"


@functools.cache
def fit(session):
    rows = "".join(f"{2 * x + y},{x},{y}\n" for x in range(8) for y in range(8))
    trainer = ModelTrainer(
        training_image=IMAGE,
        source_code=SourceCode(source_dir=CODE, entry_script="fit.py"),
        compute=Compute(instance_type=INSTANCE, instance_count=1, volume_size_in_gb=1),
        networking=Networking(subnets=SUBNETS, security_group_ids=GROUPS),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
        hyperparameters={"scale": 1.0, "label": "a b"},
        role=ROLE,
        base_job_name="flow3",
        sagemaker_session=session,
    )
    data = put(session, "flow/rows.csv", rows)
    trainer.train(input_data_config=[InputData(channel_name="train", data_source=data)], wait=True, logs=True)
    return trainer._latest_training_job


def flow_fit(session):
    job = TrainingJob.get(fit(session).training_job_name)
    return {"status": job.training_job_status, "model": job.model_artifacts.s3_model_artifacts}


def flow_deploy(session):
    data = fit(session).model_artifacts.s3_model_artifacts
    code = f"s3://{session.default_bucket()}/flow/serve.tar.gz"
    upload_code(session)
    container = ContainerDefinition(
        image=IMAGE,
        model_data_url=data,
        environment={"SAGEMAKER_PROGRAM": "fit.py", "SAGEMAKER_SUBMIT_DIRECTORY": code},
    )
    network = VpcConfig(subnets=SUBNETS, security_group_ids=GROUPS)
    model = Model.create("flow3", primary_container=container, execution_role_arn=ROLE, vpc_config=network)
    variant = ProductionVariant(
        variant_name="one", model_name="flow3", initial_instance_count=1, instance_type=INSTANCE
    )
    config = EndpointConfig.create("flow3", production_variants=[variant])
    endpoint = Endpoint.create("flow3", endpoint_config_name="flow3")
    endpoint.wait_for_status("InService")
    answer = endpoint.invoke(body="[[3, 4]]", content_type="application/json", accept="application/json")
    endpoint.delete()
    config.delete()
    model.delete()
    return {"answer": list(map(float, json.loads(answer.body.read())))}


def upload_code(session):
    import io
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.add(f"{CODE}/fit.py", "fit.py")
    boto3.client("s3").put_object(Bucket=session.default_bucket(), Key="flow/serve.tar.gz", Body=buffer.getvalue())


def flow_process(session):
    source = put(session, "flow/in/numbers.txt", "1\n2\n3").rpartition("/")[0]
    target = f"s3://{session.default_bucket()}/flow/out"
    processor = ScriptProcessor(
        image_uri=IMAGE,
        command=["python3"],
        role=ROLE,
        instance_type=INSTANCE,
        instance_count=1,
        sagemaker_session=session,
        base_job_name="flow3",
    )
    given = ProcessingS3Input(
        s3_uri=source, local_path="/opt/ml/processing/input", s3_data_type="S3Prefix", s3_input_mode="File"
    )
    made = ProcessingS3Output(s3_uri=target, local_path="/opt/ml/processing/output", s3_upload_mode="EndOfJob")
    processor.run(
        code=f"{CODE}/prepare.py",
        inputs=[ProcessingInput(input_name="numbers", s3_input=given)],
        outputs=[ProcessingOutput(output_name="doubled", s3_output=made)],
        arguments=["--factor", "2"],
        wait=True,
        logs=True,
    )
    return {"out": session.read_s3_file(session.default_bucket(), "flow/out/numbers.txt")}


def build(session, name, **more):
    """A model of the job's artifact with the user's code in it, which the SDK packs anew."""
    builder = ModelBuilder(
        image_uri=IMAGE,
        s3_model_data_url=fit(session).model_artifacts.s3_model_artifacts,
        source_code=SourceCode(source_dir=CODE, entry_script="fit.py"),
        role_arn=ROLE,
        instance_type=INSTANCE,
        network=Networking(subnets=SUBNETS, security_group_ids=GROUPS),
        sagemaker_session=session,
        **more,
    )
    return builder, builder.build(model_name=name)


def flow_build(session):
    """ModelBuilder: build, deploy, predict, delete."""
    builder, model = build(session, "built3")
    endpoint = builder.deploy(endpoint_name="built3", initial_instance_count=1, wait=True)
    try:
        answer = endpoint.invoke(body="[[3, 4]]", content_type="application/json", accept="application/json")
        data = model.primary_container.model_data_url
    finally:
        endpoint.delete()
        EndpointConfig.get("built3").delete()
        model.delete()
    return {"answer": list(map(float, json.loads(answer.body.read()))), "data": data}


def flow_transform(session):
    builder, model = build(session, "transform3")
    source = put(session, "transform3/in.csv", "3,4\n7,1\n")
    target = f"s3://{session.default_bucket()}/transformed3"
    transformer = builder.transformer(
        instance_count=1, instance_type=INSTANCE, assemble_with="Line", output_path=target
    )
    try:
        transformer.transform(source, content_type="text/csv", split_type="Line", wait=True, logs=True)
    finally:
        model.delete()
    return {"out": session.read_s3_file(session.default_bucket(), "transformed3/in.csv.out")}


def main():
    logging.basicConfig(level=logging.INFO)  # the SDK writes the containers' lines to its log
    session = Session(boto3.Session(), default_bucket=os.environ.get("FLOW_BUCKET"))
    for name in sys.argv[4:]:
        result = globals()[f"flow_{name}"](session)
        print(f"\n=== {json.dumps({'flow': name, **result})}", flush=True)


if __name__ == "__main__":
    main()
