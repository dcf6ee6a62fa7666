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


@intrinsic  # type: ignore[untyped-decorator]
def classify_wide(typing_context: Any, out: Any, at: Any, data: Any, index: Any) -> Any:
    """Copy 64 bytes, folding ASCII, Latin-1 and Cyrillic letters; return masks of where some characters begin.

    The masks, for characters of these kinds that fold to their own length: words of two bytes (Latin-1,
    lower-case Greek, Cyrillic), of three bytes (Hangul, lower-case Vietnamese), letters that are a word each (Han, kana),
    and separators of three bytes (general and CJK punctuation). Whether continuing bytes are there is left
    to the caller. Characters beyond these are in no mask. Reads two bytes beyond the block.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind, array, where = signature.args[2], arguments[2], arguments[3]
        one, two = (ir.Constant(ir.IntType(64), n) for n in (1, 2))
        block = builder.load(_pointer(context, builder, kind, array, where), align=1)
        after = builder.load(_pointer(context, builder, kind, array, builder.add(where, one)), align=1)
        third = builder.load(_pointer(context, builder, kind, array, builder.add(where, two)), align=1)
        shift = ir.Constant(ir.VectorType(ir.IntType(32), BLOCK), [BLOCK, *range(BLOCK - 1)])
        before = builder.shuffle_vector(block, _all(0), shift)

        def lead(low: int, high: int | None = None) -> Any:
            return _within(builder, block, ((low, low if high is None else high),))

        def both(first: Any, *more: Any) -> Any:
            for other in more:
                first = builder.and_(first, other)
            return first

        def either(first: Any, *more: Any) -> Any:
            for other in more:
                first = builder.or_(first, other)
            return first

        def second(*ranges: tuple[int, int]) -> Any:
            return _within(builder, after, ranges)

        def last(*ranges: tuple[int, int]) -> Any:
            return _within(builder, third, ranges)

        def change(folded: Any, where: Any, operation: str, value: int) -> Any:
            return builder.select(where, getattr(builder, operation)(folded, _all(value)), folded)

        odd = builder.icmp_unsigned("!=", builder.and_(third, _all(1)), _all(0))
        words_two = either(
            both(lead(0xC3), second((0x80, 0x96), (0x98, 0xB6), (0xB8, 0xBF))),
            both(lead(0xCE), second((0x90, 0x90), (0xAC, 0xBF))),
            both(lead(0xCF), second((0x80, 0x8E))),
            lead(0xD0, 0xD1),
        )
        words_three = either(
            lead(0xEB, 0xEC),
            both(lead(0xEA), second((0xB0, 0xBF))),
            both(lead(0xED), second((0x80, 0x9D))),
            both(
                lead(0xE1), odd, either(second((0xBB, 0xBB)), both(second((0xBA, 0xBA)), last((0xA0, 0xBF))))
            ),
        )
        letters = either(
            lead(0xE5, 0xE9),
            both(lead(0xE4), second((0xB8, 0xBF))),
            both(
                lead(0xE3),
                either(
                    both(second((0x81, 0x81)), last((0x81, 0xBF))),
                    both(second((0x82, 0x82)), last((0x80, 0x96), (0xA1, 0xBF))),
                    both(second((0x83, 0x83)), last((0x80, 0xBA), (0xBC, 0xBF))),
                ),
            ),
        )
        separators = either(
            both(lead(0xE2), second((0x80, 0x80))),
            both(lead(0xE3), second((0x80, 0x80)), last((0x80, 0x84), (0x88, 0xA0))),
            both(lead(0xEF), second((0xBC, 0xBC)), last((0x81, 0x8F))),
        )
        high = builder.icmp_unsigned(">=", block, _all(0x80))
        folded = builder.select(high, block, builder.or_(block, _all(0x20)))
        after_c3, after_cf, after_d0, after_d1 = (
            _within(builder, before, ((b, b),)) for b in (0xC3, 0xCF, 0xD0, 0xD1)
        )
        folded = change(folded, both(after_c3, lead(0x80, 0x9E)), "or_", 0x20)
        folded = change(folded, both(after_cf, lead(0x82)), "or_", 0x01)  # the final sigma
        folded = change(folded, both(lead(0xD0), second((0x80, 0x8F), (0xA0, 0xAF))), "or_", 0x01)
        folded = change(folded, both(after_d0, lead(0x80, 0x8F)), "or_", 0x10)
        folded = change(folded, both(after_d0, lead(0x90, 0xAF)), "xor", 0x20)
        folded = change(folded, both(after_d1, lead(0xA0, 0xBF)), "or_", 0x01)
        builder.store(folded, _pointer(context, builder, signature.args[0], *arguments[:2]), align=1)
        masks = [builder.bitcast(m, _MASK) for m in (words_two, words_three, letters, separators)]
        return context.make_tuple(builder, signature.return_type, masks)

    return types.UniTuple(types.uint64, 4)(out, types.int64, data, types.int64), generate


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


def _store(bits: int) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def store(typing_context: Any, data: Any, index: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array = context.make_array(signature.args[0])(context, builder, arguments[0]).data
            pointer = builder.bitcast(builder.gep(array, [arguments[1]]), ir.IntType(bits).as_pointer())
            builder.store(builder.trunc(arguments[2], ir.IntType(bits)), pointer, align=1)
            return context.get_dummy_value()

        return types.none(data, types.int64, types.uint64), generate

    return store


store8, store16, store32 = _store(8), _store(16), _store(32)
"""Write the low bits of ``value`` to ``data[index:]`` of bytes, at any alignment, little-endian."""


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
