"""The outbox: bounded, readable while it is written, whole after a crash."""

from __future__ import annotations

from pathlib import Path

from restock.playground import outbox
from restock.playground.outbox import FILE_NAME, OutboxReader, OutboxWriter


def test_a_reader_follows_a_writer(tmp_path: Path) -> None:
    reader = OutboxReader(tmp_path)
    assert reader.after(0) == []
    writer = OutboxWriter(tmp_path)
    writer.append("sms", "+1", {"body": "one\u2028two\r\n"})
    assert [message.content["body"] for message in reader.after(0)] == ["one\u2028two\r\n"]
    writer.append("sms", "+1", {"body": "three"})
    assert [message.id for message in reader.after(1)] == [2]
    assert reader.find(2) is not None
    assert reader.find(3) is None


def test_ids_go_on_after_a_restart_and_a_torn_line_is_dropped(tmp_path: Path) -> None:
    OutboxWriter(tmp_path).append("sms", "+1", {})
    with (tmp_path / FILE_NAME).open("ab") as file:
        file.write(b'{"id": 2, "chan')
    writer = OutboxWriter(tmp_path)
    assert writer.append("sms", "+1", {}).id == 2
    assert [message.id for message in OutboxReader(tmp_path).after(0)] == [1, 2]


def test_the_file_keeps_the_newest_and_a_reader_survives_the_change(tmp_path: Path) -> None:
    writer = OutboxWriter(tmp_path)
    reader = OutboxReader(tmp_path)
    last = 0
    for number in range(outbox.KEPT_COUNT + outbox.SLACK_COUNT + 10):
        last = writer.append("sms", "+1", {"number": number}).id
        if number % 500 == 0:
            assert reader.after(last - 1)[0].content["number"] == number
    assert [message.id for message in reader.after(last - 3)] == [last - 2, last - 1, last]
    lines = (tmp_path / FILE_NAME).read_bytes().count(b"\n")
    assert outbox.KEPT_COUNT <= lines <= outbox.KEPT_COUNT + outbox.SLACK_COUNT


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    OutboxWriter(tmp_path / "outbox").append("email", "ada@example.com", {})
    assert (tmp_path / "outbox" / FILE_NAME).stat().st_mode & 0o077 == 0
