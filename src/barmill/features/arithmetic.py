"""The arithmetic behind a value, as a formula whose numbers can be filled in: `100*G/(G + B)` with G and B of the bar in question.

A way of writing is a few terms and what is made of them, in NumPy's words. Terms may read

    open, high, ...   the columns of the bars so far, oldest first (`close[-1]` is the bar in question)
    inputs            those that the feature declares, without the times, in its order
    args              the arguments, an array each
    params, state     the numbers of the kernel, and what it remembers after the bar
    before            the kernel's outputs at the bar before, by name

A term whose name begins with an underscore is work on the way and is not shown. One output may have several ways of writing;
shown is the first that gives the value, and none where none does, so what is shown is always true.
"""

import ast
import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]

CLOSE_ENOUGH = 1e-9  # of the value: a kernel adds in another order

_FUNCTIONS: dict[str, Any] = {
    "abs": np.abs,
    "diff": np.diff,
    "log": np.log,
    "max": np.max,
    "mean": np.mean,
    "min": np.min,
    "sign": np.sign,
    "sqrt": np.sqrt,
    "std": np.std,
    "sum": np.sum,
    "cov": lambda x, y: float(np.mean((x - np.mean(x)) * (y - np.mean(y)))),
    "whole": int,
}
_OPERATORS: dict[type[ast.AST], Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Lt: operator.lt,
    ast.Gt: operator.gt,
    ast.Eq: operator.eq,
}


@dataclass(frozen=True, slots=True)
class Given:
    """What terms may read; see the head of this file."""

    columns: dict[str, Float64Array]
    inputs: Sequence[Float64Array]
    args: Sequence[Float64Array]
    params: Float64Array
    state: Float64Array
    before: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Written:
    """A formula with its numbers: `100*G/(G + B)`, the terms G and B, `100*0.5/(0.5 + 0.25)`, and what it gives."""

    formula: str
    terms: Mapping[str, float]
    filled: str
    value: float


def write_out(kernel: str, output: str, given: Given, value: float) -> Written | None:
    """The first way of writing that gives `value`, or None."""
    for terms, formula in _WAYS.get(kernel, {}).get(output, ()):
        written = _fill(terms, formula, given)
        if written is not None and math.isclose(written.value, value, rel_tol=CLOSE_ENOUGH, abs_tol=1e-12):
            return written
    return None


def has_arithmetic(kernel: str, output: str) -> bool:
    """Whether there is any way of writing for an output of a kernel."""
    return output in _WAYS.get(kernel, {})


def _fill(terms: Mapping[str, ast.expr], formula: str, given: Given) -> Written | None:
    names: dict[str, Any] = dict(given.columns)
    names |= {"inputs": given.inputs, "args": given.args, "params": given.params, "state": given.state, "before": given.before}
    shown: dict[str, float] = {}
    parsed = _parsed(formula)
    try:
        with np.errstate(all="ignore"):
            for name, expression in terms.items():
                names[name] = _work_out(expression, names)
                if not name.startswith("_"):
                    shown[name] = float(names[name])
            value = float(_work_out(parsed, names | shown))
    except (IndexError, KeyError, ValueError, ZeroDivisionError):  # too few bars for it, or a division by nothing
        return None
    used = {node.id for node in ast.walk(parsed) if isinstance(node, ast.Name)}
    shown = {name: number for name, number in shown.items() if name in used}
    return Written(formula, shown, ast.unparse(_Numbers(shown).visit(_parsed(formula))), value)


def _parsed(expression: str) -> ast.expr:
    return ast.parse(expression, mode="eval").body


