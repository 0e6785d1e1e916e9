"""Writes that arrive together share one statement and one commit: for threads that wait, and for an event loop."""

from __future__ import annotations

from restock.batches.looping import LoopBatches, Wire
from restock.batches.taking import MOST
from restock.batches.threads import Batches

__all__ = ["MOST", "Batches", "LoopBatches", "Wire"]
