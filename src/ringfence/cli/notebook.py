"""`ringfence notebook open`: a notebook instance in a browser, from wherever the policies let it be opened."""

from pathlib import Path
from typing import Any

import click

from ringfence.cli.client import client_of, connect, fail, state_option
from ringfence.cli.open_url import How, Wanted, how_options, open_url, stand_somewhere


@click.group()
def notebook() -> None:
    """Notebook instances in a browser of this machine."""


@notebook.command("open")
@state_option
@how_options
@click.argument("name")
def open_(state: Path, question: dict[str, Any], how: How, name: str) -> None:
    """Open the notebook instance NAME by a presigned URL, in a browser that stands in a place of your choice.

    As `ringfence studio open`: on the internet without a place, in a VPC with --subnet.
    """
    stand_somewhere(question)
    listed = client_of(connect(state), "sagemaker").get_paginator("list_notebook_instances").paginate(NameContains=name)
    found = [one for page in listed for one in page["NotebookInstances"] if one["NotebookInstanceName"] == name]
    if not found:
        fail(f"there is no notebook instance `{name}`: see `aws sagemaker list-notebook-instances`", 64)
    if found[0]["NotebookInstanceStatus"] != "InService":
        fail(
            f"`{name}` is {found[0]['NotebookInstanceStatus']}: "
            f"`aws sagemaker describe-notebook-instance --notebook-instance-name {name}` says why"
        )
    open_url(state, question, Wanted("create_presigned_notebook_instance_url", {"NotebookInstanceName": name}), how)
