"""Hand a shop's e-mails to its provider's API, many in a call, and say of each what became of it.

Messages of a call share its fate until the provider says otherwise. A call that is refused for one of its messages is
made again in halves, so that the one is found and the others leave. Must never log an address, a text or a key.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from restock.channels.answers import retry_after_seconds
from restock.channels.email.providers.calls import Caller, NoAnswerError, NotSentError, Reply
from restock.channels.email.providers.letters import Letter, write_letter
from restock.channels.email.providers.rulings import Provider
from restock.channels.port import ChannelError
from restock.channels.values import Blame, Envelope, Outcome, SenderChoice, Verdict

THREADS = 4
_LONGEST_WAIT_SECONDS = 2.0  # for a provider that asks for a moment: longer, and the messages are queued again
_MOST_WAITS = 5


@dataclass(frozen=True)
class Account:
    """One shop's account: its choice, how its provider is spoken to, and the kept connections."""

    choice: SenderChoice
    provider: Provider
    caller: Caller


class ApiSender:
    """Send one batch of one account. `mark` makes what a provider's reports name a delivery by."""

    def __init__(self, account: Account, mark: Callable[[int], str], deadline: float) -> None:
        self._account = account
        self._mark = mark
        self._deadline = deadline
        self._given_up: str | None = None  # why nothing more is handed over: the account, not a message

    def send(self, envelopes: Sequence[Envelope]) -> Iterator[Outcome]:
        """Hand over a batch, several calls at once; one outcome for each envelope."""
        letters: list[Letter] = []
        for envelope in envelopes:
            try:
                letters.append(write_letter(envelope, self._account.choice, self._mark(envelope.delivery_id)))
            except ChannelError as error:
                yield error.outcome(envelope.delivery_id)
        groups = self._account.provider.groups(letters)
        if len(groups) == 1:
            yield from self._hand_over(groups[0])
            return
        with ThreadPoolExecutor(THREADS, thread_name_prefix="email") as workers:
            futures = [workers.submit(self._hand_over, group) for group in groups]
            try:
                for future in as_completed(futures):
                    yield from future.result()
            finally:
                for future in futures:
                    future.cancel()

    def _hand_over(self, letters: Sequence[Letter]) -> list[Outcome]:
        """Make one call, and more where it is refused for one message of several."""
        if time.monotonic() > self._deadline:
            return _all(letters, "batch_time_over", Blame.message)
        if self._given_up is not None:  # another call of this batch has found out
            return _all(letters, self._given_up, Blame.provider)
        try:
            reply = self._ask(letters)
        except NotSentError:
            self._given_up = "provider_unreachable"
            return _all(letters, "provider_unreachable", Blame.provider)
        except NoAnswerError:
            return [Outcome(letter.delivery_id, Verdict.unanswered, "no_answer") for letter in letters]
        told = self._account.provider.read(letters, reply, time.time())
        if told is None:
            half = len(letters) // 2
            return [*self._hand_over(letters[:half]), *self._hand_over(letters[half:])]
        if all(one.verdict is Verdict.deferred and one.blame is Blame.provider for one in told):
            self._given_up = told[0].reason
        return list(told)

    def _ask(self, letters: Sequence[Letter]) -> Reply:
        """Make one call; again where it was surely not taken and the wait is short, or where it may be repeated."""
        call, waits, repeats = self._account.provider.call(letters), 0, int(self._account.provider.repeatable)
        while True:
            try:
                reply = self._account.caller.post(call)
            except NoAnswerError:
                if repeats == 0 or time.monotonic() > self._deadline:
                    raise
                repeats -= 1
                continue
            wait = retry_after_seconds(reply.headers.get("Retry-After"), time.time())
            if reply.status != 429 or wait is None or wait > _LONGEST_WAIT_SECONDS or waits >= _MOST_WAITS:
                return reply
            if time.monotonic() + wait > self._deadline:
                return reply
            waits += 1
            time.sleep(max(wait, 0.05))


def _all(letters: Sequence[Letter], reason: str, blame: Blame) -> list[Outcome]:
    return [Outcome(letter.delivery_id, Verdict.deferred, reason, blame) for letter in letters]
