import pytest

from limbeck.analysis import aligned
from limbeck.analysis.alignment import cluster_codes


def test_answers_find_their_items_in_any_order():
    """A file in another order would compare each answer with that to another question."""
    a, b = ["q3", "q1", "q2"], ["q1", "q2", "q3"]
    assert [b[i] for i in aligned(a, b)] == a
    assert aligned([], []).size == 0


@pytest.mark.parametrize(
    ("a", "b", "named"),
    [
        (["q1", "q2"], ["q1"], "1 missing in b: 'q2'"),
        (["q1"], ["q2"], "1 missing in b: 'q1'; 1 missing in a: 'q2'"),
        (["q1", "q1"], ["q1"], "more than once in a: 'q1'"),
        (["q1"], [7, 7, "q1"], "more than once in b: 7"),
        ([], range(14), "14 missing in a: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 4 more"),
    ],
)
def test_items_of_one_side_only_are_refused_by_name(a, b, named: str):
    with pytest.raises(ValueError, match=named):
        aligned(a, b)


def test_clusters_are_numbered_as_they_come():
    assert cluster_codes(["x", 3, "x", ("p", 1)], 4).tolist() == [0, 1, 0, 2]


@pytest.mark.parametrize(
    ("clusters", "named"),
    [
        (["x"], "has 1 for 2 items"),
        (["x", None], "None at item 1"),
        ([float("nan"), 1.0], "nan at item 0"),
    ],
)
def test_an_item_without_its_cluster_is_refused(clusters, named: str):
    """Items without a document would silently become one large document."""
    with pytest.raises(ValueError, match=named):
        cluster_codes(clusters, 2)
