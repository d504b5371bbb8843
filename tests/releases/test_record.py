"""What a release says of its adapters, and records of the format before there were any."""

from dataclasses import replace

import pytest

from lorag.digests import digest_of
from lorag.errors import IntegrityFailed
from lorag.questions.coverage import Coverage
from lorag.releases.record import AdapterEntry, Release, count_updates
from lorag.strategies import AdapterKind
from tests.releases.test_shelf import release

TUNED = AdapterEntry(
    "tuned-aaaa", "a" * 64, "b" * 64, "t", "f", {"a.md": "1"}, {"new_facts": 0.9}, Coverage(1, 3, 2, 9)
)


def with_adapter(one: Release, entry: AdapterEntry = TUNED, kind: AdapterKind = AdapterKind.TUNED) -> Release:
    return replace(one, base_model_sha256=entry.base_model_sha256, adapters={**one.adapters, kind: entry})


def test_adapters_come_back_as_they_were() -> None:
    one = with_adapter(release(3))
    assert Release.from_json(one.to_json(), where="x") == one


def test_adapters_are_part_of_the_name() -> None:
    plain, tuned = release(3), with_adapter(release(3))
    other = with_adapter(release(3), replace(TUNED, sha256="c" * 64))
    as_hybrid = with_adapter(release(3), kind=AdapterKind.HYBRID)
    assert len({plain.id, tuned.id, other.id, as_hybrid.id}) == 4


def test_a_record_of_format_1_is_read_under_its_old_name() -> None:
    value = release(2).to_json()
    record = {key: entry for key, entry in value["release"].items() if key != "adapters"}
    record |= {"adapter_id": None, "adapter_sha256": None}
    old = {"format": 1, "id": value["id"], "release": record, "sha256": digest_of(record)}
    read = Release.from_json(old, where="x")
    assert (read.id, read.adapters) == (f"000002-{digest_of(['c', 'k', 'p'])[:10]}", {})
    assert Release.from_json(read.to_json(), where="x") == read


def test_an_adapter_of_format_2_has_no_known_coverage() -> None:
    one = with_adapter(release(3))
    record = one.to_json()["release"]
    del record["adapters"]["tuned"]["coverage"]
    read = Release.from_json({"format": 2, "id": one.id, "release": record, "sha256": digest_of(record)}, where="x")
    assert read == with_adapter(one, replace(TUNED, coverage=None))
    assert read.id == one.id


def test_updates_are_counted_from_release_to_release() -> None:
    first = release(1)
    assert count_updates("k", []) == 0, "a build is no update"
    assert count_updates(first.corpus_digest, [first]) == 0, "other settings, the same documents"
    second = replace(release(2), corpus_digest="k2", n_updates=count_updates("k2", [first]))
    assert second.n_updates == 1 and count_updates("k3", [second, first]) == 2
    record = second.to_json()["release"]
    del record["n_updates"]
    old = {"format": 4, "id": second.id, "release": record, "sha256": digest_of(record)}
    assert Release.from_json(old, where="x") == replace(second, n_updates=0)


def test_an_adapter_of_another_base_model_is_refused() -> None:
    mixed = replace(with_adapter(release(1)), base_model_sha256="d" * 64)
    with pytest.raises(IntegrityFailed, match="trained on base model bbbbbbbbbbbb, the release names dddddddddddd"):
        Release.from_json(mixed.to_json(), where="x")


@pytest.mark.parametrize("damage", [{"tuned": {}}, {"magic": {"id": "x"}}, []])
def test_a_damaged_entry_is_one_clear_error(damage: object) -> None:
    record = release(1).to_json()["release"] | {"adapters": damage}
    value = {"format": 2, "id": "x", "release": record, "sha256": digest_of(record)}
    with pytest.raises(IntegrityFailed, match="damaged release record"):
        Release.from_json(value, where="x")
