"""One daemon for all scenarios, started as a user would; the network, roles and bucket of the demo in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import data, leftovers, network
from demo.story import Story
from ringfence.config import Config
from tests.patience import eventually
from tests.scenarios.agreement import Agreement
from tests.scenarios.hosting import BUCKET, ENDPOINT, Hosting
from tests.scenarios.jobs import Jobs
from tests.scenarios.studio import Studio


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scenario")


@pytest.fixture(scope="session")
def daemon(scratch: Path) -> Iterator[Story]:
    """A daemon with nothing in it. Afterwards nothing of it is left on the machine, and its log has no error."""
    story = Story(state=scratch / "state")
    prefix = Config(state=story.state.resolve()).prefix
    before = leftovers.observe(prefix, story.state)
    story.facts["prefix"] = prefix
    story.up("--studio-idle-minute", "0.05")
    try:
        yield story
    finally:
        done = story.ringfence("down")
        assert done.returncode == 0, done.stderr
    # others of this machine come and go meanwhile, and a process ends a moment after it was told to
    eventually(lambda: leftovers.difference(before, leftovers.observe(prefix, story.state)), lambda left: not left)
    written = (story.state / "daemon.log").read_text()
    assert " ERROR " not in written and " CRITICAL " not in written, "the daemon had troubles of its own: see its log"


@pytest.fixture(scope="session")
def story(daemon: Story, scratch: Path) -> Story:
    """The demo's VPC, groups, endpoints, roles, bucket and model archive."""
    network.build(daemon, BUCKET, ENDPOINT)
    data.prepare(daemon, BUCKET, scratch, Path(__file__).with_name("late_inference.py"))
    return daemon


@pytest.fixture
def hosting(story: Story) -> Iterator[Hosting]:
    made = Hosting(story)
    yield made
    made.clean()


@pytest.fixture
def jobs(story: Story) -> Iterator[Jobs]:
    made = Jobs(story)
    yield made
    made.clean()


@pytest.fixture
def studio(story: Story) -> Iterator[Studio]:
    made = Studio(story)
    yield made
    made.clean()


@pytest.fixture
def agree(story: Story) -> Agreement:
    """A real connection and `explain path`, held against each other."""
    return Agreement(story)
