from dataclasses import replace

from assessments.scanner.contract import Family, Frame, Prompt, Trust, WatchedLatent
from assessments.services import difference

ONE = WatchedLatent(1, Family.CYBER, "keys", 1.0)
TWO = WatchedLatent(2, Family.DECEPTION, "stories", 2.0)
THREE = WatchedLatent(3, Family.CYBER, "ports", 3.0)


def test_lists_differ_by_index():
    moved = replace(TWO, threshold=2.5, trust=Trust.HUMAN)
    found = difference.of_watchlists([ONE, TWO], [moved, THREE])
    assert (found.added, found.removed, found.n_same) == ((THREE,), (ONE,), 0)
    (change,) = found.changed
    assert (change.before, change.after, change.what) == (TWO, moved, ("threshold", "trust"))
    assert change.is_moved
    assert not found.is_nothing
    assert difference.of_watchlists([ONE, TWO], [TWO, ONE]).is_nothing


def test_suites_differ_by_id_and_are_counted_by_family_and_frame():
    before = [Prompt("a", Family.CYBER, "x"), Prompt("b", Family.CYBER, "y")]
    after = [
        Prompt("b", Family.CYBER, "z"),
        Prompt("c", Family.BENIGN, "w", Frame.EVALUATION, "t", "c"),
    ]
    found = difference.of_suites(before, after)
    assert (found.n_added, found.n_removed, found.n_changed, found.n_same) == (1, 1, 1, 0)
    assert [tuple(each) for each in found.counts] == [
        ("family", "benign", 0, 1),
        ("family", "cyber", 2, 1),
        ("frame", "evaluation", 0, 1),
        ("frame", "none", 2, 1),
    ]
