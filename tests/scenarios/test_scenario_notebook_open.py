"""`ringfence notebook open`: shares everything with `studio open` but whose URL it is."""

from pathlib import Path

import pytest

from demo.story import Story
from ringfence.config import DEFAULT_STUDIO
from tests.scenarios.notebook import Notebooks
from tests.scenarios.test_scenario_studio_app import serving, through

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not DEFAULT_STUDIO.is_dir(), reason="JupyterLab is not installed: run `make studio`"),
]


def test_the_command_opens_a_notebook_instance(story: Story) -> None:
    notebooks = Notebooks(story)
    try:
        notebooks.create("opened", SubnetId=None, SecurityGroupIds=None, DirectInternetAccess="Enabled")
        notebooks.settle("opened", "InService")
        authority = Path(story.environment["AWS_CA_BUNDLE"])
        with serving(story, "notebook", "open", "opened", "--serve") as (port, url):
            assert url.startswith("https://opened.notebook.us-west-2.sagemaker.aws?authToken=")
            told = through(port, "opened.notebook.us-west-2.sagemaker.aws", f"/?{url.partition('?')[2]}", authority)
            assert (told.status, told.headers["Location"]) == (302, "/lab")
        refused = story.ringfence("notebook", "open", "opened", "--role", story.facts["roles"]["app"], "--print")
        assert "is not authorized to perform: sagemaker:CreatePresignedNotebookInstanceUrl" in refused.stderr
        assert "there is no notebook instance `other`" in story.ringfence("notebook", "open", "other").stderr
        notebooks.stop("opened")
        closed = story.ringfence("notebook", "open", "opened")
        assert (closed.returncode, "`opened` is Stopped" in closed.stderr) == (1, True)
    finally:
        notebooks.clean()
