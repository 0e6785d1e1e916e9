"""How the application meets its server: hot routes on the event loop itself, everything else in a few threads.

Flask stays what it is. A route that has decided everything from memory and waits for its write alone answers with
`Later`, and only where the server said it may (`is_inline`); under any other WSGI server it waits as ever.
"""

from __future__ import annotations

from restock.web.server.inline import is_inline, run_inline
from restock.web.server.later import Later

__all__ = ["Later", "is_inline", "run_inline"]
