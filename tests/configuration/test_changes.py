"""What SIGHUP says of a new configuration: each option that has changed, and no secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from dynamic_dynamodb.configuration import changes, loader

GLOBAL = "[global]\nregion: eu-west-1\n"
SECTIONS = "".join(f"[table: t{number}$]\n" for number in range(7))


def said(folder: Path, old: str, new: str) -> list[str]:
    """The lines for two files."""
    configs = []
    for text in (old, new):
        file = folder / "dd.conf"
        file.write_text(GLOBAL + text)
        configs.append(loader.load({"config": str(file)}).config)
    return list(changes.differences(*configs))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param("[table: t]\n", "[table: t]\n", [], id="nothing"),
        pytest.param("[table: t]\n", "[table: t]\nreads-upper-threshold: 90\n", [], id="set to its default"),
        pytest.param(
            "[table: t]\nreads-upper-threshold: 80\n",
            "[table: t]\n",
            ["[table: t] reads-upper-threshold: 80 -> 90"],
            id="not set any more",
        ),
        pytest.param(
            "[table: t]\n",
            "[table: t]\nmax-provisioned-reads: 500\n",
            ["[table: t] max-provisioned-reads: not set -> 500"],
            id="a maximum",
        ),
        pytest.param(
            "[table: t]\n",
            "[default_options]\nreads-upper-threshold: 80\n[table: t]\n[gsi: i table: t]\nreads-upper-threshold: 70\n",
            ["[table: t] reads-upper-threshold: 90 -> 80", "[gsi: i table: t]: new"],
            id="an index",
        ),
        pytest.param("[table: t]\n[table: u]\n", "[table: u]\n", ["[table: t]: removed"], id="a table is gone"),
        pytest.param(
            SECTIONS,
            "[default_options]\nreads-upper-threshold: 80\n" + SECTIONS,
            [
                "[table: t0$], [table: t1$], [table: t2$], [table: t3$], [table: t4$] and 2 more "
                "reads-upper-threshold: 90 -> 80"
            ],
            id="alike",
        ),
        pytest.param(
            "[table: t]\nincrease-consumed-reads-scale: {0: 0, 70: 30}\n",
            "[table: t]\nincrease-consumed-reads-scale: {0: 0, 70: 40}\n",
            ["[table: t] increase-consumed-reads-scale: {0: 0, 70: 30} -> {0: 0, 70: 40}"],
            id="a scale",
        ),
        pytest.param(
            "[table: t]\ncircuit-breaker-url: http://u:first-password@h/\n",
            "[table: t]\ncircuit-breaker-url: http://u:second-password@h/\n",
            ["[table: t] circuit-breaker-url: http://u:***@h/ -> another"],
            id="a password",
        ),
        pytest.param(
            "aws-access-key-id: AKID\naws-secret-access-key-id: first-secret\n[table: t]\n",
            "aws-access-key-id: AKID\naws-secret-access-key-id: second-secret\n[table: t]\n",
            ["[global] aws-secret-access-key-id: ******** -> another"],
            id="a secret",
        ),
        pytest.param(
            "[table: t]\n[schedule: s table: t]\nwhen: daily 10:00-11:00\nmin-provisioned-reads: 5\n",
            "[table: t]\n[schedule: s table: t]\nwhen: daily 10:00-12:00\nmin-provisioned-reads: 6\n",
            [
                "[schedule: s table: t] when: daily 10:00-11:00 -> daily 10:00-12:00",
                "[schedule: s table: t] min-provisioned-reads: 5 -> 6",
            ],
            id="a schedule",
        ),
        pytest.param(
            "[logging]\nlog-level: info\n[table: t]\n",
            "[logging]\nlog-level: debug\nlog-format: json\n[table: t]\n",
            ["[logging] log-level: info -> debug", "[logging] log-format: text -> json"],
            id="the log",
        ),
    ],
)
def test_changes(tmp_path: Path, old: str, new: str, expected: list[str]) -> None:
    assert said(tmp_path, old, new) == expected


def test_there_may_be_many(tmp_path: Path) -> None:
    def text(more: int) -> str:
        return "".join(f"[table: t{n}$]\nmax-provisioned-reads: {1000 + n + more * n}\n" for n in range(1, 122))

    lines = said(tmp_path, text(0), text(1))
    assert len(lines) == 101
    assert lines[-1] == "21 more changes; --show-config shows the whole configuration"