def _work_out(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """The value of an expression of names, numbers, operators, windows and the functions above, and of nothing else."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return names[name]
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](_work_out(left, names), _work_out(right, names))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_work_out(operand, names)
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _OPERATORS[type(op)](_work_out(left, names), _work_out(right, names))
        case ast.Call(func=ast.Name(id=function), args=args):
            return _FUNCTIONS[function](*(_work_out(arg, names) for arg in args))
        case ast.Subscript(value=value, slice=ast.Slice(lower=lower, upper=upper)):
            first, end = (None if edge is None else _work_out(edge, names) for edge in (lower, upper))
            return _work_out(value, names)[first:end]
        case ast.Subscript(value=value, slice=place):
            return _work_out(value, names)[_work_out(place, names)]
        case ast.List(elts=elements):
            return [_work_out(element, names) for element in elements]
        case _:
            raise ValueError(f"no arithmetic: {ast.unparse(node)}")


class _Numbers(ast.NodeTransformer):
    def __init__(self, terms: Mapping[str, float]) -> None:
        self._terms = terms

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(float(f"{self._terms[node.id]:.9g}")) if node.id in self._terms else node


Ways = dict[str, tuple[tuple[Mapping[str, ast.expr], str], ...]]


def _ways(terms: Mapping[str, str], **formulas: str | tuple[str, ...]) -> Ways:
    """The same terms for all outputs of a kernel, and for each what is made of them."""
    parsed = {name: _parsed(expression) for name, expression in terms.items()}
    return {
        output: tuple((parsed, formula) for formula in ((written,) if isinstance(written, str) else written))
        for output, written in formulas.items()
    }


_N = {"n": "params[0]", "_n": "whole(params[0])"}
_LAST = {"O": "open[-1]", "H": "high[-1]", "L": "low[-1]", "C": "close[-1]"}
_C = {"C": "close[-1]"}
_V = {"V": "volume[-1]"}
_TRUE_RANGE = "max([high[-1] - low[-1], abs(high[-1] - close[-2]), abs(low[-1] - close[-2])])"
_TYPICAL = {"_p": "(high + low + close)/3"}
_RETURNS = {"_r": "diff(log(close))[-_n:]"}
_X = {"_x": "args[0][-_n:]", "x": "args[0][-1]"}
_A_B = {"a": "args[0][-1]", "b": "args[1][-1]"}

_WAYS: Mapping[str, Ways] = MappingProxyType(
    {
        # price, and whatever is shown as it came
        "as_given": _ways({"x": "inputs[0][-1]"}, value="x"),
        "logarithm": _ways({"x": "inputs[0][-1]", "s": "params[1]"}, logarithm=("log(x)", "log(s + x)")),
        "log_return": _ways(
            _N | _C | {"B": "close[-1 - _n]"}, log_return="log(C/B)", absolute="abs(log(C/B))", simple="C/B - 1", percent="100*(C/B - 1)"
        ),
        # momentum and trend
        "rsi": _ways({"G": "state[2]", "B": "state[3]"}, rsi="100*(G/(G + B))"),
        "macd": _ways(
            _C | {"F": "state[1]", "S": "state[2]", "M": "state[3]"},
            macd="F - S",
            signal="M",
            hist="F - S - M",
            macd_share="(F - S)/C",
            signal_share="M/C",
            hist_share="(F - S - M)/C",
        ),
        "adx": _ways(
            _N | {"P": "state[4]", "M": "state[5]", "T": "state[6]", "B": "before['adx']", "_d": "abs(P - M)/(P + M)", "D": "100*_d"},
            plus_di="100*(P/T)",
            minus_di="100*(M/T)",
            adx=("(B*(n - 1) + D)/n", "B"),
        ),
        "extremes": _ways(
            _N | _C | {"H": "max(high[-_n:])", "L": "min(low[-_n:])"},
            position="(C - L)/(H - L)",
            williams="-100*((H - C)/(H - L))",
        )
        | _ways(_N | {"H": "max(high[-_n:])"}, highest="H")
        | _ways(_N | {"L": "min(low[-_n:])"}, lowest="L"),
        "cci": _ways(_N | _TYPICAL | {"P": "_p[-1]", "M": "mean(_p[-_n:])", "D": "mean(abs(_p[-_n:] - M))"}, cci="(P - M)/(0.015*D)"),
        "sma": _ways(_N | _C | {"M": "mean(close[-_n:])"}, sma="M", distance="C/M - 1"),
        "ema": _ways(_N | _C | {"B": "before['ema']"}, ema="B + 2/(n + 1)*(C - B)", distance="C/(B + 2/(n + 1)*(C - B)) - 1"),
        # volatility
        "realised_volatility": _ways(_N | _RETURNS | {"Q": "sum(_r**2)"}, realised_volatility="sqrt(Q/n)"),
        "ewma_volatility": _ways(
            _N | {"B": "before['ewma_volatility']", "r": "log(close[-1]/close[-2])"},
            ewma_volatility="sqrt(B**2 + 2/(n + 1)*(r**2 - B**2))",
        ),
        "volatility_ratio": _ways(
            {"_r": "diff(log(close))**2", "f": "params[0]", "s": "params[1]"}
            | {"F": "sum(_r[-whole(params[0]):])", "S": "sum(_r[-whole(params[1]):])"},
            volatility_ratio="sqrt(F/f/(S/s))",
        ),
        "parkinson_volatility": _ways(_N | {"Q": "sum(log(high/low)[-_n:]**2)"}, parkinson_volatility="sqrt(Q/(4*log(2)*n))"),
        "garman_klass_volatility": _ways(
            _N | {"Q": "sum((0.5*log(high/low)**2 - (2*log(2) - 1)*log(close/open)**2)[-_n:])"}, garman_klass_volatility="sqrt(Q/n)"
        ),
        "rogers_satchell_volatility": _ways(
            _N | {"Q": "sum((log(high/close)*log(high/open) + log(low/close)*log(low/open))[-_n:])"},
            rogers_satchell_volatility="sqrt(Q/n)",
        ),
        "true_range": _ways(_C | {"T": _TRUE_RANGE}, true_range="T", share="T/C"),
        "atr": _ways(_N | _C | {"B": "before['atr']", "T": _TRUE_RANGE}, atr="(B*(n - 1) + T)/n", share="(B*(n - 1) + T)/n/C"),
        "bollinger": _ways(
            _N | _C | {"k": "params[1]", "M": "mean(close[-_n:])", "S": "std(close[-_n:])"},
            upper="M + k*S",
            middle="M",
            lower="M - k*S",
            width="2*k*S/M",
            position="(C - (M - k*S))/(2*k*S)",
        ),
        # volume
        "volume_ratio": _ways(_N | _V | {"M": "mean(volume[-_n:])"}, volume_ratio="V/M", mean="M"),
        "log_volume_ratio": _ways(_N | _V | {"M": "mean(volume[-_n:])"}, log_volume_ratio="log((1 + V/M)/2)"),
        "volume_deviation": _ways(
            _N | _V | {"M": "mean(volume[-_n:])", "S": "sum((volume[-_n:] - M)**2)"},
            std="sqrt(S/(n - 1))",
            zscore=("(V - M)/sqrt(S/(n - 1))", "(V - M)/sqrt(S/n)"),
        ),
        "volume_change": _ways(_N | _V | {"B": "volume[-1 - _n]"}, volume_change="(V - B)/(V + B)"),
        "obv": _ways(_V | {"B": "before['obv']"}, obv=("B + V", "B - V", "B")),
        "vwap_distance": _ways(
            _N | _C | _TYPICAL | {"T": "sum((_p*volume)[-_n:])", "W": "sum(volume[-_n:])"}, vwap="T/W", vwap_distance="C/(T/W) - 1"
        ),
        "mfi": _ways(
            _N | _TYPICAL | {"_d": "diff(_p)[-_n:]", "_f": "(_p*volume)[-_n:]", "U": "sum(_f[_d > 0])", "D": "sum(_f[_d < 0])"},
            mfi="100*(U/(U + D))",
        ),
        # statistics
        "return_moments": _ways(
            _N | _RETURNS | {"M": "mean(_r)", "S": "sum((_r - M)**2)", "T": "sum((_r - M)**3)", "F": "sum((_r - M)**4)"},
            mean="M",
            std="sqrt(S/(n - 1))",
            skewness="T/n/(S/n)**1.5",
            kurtosis="F/n/(S/n)**2",
        ),
        # microstructure, regimes, flow, book, other markets
        "efficiency_ratio": _ways(_N | _C | {"B": "close[-1 - _n]", "S": "sum(abs(diff(close)[-_n:]))"}, efficiency_ratio="abs(C - B)/S"),
        "balance": _ways(_N | {"A": "sum(inputs[0][-_n:])", "B": "sum((params[1]*inputs[1])[-_n:])"}, balance="(A - B)/(A + B)"),
        "changes": _ways(
            _N | {"R": "inputs[-1][-1]", "Q": "inputs[-1][-1 - _n]", "C": "close[-1]", "B": "close[-1 - _n]"},
            other="log(R/Q)",
            relative="log(C/B) - log(R/Q)",
        ),
        "microprice": _ways(
            {"b": "bid_price[-1]", "a": "ask_price[-1]", "x": "bid_size[-1]", "y": "ask_size[-1]"},
            microprice_bps="10000*((b*y + a*x)/(x + y)/((a + b)/2) - 1)",
        ),
        "within": _ways(_LAST | {"P": "point_of_control[-1]"}, position="(C - P)/(H - L)"),
        "close_location": _ways(_LAST, close_location="((C - L) - (H - C))/(H - L)"),
        "taker_delta": _ways(_V | {"T": "taker_buy_base[-1]"}, taker_delta="(2*T - V)/V"),
        "taker_imbalance": _ways(_N | {"T": "sum(taker_buy_base[-_n:])", "V": "sum(volume[-_n:])"}, taker_imbalance="(2*T - V)/V"),
        "quote": _ways({"B": "bid_price[-1]", "A": "ask_price[-1]"}, spread_bps="10000*((A - B)/((A + B)/2))")
        | _ways(_C | {"B": "bid_price[-1]", "A": "ask_price[-1]"}, close_bps="10000*(C/((A + B)/2) - 1)"),
        "beside": _ways(_C | {"S": "spot_close[-1]"}, bps="10000*(C/S - 1)"),
        # features of features
        "product": _ways(_A_B, product="a*b"),
        "difference": _ways(_A_B, difference="a - b", sign="sign(a - b)"),
        "ratio": _ways(_A_B, ratio="a/b"),
        "band": _ways(_C | {"U": "args[0][-1]", "L": "args[1][-1]"}, position="(C - L)/(U - L)"),
        "pivots": _ways(_C | {"H": "args[0][-1]", "L": "args[1][-1]", "B": "args[2][-1]"}, distance="C/((H + L + B)/3) - 1"),
        "zscore": _ways(_N | _X | {"M": "mean(_x)", "S": "std(_x)"}, zscore="(x - M)/S"),
        "percentile": _ways(_N | _X | {"L": "sum(_x < x)", "E": "sum(_x == x)"}, percentile="(L + E/2)/n"),
        "smoothed": _ways(_N | _X | {"B": "before['ewma']"}, ewma="B + 2/(n + 1)*(x - B)"),
        "lag": _ways(_N | {"x": "args[0][-1]", "b": "args[0][-1 - _n]"}, lag="b", change="x - b"),
        "moving_sum": _ways(_N | _X | {"S": "sum(_x)"}, sum="S"),
        "absolute": _ways({"x": "args[0][-1]"}, abs="abs(x)"),
    }
)

__all__ = ["Given", "Written", "has_arithmetic", "write_out"]
