"""PyTorch by the SageMaker Python SDK v2, as a user writes it: two hosts in a VPC, then their model; see flow2.py."""

from flow2 import CODE, GROUPS, INSTANCE, ROLE, SUBNETS, run
from sagemaker import image_uris
from sagemaker.model import Model
from sagemaker.predictor import Predictor
from sagemaker.processing import ProcessingOutput
from sagemaker.pytorch import PyTorch, PyTorchProcessor
from sagemaker.s3 import S3Downloader
from sagemaker.serializers import JSONSerializer

VERSION = {"framework_version": "2.6.0", "py_version": "py312"}
NETWORK = {"Subnets": SUBNETS, "SecurityGroupIds": GROUPS}


def ask(predictor, rows):
    predictor.serializer = JSONSerializer()
    try:
        return predictor.predict(rows)
    finally:
        predictor.delete_model()
        predictor.delete_endpoint()


def flow_pytorch(session):
    """What the hosts trained, served by the script's functions and by the container's own."""
    estimator = PyTorch(
        entry_point="reduce_and_fit.py",
        source_dir=CODE,
        role=ROLE,
        **VERSION,
        instance_type=INSTANCE,
        instance_count=2,
        subnets=SUBNETS,
        security_group_ids=GROUPS,
        sagemaker_session=session,
        max_run=300,
    )
    estimator.fit(job_name="flow-torch")
    predictor = estimator.deploy(initial_instance_count=1, instance_type=INSTANCE)
    scaled = ask(predictor, [[3, 4]])
    image = image_uris.retrieve(
        "pytorch", session.boto_region_name, "2.6.0", "py312", INSTANCE, image_scope="inference"
    )
    plain = Model(
        image,
        estimator.model_data,
        ROLE,
        Predictor,
        vpc_config=NETWORK,
        enable_network_isolation=True,
        sagemaker_session=session,
    )
    line = ask(plain.deploy(initial_instance_count=1, instance_type=INSTANCE), [[3, 4], [7, 1]])
    return {"image": image, "scaled": scaled.tolist(), "line": line.decode()}


def flow_torchrun(session):
    """The launcher that the SDK's `distribution` asks for."""
    estimator = PyTorch(
        entry_point="reduce_by_torchrun.py",
        source_dir=CODE,
        role=ROLE,
        **VERSION,
        hyperparameters={"sagemaker_torch_distributed_enabled": True},
        instance_type=INSTANCE,
        instance_count=2,
        subnets=SUBNETS,
        security_group_ids=GROUPS,
        sagemaker_session=session,
        max_run=300,
    )
    estimator.fit(job_name="flow-torchrun", logs=False)
    session.logs_for_job("flow-torchrun", wait=False)
    return {"status": estimator.latest_training_job.describe()["TrainingJobStatus"]}


def flow_process(session):
    processor = PyTorchProcessor(
        **VERSION, role=ROLE, instance_count=1, instance_type=INSTANCE, sagemaker_session=session, command=["python3"]
    )
    target = f"s3://{session.default_bucket()}/flow-torch/out"
    processor.run(
        code="torch_version.py",
        source_dir=CODE,
        outputs=[ProcessingOutput(output_name="out", source="/opt/ml/processing/out", destination=target)],
    )
    return {"out": S3Downloader.read_file(f"{target}/version.txt", sagemaker_session=session)}


if __name__ == "__main__":
    run(globals())
