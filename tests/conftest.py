"""What all tests share: an environment without anybody's AWS settings, and the console script."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

SCRIPT = Path(sys.executable).parent / "dynamic-dynamodb"

# Nothing of the machine's own AWS configuration may leak into a test, and no
# test may reach for the metadata service of an instance.
CLEAN = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "secret-of-the-tests"}
REGION = {"AWS_DEFAULT_REGION": "us-east-1"}

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def environment(**more: str) -> dict[str, str]:
    """The environment of a console script under test: no AWS setting but those given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**kept, **CLEAN, **more}


@pytest.fixture(autouse=True)
def _no_aws_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in CLEAN.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def run() -> Iterator[Run]:
    """Runs the console script and returns what it printed and its exit code."""

    def start(
        *arguments: str, env: Mapping[str, str] = {**CREDENTIALS, **REGION}, timeout: float = 60, **more: object
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # type: ignore[call-overload, no-any-return]
            [str(SCRIPT), *arguments],
            env=environment(**env),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            **more,
        )

    yield start
