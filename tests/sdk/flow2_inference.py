"""The flows of the SageMaker Python SDK v2 beyond a plain endpoint, as a user writes them; see flow2.py."""

import tempfile
import time
import uuid
from pathlib import Path

import boto3
from flow2 import CODE, GROUPS, INSTANCE, ROLE, SUBNETS, fit, run
from sagemaker.async_inference import AsyncInferenceConfig, WaiterConfig
from sagemaker.deserializers import JSONDeserializer
from sagemaker.model_monitor import DataCaptureConfig
from sagemaker.pipeline import PipelineModel
from sagemaker.predictor import Predictor
from sagemaker.processing import FrameworkProcessor, ProcessingInput, ProcessingOutput, Processor, ScriptProcessor
from sagemaker.s3 import S3Downloader
from sagemaker.serializers import CSVSerializer, JSONSerializer
from sagemaker.sklearn.estimator import SKLearn
from sagemaker.sklearn.model import SKLearnModel
from sagemaker.tuner import ContinuousParameter, HyperparameterTuner


def model(session):
    return SKLearnModel(
        model_data=fit(session).model_data,
        role=ROLE,
        entry_point="fit.py",
        source_dir=CODE,
        framework_version="1.2-1",
        vpc_config={"Subnets": SUBNETS, "SecurityGroupIds": GROUPS},
        sagemaker_session=session,
    )


def delete(predictor):
    predictor.delete_model()
    predictor.delete_endpoint()


def flow_asynchronous(session):
    config = AsyncInferenceConfig(output_path=f"s3://{session.default_bucket()}/asynchronous")
    predictor = model(session).deploy(
        initial_instance_count=1, instance_type=INSTANCE, async_inference_config=config, serializer=CSVSerializer()
    )
    try:
        response = predictor.predict_async("3,4\n7,1")
        answer = response.get_result(WaiterConfig(max_attempts=30, delay=1))
        waited = predictor.predict("7,1\n3,4", waiter_config=WaiterConfig(max_attempts=30, delay=1))
        return {"answer": list(map(float, [*answer, *waited])), "output": response.output_path}
    finally:
        delete(predictor)


def flow_capture(session):
    """What is captured; then the SDK makes a configuration without it of the endpoint's own, and updates."""
    target = f"s3://{session.default_bucket()}/capture"
    config = DataCaptureConfig(enable_capture=True, sampling_percentage=100, destination_s3_uri=target)
    predictor = model(session).deploy(initial_instance_count=1, instance_type=INSTANCE, data_capture_config=config)
    try:
        predictor.predict([[3, 4]])
        deadline = time.monotonic() + 120
        while not (files := S3Downloader.list(target, sagemaker_session=session)) and time.monotonic() < deadline:
            time.sleep(1)
        captured = S3Downloader.read_file(files[0], sagemaker_session=session) if files else ""
        predictor.update_data_capture_config(
            DataCaptureConfig(enable_capture=True, sampling_percentage=20, destination_s3_uri=target)
        )
        sampled = _capture(session, predictor)["CurrentSamplingPercentage"]
        predictor.disable_data_capture()
        after = _capture(session, predictor).get("CaptureStatus")
        return {"captured": captured, "sampled": sampled, "after": after}
    finally:
        delete(predictor)


def _capture(session, predictor):
    told = session.sagemaker_client.describe_endpoint(EndpointName=predictor.endpoint_name)
    return told.get("DataCaptureConfig", {})


