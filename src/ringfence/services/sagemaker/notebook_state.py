"""The state that a notebook instance is in, as told by its record and what the reconciler saw."""

from datetime import datetime

from ringfence.core.call import Call
from ringfence.core.record import Reader
from ringfence.resources.notebook import NotebookInstance, NotebookInstanceStatus
from ringfence.services.sagemaker.lookup import find
from ringfence.services.sagemaker.refusal import invalid

ENDED = ("Stopped", "Failed")


def notebook_status(records: Reader, notebook: NotebookInstance) -> NotebookInstanceStatus | None:
    return records.get(NotebookInstanceStatus, notebook.arn)


def notebook_state(records: Reader, notebook: NotebookInstance) -> str:
    """What the reconciler saw, or what is under way until it has."""
    status = notebook_status(records, notebook)
    if notebook.deleting:
        return "Deleting"
    if status is None or status.launch != notebook.launch:
        return "Pending"
    if notebook.stopping and status.status not in ENDED:
        return "Stopping"
    if status.generation != notebook.generation:
        return "Updating"
    return status.status


def modified_of(records: Reader, notebook: NotebookInstance) -> datetime:
    status = notebook_status(records, notebook)
    return max(notebook.modified, status.modified) if status is not None else notebook.modified


def find_in(call: Call, name: str, wanted: tuple[str, ...], to: str) -> NotebookInstance:
    """The notebook instance, if it is in one of these states, from which it can go on.

    https://github.com/aws/amazon-sagemaker-examples/issues/1094
    https://github.com/hashicorp/terraform-provider-aws/issues/16767
    """
    notebook = find(call, NotebookInstance, name)
    state = notebook_state(call.records, notebook)
    if state not in wanted:
        raise invalid(
            f"Status ({state}) not in ([{', '.join(wanted)}]). Unable to transition to ({to}) for Notebook Instance "
            f"({notebook.arn})"
        )
    return notebook
