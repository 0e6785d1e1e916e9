"""What a person sees: names in front, nothing lost, and no failure when nobody reads any more."""

from __future__ import annotations

import io

from restock.local.crew.console import Console


def test_names_are_aligned_and_escapes_stay_out_of_files() -> None:
    stream = io.StringIO()
    console = Console(stream)
    console.introduce(["web", "deliver 1"])
    console.line("web", "\033[32mup\033[0m")
    console.line("deliver 1", "up")
    assert stream.getvalue() == "web       │ up\ndeliver 1 │ up\n"


def test_on_a_terminal_every_part_has_its_colour() -> None:
    stream = io.StringIO()
    console = Console(stream, colour=True)
    console.introduce(["web", "sweep"])
    console.line("web", "up")
    console.line("sweep", "up")
    first, second = stream.getvalue().splitlines()
    assert first.startswith("\033[36mweb")
    assert second.startswith("\033[32msweep")


def test_logs_for_machines_are_left_as_they_are() -> None:
    stream = io.StringIO()
    Console(stream, bare=True).line("web", '{"event": "x"}')
    assert stream.getvalue() == '{"event": "x"}\n'


def test_a_reader_that_went_away_is_no_reason_to_fail() -> None:
    stream = io.StringIO()
    console = Console(stream)
    stream.close()
    console.line("web", "nobody hears this")
    console.say("nor this")
