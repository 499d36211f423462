"""The ability `calculator`: exact arithmetic by a walk over the parsed expression. Nothing is ever evaluated as Python.

Whole numbers and decimals are kept as fractions, so 0.1 + 0.2 is 0.3 and 1/3*3 is 1. Every number is bounded in size
before it is computed, so the work is bounded by the length of the expression.
"""

import ast
import math
import operator
from collections.abc import Callable
from fractions import Fraction

from workers.errors import InvalidInput

from .registry import ability

MAX_EXPRESSION = 1_000
# Of a numerator or denominator: 1,000 decimal digits, which are multiplied in some microseconds.
MAX_BITS = 3_322
MAX_POWER_OF_TEN = 1_000

_BINARY: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: lambda a, b: Fraction(a // b),
    ast.Mod: operator.mod,
}
_FLOAT_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "asin": math.asin,
    "acos": math.acos,
    "atan": math.atan,
}
_CONSTANTS = {"pi": Fraction(math.pi), "e": Fraction(math.e)}
_NAMES = ", ".join([*_FLOAT_FUNCTIONS, "abs", "floor", "ceil", "round", "min", "max", *_CONSTANTS])


@ability
def calculator(expression: str) -> str:
    """Compute an arithmetic expression exactly. Use it for every calculation instead of computing yourself.

    Args:
        expression: Numbers with + - * / // % ** and brackets; the functions sqrt, exp, log (natural), log10, log2,
            sin, cos, tan, asin, acos, atan (radians), abs, floor, ceil, round(x, digits), min, max; the constants pi
            and e. For example "(3.5 + 4) * 2 ** 10".
    """
    if len(expression) > MAX_EXPRESSION:
        raise InvalidInput(f"the expression has {len(expression)} characters; at most {MAX_EXPRESSION} are allowed")
    try:
        # On one line, so that a node's offsets are offsets in the text.
        source = " ".join(expression.split())
        return _shown(_value(ast.parse(source, mode="eval").body, source.encode()))
    except (SyntaxError, RecursionError, MemoryError):
        raise InvalidInput(f"{expression!r} is not an arithmetic expression") from None
    except ZeroDivisionError:
        raise InvalidInput("division by zero") from None
    except (ValueError, OverflowError) as error:
        raise error if isinstance(error, InvalidInput) else InvalidInput(f"not defined: {error}") from None


def _value(node: ast.expr, source: bytes) -> Fraction:
    match node:
        case ast.Constant(value=int() as number) if not isinstance(number, bool):
            return _bounded(Fraction(number))
        case ast.Constant(value=float()):
            return _bounded(_decimal(_text(node, source)))
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            value = _value(operand, source)
            return -value if isinstance(sign, ast.USub) else value
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(_value(left, source), _value(right, source))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _bounded(_BINARY[type(op)](_value(left, source), _value(right, source)))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return _call(name, [_value(argument, source) for argument in arguments])
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
    raise InvalidInput(
        f"{_text(node, source)[:100]!r} cannot be computed; use numbers, + - * / // % **, brackets and: {_NAMES}"
    )


def _text(node: ast.expr, source: bytes) -> str:
    return source[node.col_offset : node.end_col_offset].decode()


def _decimal(text: str) -> Fraction:
    """Return the number as it is written, not as a float: 0.1 is meant as one tenth."""
    exact = text.replace("_", "").lower()
    _, _, exponent = exact.partition("e")
    if abs(int(exponent or 0)) > MAX_POWER_OF_TEN:
        raise InvalidInput(f"{text!r} is outside 1e-{MAX_POWER_OF_TEN} to 1e{MAX_POWER_OF_TEN}")
    return Fraction(exact)


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        result = float(base) ** float(exponent)
        if isinstance(result, complex):
            raise InvalidInput("the root of a negative number is not defined")
        return Fraction(result)
    size = max(base.numerator.bit_length(), base.denominator.bit_length())
    # 1 and -1 stay small whatever the power.
    if abs(base) != 1 and (size - 1) * abs(exponent) > MAX_BITS:
        raise InvalidInput("the result of ** is too large")
    if abs(base) == 1:
        exponent = exponent % 2
    return _bounded(Fraction(base ** int(exponent)))


def _call(name: str, values: list[Fraction]) -> Fraction:
    match name, values:
        case (("min" | "max"), [_, *_]):
            return min(values) if name == "min" else max(values)
        case "abs", [value]:
            return abs(value)
        case "floor", [value]:
            return Fraction(math.floor(value))
        case "ceil", [value]:
            return Fraction(math.ceil(value))
        case "round", [value]:
            return Fraction(round(value))
        case "round", [value, digits] if digits.denominator == 1 and abs(digits) <= MAX_EXPRESSION:
            return _bounded(Fraction(round(value, int(digits))))
        case _, [value] if name in _FLOAT_FUNCTIONS:
            return Fraction(_FLOAT_FUNCTIONS[name](float(value)))
    raise InvalidInput(f"{name}() with {len(values)} values cannot be computed; available: {_NAMES}")


def _bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise InvalidInput("a number in the calculation is too large or has too many digits")
    return value


def _shown(value: Fraction) -> str:
    """Return whole numbers in full, others as decimals of at most 15 significant digits."""
    if value.denominator == 1:
        return str(value.numerator)
    try:
        return f"{float(value):.15g}"
    except OverflowError:
        return f"{value.numerator // value.denominator}"
