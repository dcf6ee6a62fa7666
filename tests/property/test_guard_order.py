"""Under any mixture of sound and deadly items the guard answers each one, in order."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pile_curate.guard import Guard, GuardFailure

EXPECTED = {"abort": "guard_crash", "exit": "guard_crash", "raise": "guard_error", "lambda": "guard_error"}


@given(
    st.lists(st.sampled_from(["a", "b", "abort", "exit", "raise", "lambda"]), max_size=12),
    st.integers(1, 5),
    st.integers(1, 200),
)
@settings(max_examples=8, deadline=None)
def test_every_item_is_answered_in_order(items, batch_items, batch_bytes):
    with Guard("tests.unit.guard_targets:work", 1, batch_items=batch_items, batch_bytes=batch_bytes) as guard:
        results = list(guard.map(items))
    assert [item for item, _ in results] == items
    for item, result in results:
        if item in EXPECTED:
            assert isinstance(result, GuardFailure)
            assert result.reason == EXPECTED[item]
        else:
            assert result == (item, 1)