def flow_pipeline(session):
    """Two containers in series: the first one's answer is the second one's question. Then the same for a batch."""
    twice = SKLearnModel(
        model_data=fit(session).model_data,
        role=ROLE,
        entry_point="twice.py",
        source_dir=CODE,
        framework_version="1.2-1",
        sagemaker_session=session,
    )
    network = {"Subnets": SUBNETS, "SecurityGroupIds": GROUPS}
    pipeline = PipelineModel(
        [twice, model(session)], ROLE, name="flow-line", vpc_config=network, sagemaker_session=session
    )
    pipeline.deploy(initial_instance_count=1, instance_type=INSTANCE, endpoint_name="flow-line")
    predictor = Predictor("flow-line", session, JSONSerializer(), JSONDeserializer())
    try:
        answer = predictor.predict([[3, 4]])
    finally:
        predictor.delete_endpoint()
        pipeline.delete_model()
    return {"answer": list(map(float, answer))}


def flow_transform(session):
    bucket = session.default_bucket()
    data = session.upload_string_as_file_body("3,4\n7,1\n", bucket, "transform/in.csv")
    transformer = fit(session).transformer(
        instance_count=1, instance_type=INSTANCE, assemble_with="Line", output_path=f"s3://{bucket}/transformed"
    )
    transformer.transform(data, content_type="text/csv", split_type="Line", logs=True, wait=True)
    transformer.delete_model()
    return {"out": session.read_s3_file(bucket, "transformed/in.csv.out")}


def flow_script(session):
    return process(session, ScriptProcessor, image_uri=fit(session).training_image_uri(), command=["python3"])


def flow_framework(session):
    """The source directory as an archive, with a script that unpacks it and installs requirements.txt."""
    return process(session, FrameworkProcessor, estimator_cls=SKLearn, framework_version="1.2-1")


def process(session, kind, **more):
    bucket, place = session.default_bucket(), f"process/{uuid.uuid4()}"
    session.upload_string_as_file_body("1\n2\n3", bucket, f"{place}/in/numbers.txt")
    processor = kind(role=ROLE, instance_type=INSTANCE, instance_count=1, sagemaker_session=session, **more)
    code = {"code": "prepare.py", "source_dir": CODE} if kind is FrameworkProcessor else {"code": f"{CODE}/prepare.py"}
    processor.run(
        **code,
        inputs=[ProcessingInput(source=f"s3://{bucket}/{place}/in", destination="/opt/ml/processing/input")],
        outputs=[ProcessingOutput(source="/opt/ml/processing/output", destination=f"s3://{bucket}/{place}/out")],
        arguments=["--factor", "3"],
    )
    status = processor.latest_job.describe()["ProcessingJobStatus"]
    return {"out": session.read_s3_file(bucket, f"{place}/out/numbers.txt"), "status": status}


def flow_local(session):
    """Inputs that are files of one's own: the SDK uploads them to the default bucket; the image's own command runs."""
    image, place = fit(session).training_image_uri(), f"local/{uuid.uuid4()}"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "numbers.txt").write_text("5\n6")
        processor = Processor(
            role=ROLE,
            image_uri=image,
            instance_type=INSTANCE,
            instance_count=1,
            entrypoint=["sh", "-c", "cp /opt/ml/processing/input/* /opt/ml/processing/output/"],
            env={"WHY": "none"},
            max_runtime_in_seconds=120,
            sagemaker_session=session,
        )
        target = f"s3://{session.default_bucket()}/{place}"
        processor.run(
            inputs=[ProcessingInput(source=folder, destination="/opt/ml/processing/input")],
            outputs=[ProcessingOutput(source="/opt/ml/processing/output", destination=target)],
        )
    return {"out": session.read_s3_file(session.default_bucket(), f"{place}/numbers.txt")}


def flow_tuner(session):
    """Tuning is not there: the first call says so."""
    tuner = HyperparameterTuner(
        fit(session), "score", {"scale": ContinuousParameter(0.5, 2.0)}, [{"Name": "score", "Regex": "score=(.*?);"}]
    )
    try:
        tuner.fit({"train": f"s3://{session.default_bucket()}/flow"}, wait=False)
    except boto3.client("sagemaker").exceptions.ClientError as error:
        return {"error": str(error)}
    return {"error": None}


if __name__ == "__main__":
    run(globals())
