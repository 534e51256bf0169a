"""Reads expressions of conditional edges, before any value is bound to them.

Source: docs/workflow-language.md, "Conditions".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from dialogs.conditions import (
    OPERATORS,
    TESTS,
    AllOf,
    Alone,
    AnyOf,
    Compared,
    Constant,
    Expression,
    Negated,
    Operand,
    Tested,
)
from dialogs.failures import ExpressionError
from dialogs.placeholders import placeholder_at

MAX_EXPRESSION_CHARS = 10_000
MAX_NESTING = 50

_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<operator>==|!=|<=|>=|<|>)|(?P<bracket>[()])"
    r"|(?P<number>-?\d{1,400}(?:\.\d{1,400})?)|(?P<word>[A-Za-z_]\w*)"
    r"|'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\""
)


@lru_cache(maxsize=1_024)
def parsed(text: str) -> Expression:
    """Return what an expression means.

    Raises:
        ExpressionError: It is not of this language; the message says where.
    """
    if len(text) > MAX_EXPRESSION_CHARS:
        raise ExpressionError(f"a condition has at most {MAX_EXPRESSION_CHARS} characters")
    return _Parser(text).whole()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int
    operand: Operand | None = None


class _Parser:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, text: str) -> None:
        self._tokens = [*_tokens(text)]
        self._next = 0
        self._depth = 0

    def whole(self) -> Expression:
        expression = self._any()
        if self._token.kind != "end":
            raise _unexpected(self._token)
        return expression

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._token
        self._next += 1
        return token

    def _takes(self, kind: str, text: str) -> bool:
        token = self._token
        written = token.text.upper() if kind == "word" else token.text
        if token.kind != kind or written != text:
            return False
        self._next += 1
        return True

    def _any(self) -> Expression:
        parts = [self._all()]
        while self._takes("word", "OR"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _all(self) -> Expression:
        parts = [self._not()]
        while self._takes("word", "AND"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _not(self) -> Expression:
        is_negated = False
        while self._takes("word", "NOT"):
            is_negated = not is_negated
        primary = self._primary()
        return Negated(primary) if is_negated else primary

    def _primary(self) -> Expression:
        if self._takes("bracket", "("):
            self._depth += 1
            if self._depth > MAX_NESTING:
                raise ExpressionError(f"a condition has at most {MAX_NESTING} nested brackets")
            inner = self._any()
            self._close()
            self._depth -= 1
            return inner
        if self._token.kind == "word" and self._token.text.lower() not in ("true", "false"):
            return self._tested()
        left = self._operand()
        if self._token.kind != "operator":
            return Alone(left)
        operator = OPERATORS[self._take().text]
        return Compared(left, operator, self._operand())

    def _tested(self) -> Tested:
        name = self._take()
        test = TESTS.get(name.text)
        if test is None:
            raise ExpressionError(f"'{name.text}' at {name.position + 1} is no test or value")
        if not self._takes("bracket", "("):
            raise ExpressionError(f"'(' must follow {name.text} at {name.position + 1}")
        operand = self._operand()
        self._close()
        return Tested(test, operand)

    def _close(self) -> None:
        if not self._takes("bracket", ")"):
            raise _unexpected(self._token, "')' was expected")

    def _operand(self) -> Operand:
        token = self._take() if self._token.kind != "end" else self._token
        if token.operand is None:
            raise _unexpected(token, "a value was expected")
        return token.operand


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while position < len(text):
        placeholder = placeholder_at(text, position)
        if placeholder is not None:
            yield _Token("operand", placeholder.text, position, placeholder)
            position += len(placeholder.text)
            continue
        found = _TOKEN.match(text, position)
        if found is None:
            # What comes before it may be a better reason.
            yield _Token("unknown", text[position], position)
            position += 1
            continue
        kind = found.lastgroup or ""
        if kind != "space":
            yield _Token(kind, found.group(), position, _constant(kind, found[kind]))
        position = found.end()
    yield _Token("end", "", position)


def _constant(kind: str, text: str) -> Constant | None:
    match kind:
        case "single" | "double":
            return Constant(text)
        case "number":
            return Constant(float(text) if "." in text else int(text))
        case "word" if text.lower() in ("true", "false"):
            return Constant(text.lower() == "true")
        case _:
            return None


def _unexpected(token: _Token, expected: str = "") -> ExpressionError:
    what = f"'{token.text}'" if token.text else "the end"
    reason = f": {expected}" if expected else ""
    return ExpressionError(f"unexpected {what} at {token.position + 1}{reason}")
