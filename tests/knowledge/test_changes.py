"""What `lorag status` says between two versions."""

from lorag.knowledge.changes import CorpusChanges, compare_versions


def test_every_kind_of_change() -> None:
    before = {"same": "1", "edited": "2", "gone": "3", "old name": "4"}
    after = {"same": "1", "edited": "2b", "fresh": "5", "new name": "4"}
    changes = compare_versions(before, after)
    assert changes == CorpusChanges(("fresh",), ("edited",), ("gone",), (("old name", "new name"),))


def test_a_copy_is_an_addition_and_not_a_rename() -> None:
    assert compare_versions({"a": "1"}, {"a": "1", "b": "1"}).added == ("b",)


def test_two_files_of_one_content_are_renamed_one_by_one() -> None:
    changes = compare_versions({"a": "1", "b": "1"}, {"c": "1"})
    assert changes.renamed == (("a", "c"),)
    assert changes.removed == ("b",)


def test_nothing_changed() -> None:
    assert compare_versions({"a": "1"}, {"a": "1"}).is_empty
