"""Look at 64 bytes of an array at once inside a kernel: one bit per byte, in one 64-bit integer.

numba has no vectors of bytes, so these intrinsics state them in LLVM's own, portable instructions; LLVM
makes AVX-512, AVX2, SSE2 or NEON code of them, with equal results. The caller checks the bounds.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

BLOCK = 64
"""Bytes that one block holds; an index may be used where ``index + BLOCK <= data.size``."""

_BYTE = ir.IntType(8)
_BYTES = ir.VectorType(_BYTE, BLOCK)
_MASK = ir.IntType(BLOCK)


def _pointer(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _BYTES.as_pointer())


def _all(value: int) -> Any:
    return ir.Constant(_BYTES, [value] * BLOCK)


def _within(builder: Any, block: Any, ranges: tuple[tuple[int, int], ...]) -> Any:
    """Return <64 x i1>: which bytes lie in one of the inclusive ranges."""
    found = None
    for low, high in ranges:
        if low == high:
            this = builder.icmp_unsigned("==", block, _all(low))
        else:
            this = builder.icmp_unsigned("<=", builder.sub(block, _all(low)), _all(high - low))
        found = this if found is None else builder.or_(found, this)
    return found


def bytes_in(*ranges: tuple[int, int]) -> Any:
    """Make ``mask(data, index)``: bit j says whether ``data[index + j]`` lies in one of the inclusive ranges."""

    @intrinsic  # type: ignore[untyped-decorator]
    def mask(typing_context: Any, data: Any, index: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            block = builder.load(_pointer(context, builder, signature.args[0], *arguments), align=1)
            return builder.bitcast(_within(builder, block, ranges), _MASK)

        return types.uint64(data, types.int64), generate

    return mask


def copy_block(replacement: int, *ranges: tuple[int, int]) -> Any:
    """Make ``copy(out, at, data, index)``: copy 64 bytes, each in the ranges replaced; return their mask."""

    @intrinsic  # type: ignore[untyped-decorator]
    def copy(typing_context: Any, out: Any, at: Any, data: Any, index: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            source = _pointer(context, builder, signature.args[2], *arguments[2:])
            target = _pointer(context, builder, signature.args[0], *arguments[:2])
            block = builder.load(source, align=1)
            found = _within(builder, block, ranges)
            builder.store(builder.select(found, _all(replacement), block), target, align=1)
            return builder.bitcast(found, _MASK)

        return types.uint64(out, types.int64, data, types.int64), generate

    return copy


@intrinsic  # type: ignore[untyped-decorator]
def classify(typing_context: Any, out: Any, at: Any, data: Any, index: Any) -> Any:
    """Copy 64 bytes with bit 5 set, which folds ASCII letters; return three masks of them.

    The masks: ASCII letters and digits; bytes from 0x80; bytes that continue a character (0x80 to 0xBF).
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source = _pointer(context, builder, signature.args[2], *arguments[2:])
        target = _pointer(context, builder, signature.args[0], *arguments[:2])
        block = builder.load(source, align=1)
        folded = builder.or_(block, _all(0x20))
        builder.store(folded, target, align=1)
        letters = _within(builder, folded, ((ord("a"), ord("z")),))
        digits = _within(builder, block, ((ord("0"), ord("9")),))
        masks = (
            builder.or_(letters, digits),
            builder.icmp_unsigned(">=", block, _all(0x80)),
            _within(builder, block, ((0x80, 0xBF),)),
        )
        return context.make_tuple(
            builder, signature.return_type, [builder.bitcast(mask, _MASK) for mask in masks]
        )

    return types.UniTuple(types.uint64, 3)(out, types.int64, data, types.int64), generate


def _load(bits: int) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def load(typing_context: Any, data: Any, index: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array = context.make_array(signature.args[0])(context, builder, arguments[0]).data
            pointer = builder.bitcast(builder.gep(array, [arguments[1]]), ir.IntType(bits).as_pointer())
            word = builder.load(pointer, align=1)
            return word if bits == 64 else builder.zext(word, ir.IntType(64))

        return types.uint64(data, types.int64), generate

    return load


load32 = _load(32)
"""Read ``data[index : index + 4]`` of bytes, at any alignment, as a little-endian number."""

load64 = _load(64)
"""Read ``data[index : index + 8]`` of bytes, at any alignment, as a little-endian number."""


@intrinsic  # type: ignore[untyped-decorator]
def store32(typing_context: Any, data: Any, index: Any, value: Any) -> Any:
    """Write the low 32 bits of ``value`` to ``data[index : index + 4]`` of bytes, little-endian."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        pointer = builder.bitcast(builder.gep(array, [arguments[1]]), ir.IntType(32).as_pointer())
        builder.store(builder.trunc(arguments[2], ir.IntType(32)), pointer, align=1)
        return context.get_dummy_value()

    return types.none(data, types.int64, types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator]
def count_ones(typing_context: Any, value: Any) -> Any:
    """Count the set bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator]
def trailing_zeros(typing_context: Any, value: Any) -> Any:
    """Count the zero bits below the lowest set bit; 64 for zero."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate
