"""`restock demo`: the whole story by itself, on a throw-away instance, told in the terminal.

It uses what anybody can use: public HTTP. Whatever it starts it stops, and its data goes with it.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from contextlib import closing
from types import FrameType

from restock.playground.demo.instance import Instance, InstanceError
from restock.playground.demo.paper import Paper
from restock.playground.demo.story import StoryError, tell
from restock.playground.demo.visitor import Visitor

_STOPPED_BY_HAND = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Tell the story; return 0 when it went as promised, 1 when it did not."""
    parser = argparse.ArgumentParser(prog="restock demo", description="The whole story, on a throw-away instance.")
    parser.parse_args(argv)
    signal.signal(signal.SIGTERM, _stop)
    paper = Paper(sys.stdout)
    try:
        with Instance() as instance:
            paper.say("Starting a throw-away instance of everything …")
            seconds = instance.wait_until_ready()
            paper.say(f"Ready after {seconds:.1f} s at {instance.url}")
            with closing(Visitor(instance.url)) as visitor:
                tell(visitor, paper)
    except (InstanceError, StoryError) as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _STOPPED_BY_HAND
    return 0


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
