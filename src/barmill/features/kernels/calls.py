"""Calling a compiled kernel by its address, from compiled code.

Numba cannot hold a list of functions and cache what calls them. All kernels have one signature, so their addresses are
numbers in an array, and the call is made as Numba itself makes it: the arrays taken apart by its argument packer, with two
cells for the return value and for an exception. A kernel raises none (it indexes only what the engine laid out).
"""

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from barmill.features.kernels.kernel import BARS, TABLE, VALUES


@intrinsic
def _call(typing_context: Any, address: Any, params: Any, state: Any, bars: Any, out: Any) -> Any:  # noqa: ARG001  Numba's form

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        kinds = (VALUES, VALUES, BARS, TABLE)
        signature = context.call_conv.get_function_type(types.void, kinds)
        function = builder.inttoptr(arguments[0], signature.as_pointer())
        flat = context.get_arg_packer(kinds).as_arguments(builder, arguments[1:])
        cells = [builder.bitcast(builder.alloca(ir.IntType(64)), kind) for kind in signature.args[:2]]
        builder.call(function, [*cells, *flat])
        return context.get_dummy_value()

    return types.void(types.int64, VALUES, VALUES, types.float64[:, :], TABLE), generate


call_kernel = cast("Callable[[Any, Any, Any, Any, Any], None]", _call)
"""Run the kernel at an address on (params, state, bars, out); only within compiled code."""


__all__ = ["call_kernel"]
