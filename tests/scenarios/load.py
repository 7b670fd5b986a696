"""Callers that ask an endpoint again and again while something happens to it."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError

from demo.story import Story


def patient_runtime(story: Story) -> Any:
    """A runtime client that does not ask again by itself."""
    return story.client("sagemaker-runtime", config=Config(retries={"total_max_attempts": 1}, read_timeout=120))


@dataclass
class Told:
    """What the callers met: variant or error code -> how often; the messages of the errors."""

    answers: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)


@contextmanager
def asked_by(story: Story, name: str, callers: int, question: dict[str, Any], **more: Any) -> Iterator[Told]:
    """While the block runs, so many callers ask the endpoint. `more`: of InvokeEndpoint's members."""
    told, stop = Told(), threading.Event()
    body = json.dumps(question).encode()
    clients = [patient_runtime(story) for _ in range(callers)]

    def ask(client: Any) -> None:
        while not stop.is_set():
            try:
                answer = client.invoke_endpoint(EndpointName=name, ContentType="application/json", Body=body, **more)
                answer["Body"].read()
                told.answers[answer["InvokedProductionVariant"]] += 1
            except ClientError as error:
                told.answers[error.response["Error"]["Code"]] += 1
                told.errors.append(error.response["Error"]["Message"])

    threads = [threading.Thread(target=ask, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield told
    finally:
        stop.set()
        for thread in threads:
            thread.join()
