"""What is served when: by the answers of a port, from the moment that it is taken."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest
from scraper import free_port, get

from dynamic_dynamodb.checks.record import Record
from dynamic_dynamodb.configuration import loader
from dynamic_dynamodb.daemon.heartbeat import Heartbeat
from dynamic_dynamodb.metrics.publisher import Publisher

NOW = datetime(2026, 11, 24, 18, 7, 2, tzinfo=timezone.utc)


@pytest.mark.parametrize("path", ["/metrics", "/healthz"])
def test_while_the_program_starts_it_says_so(tmp_path: Path, path: str) -> None:
    """No page without metrics is taken for a good one, and no probe finds that there is nothing to probe."""
    conf = tmp_path / "dd.conf"
    conf.write_text(f"[global]\nregion: us-east-1\nmetrics-port: {(port := free_port())}\n[table: orders]\n")
    publisher = Publisher(lambda: NOW)
    try:
        publisher.go_by(loader.load({"config": str(conf)}))
        assert (get(port, path).status, get(port, "/").status) == (503, 404)
        publisher.note(Heartbeat("default", 1, "1.2.3", NOW, 300), Record(), 0, {})
        assert get(port, path).status == 200
    finally:
        publisher.close()
