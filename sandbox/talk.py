"""Talking with a child that stays alive: a pipe each way, and the time from a question to its whole answer.

The child has the two ends that the zygote passed at the fork, and no way to more. What it writes is bytes of
a size that the parent knows beforehand; one byte too many, too early or too late, and the talk is over.
"""

from __future__ import annotations

import os
import select
import time


class TalkError(RuntimeError):
    """The child did not keep to the talk. The text says what was expected and what came."""


class Talk:
    """The parent's side. `ask` blocks, so it belongs into a thread; `stop` ends it from any other."""

    def __init__(self) -> None:
        take, self._ask = os.pipe2(os.O_CLOEXEC)
        try:
            self._hear, give = os.pipe2(os.O_CLOEXEC)
        except OSError:
            os.close(take)
            os.close(self._ask)
            raise
        self.theirs: tuple[int, ...] = (take, give)
        """What the child gets: where it reads questions and where it writes answers."""
        self._stopped = False
        os.set_blocking(self._ask, False)
        os.set_blocking(self._hear, False)
        self._asking, self._hearing = select.poll(), select.poll()
        self._asking.register(self._ask, select.POLLOUT)
        self._hearing.register(self._hear, select.POLLIN)

    def ask(self, question: bytes, size: int, patience: float) -> tuple[float, bytes]:
        """Seconds from sending `question` to the last of the answer's `size` bytes, and the answer.

        Raises TalkError for an answer that was there before the question, none after `patience` seconds, or a
        child that is gone.
        """
        self.expect_silence()
        deadline = time.monotonic() + patience
        answer = bytearray()
        rest = memoryview(question)
        began = time.perf_counter()
        while rest:
            try:
                rest = rest[os.write(self._ask, rest) :]
            except BlockingIOError:
                deadline = self._wait(self._asking, deadline)
            except BrokenPipeError:
                raise TalkError("the child is gone") from None
        while len(answer) < size:
            deadline = self._wait(self._hearing, deadline)
            part = os.read(self._hear, size - len(answer))
            if not part:
                raise TalkError(
                    f"expected {size} bytes of answer, got {len(answer)} and the end of the child"
                )
            answer += part
        return time.perf_counter() - began, bytes(answer)

    def expect_silence(self) -> None:
        """Raises TalkError where the child says something that it was not asked for."""
        for _, event in self._hearing.poll(0):
            if event & select.POLLIN:
                raise TalkError("expected silence before a question, got an answer")
            raise TalkError("the child is gone")

    def stop(self) -> None:
        """Makes a waiting `ask` give up within `LOOK` milliseconds."""
        self._stopped = True

    def finish(self) -> None:
        """No more questions: the child hears the end, and comes to its own."""
        if self._ask >= 0:
            os.close(self._ask)
            self._ask = -1

    def release(self) -> None:
        """Closes the child's ends, once it has its own or has ended: then its end can be heard."""
        for fd in self.theirs:
            os.close(fd)
        self.theirs = ()

    def close(self) -> None:
        self.finish()
        self.release()
        os.close(self._hear)

    def _wait(self, poller: select.poll, deadline: float) -> float:
        """Waits until something comes; the deadline, put off by what this process stood still for."""
        awake = time.monotonic()
        while not poller.poll(LOOK):
            now = time.monotonic()
            late = now - awake - LOOK / 1000
            awake, deadline = now, deadline + (late if late > STALLED_SECONDS else 0.0)
            if self._stopped or now > deadline:
                raise TalkError("expected an answer in time, got none")
        return deadline


STALLED_SECONDS = 1.0
"""How late this process may wake up, as in zygote.py."""

LOOK = 200
"""Milliseconds between two looks at the clock while waiting."""
