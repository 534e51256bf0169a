"""What was handed to an interactive run, and what became of it."""

from collections.abc import Mapping, Sequence

from temporalio import workflow

from contracts.runs import REMEMBERED_INPUTS, Answer, AnswerKind, StopAsked, TurnGiven, TurnView

MAX_REFUSED = 100
KNOWS_WHAT_IS_WRITTEN = "inputs-know-what-is-written"


class Inbox:
    """Takes each input once, in order, and knows the answer to it.

    Attributes:
        current: The input of the turn under way.
    """

    def __init__(
        self, queued: Sequence[TurnGiven], answered: Mapping[str, int], last: TurnView | None
    ) -> None:
        """Begin with what an earlier history handed on."""
        self._queue = list(queued)
        self._answered = dict(answered)
        self._refused: dict[str, AnswerKind] = {}
        self._turn_of_current = 0
        self.current: TurnGiven | None = None
        self.last = last

    @property
    def queued(self) -> list[TurnGiven]:
        """Return what no turn took yet."""
        return list(self._queue)

    @property
    def answered(self) -> dict[str, int]:
        """Return which turn the latest inputs led to."""
        return dict(self._answered)

    def take(self, given: TurnGiven, next_turn: int) -> None:
        """Queue an input, unless it came before or expects another turn than it would become.

        Args:
            next_turn: The turn that is due when none is under way.
        """
        if self.is_known(given.input_id):
            return
        if given.expected_turn is None or self._is_due(given.expected_turn, next_turn):
            self._refused.pop(given.input_id, None)
            self._queue.append(given)
        else:
            self.refuse(given.input_id, AnswerKind.CONFLICT)

    def _is_due(self, expected_turn: int, next_turn: int) -> bool:
        """Return whether an input would become the turn that it expects.

        One that expects the turn after those that are not over knows them from the record: a worker
        died between writing a turn and saying so, and the turn is run once more.
        """
        if self.current is None and not self._queue:
            return expected_turn == next_turn
        due = (self._turn_of_current if self.current else next_turn - 1) + len(self._queue) + 1
        return expected_turn == due and workflow.patched(KNOWS_WHAT_IS_WRITTEN)

    def refuse(self, input_id: str, kind: AnswerKind) -> None:
        """Remember a refusal until it was told; who never asks does not make it pile up."""
        self._refused[input_id] = kind
        while len(self._refused) > MAX_REFUSED:
            del self._refused[next(iter(self._refused))]

    def is_known(self, input_id: str) -> bool:
        """Return whether an input was accepted, answered or not."""
        waiting = [*self._queue, *([self.current] if self.current is not None else [])]
        return input_id in self._answered or any(each.input_id == input_id for each in waiting)

    def has_begun(self, input_id: str) -> bool:
        """Return whether the turn under way is this input's."""
        return self.current is not None and self.current.input_id == input_id

    def next(self, turn: int) -> TurnGiven:
        """Begin with the next input, which becomes that turn."""
        self.current = self._queue.pop(0)
        self._turn_of_current = turn
        return self.current

    def answer(self, input_id: str, turn: TurnView) -> None:
        """Say what an input led to; the current one is over then."""
        self.last = turn
        self._answered[input_id] = turn.turn_number
        while len(self._answered) > REMEMBERED_INPUTS:
            del self._answered[next(iter(self._answered))]
        self.current = None

    def close(self, stop: StopAsked | None) -> None:
        """Refuse what no turn will take any more, a stop that came too late among it."""
        late = [each.input_id for each in self._queue]
        if stop is not None:
            late.append(stop.input_id)
        for input_id in late:
            if input_id not in self._answered:
                self.refuse(input_id, AnswerKind.ENDED)
        self._queue.clear()

    def is_settled(self, input_id: str) -> bool:
        """Return whether there is an answer."""
        return input_id in self._answered or input_id in self._refused

    def told(self, input_id: str) -> Answer:
        """Return the answer; a refusal is forgotten with it."""
        refused = self._refused.pop(input_id, None)
        if refused is not None:
            return Answer(kind=refused)
        number = self._answered[input_id]
        if self.last is not None and self.last.turn_number == number:
            return Answer(kind=AnswerKind.TURN, turn=self.last)
        return Answer(kind=AnswerKind.TURN, turn=TurnView(turn_number=number))
