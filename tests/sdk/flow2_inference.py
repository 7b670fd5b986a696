"""The flows of the SageMaker Python SDK v2 beyond a plain endpoint, as a user writes them; see flow2.py."""

import time
import uuid

import boto3
from flow2 import CODE, GROUPS, INSTANCE, ROLE, SUBNETS, fit, run
from sagemaker.async_inference import AsyncInferenceConfig, WaiterConfig
from sagemaker.model_monitor import DataCaptureConfig
from sagemaker.processing import FrameworkProcessor, ProcessingInput, ProcessingOutput, ScriptProcessor
from sagemaker.s3 import S3Downloader
from sagemaker.serializers import CSVSerializer
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
        return {"answer": list(map(float, answer)), "output": response.output_path}
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
        predictor.disable_data_capture()
        told = session.sagemaker_client.describe_endpoint(EndpointName=predictor.endpoint_name)
        return {"captured": captured, "after": told.get("DataCaptureConfig", {}).get("CaptureStatus")}
    finally:
        delete(predictor)


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
