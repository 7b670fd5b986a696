"""What is uploaded when a job's containers have ended, by what they came to. Called by `life`; may be repeated.

Processing: all outputs of a job that has completed, else only what was to be uploaded continuously. Training: the
model, but not of a job that has failed; /opt/ml/output/data, checkpoints and the debugger's tensors in any case.
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-output.html
"""

from ringfence.reconcile.instance.s3_read import together
from ringfence.reconcile.job.fleet import JobFleet
from ringfence.resources.job import Job, JobHostStatus, Outcome, TrainingJob, TransformJob
from ringfence.services.sagemaker.job_plan import TRAINING_MODEL, TRAINING_OUTPUT, JobPlan, output_uri


async def upload_results(
    job: Job, plan: JobPlan, fleet: JobFleet, hosts: list[JobHostStatus], outcome: Outcome
) -> str | None:
    """The S3 URI of the model artifacts, if there are any; LaunchFailed if something cannot be uploaded."""
    if isinstance(job, TransformJob):
        return None  # it has put its output object by object
    if not isinstance(job, TrainingJob):
        sinks = tuple(sink for sink in plan.sinks if outcome.status == "Completed" or sink.continuous)
        await together(fleet.data(host).upload(sinks) for host in hosts)
        return None
    await together(fleet.data(host).upload(plan.sinks) for host in hosts)
    outputs = [fleet.path(host, f"{TRAINING_OUTPUT}/data") for host in hosts]
    await fleet.data(hosts[0]).upload_archive(outputs, output_uri(job, "output.tar.gz"), even_empty=False)
    if outcome.status == "Failed":
        return None
    models = [fleet.path(host, TRAINING_MODEL) for host in hosts]
    if not plan.compressed:
        model = output_uri(job, "model/")
        await fleet.data(hosts[0]).upload_tree(models, model)
        return model
    model = output_uri(job, "model.tar.gz")
    await fleet.data(hosts[0]).upload_archive(models, model, even_empty=True)
    return model
