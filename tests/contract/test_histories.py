"""Random histories of a knowledge base, on a store and on a plain dict; after each step both hold the same."""

import os
import random
from dataclasses import dataclass, field

import pytest

from lorag.params import StoreKind
from lorag.releases.record import digest_rows
from lorag.retrieval.index.store import IndexRef, IndexRow, IndexStore
from lorag.retrieval.plan import plan_refresh
from tests.contract.conftest import OpenPlace
from tests.contract.test_index_store import as_state, ids_of, row, vector_of

SEED = int(os.environ.get("LORAG_TEST_SEED") or random.SystemRandom().randrange(10**6))
RETAINED = 3
FINGERPRINT = "fingerprint"

Model = dict[str, str]
"""The text of each document; a document is one chunk."""

N_STEPS = 12


@dataclass
class History:
    """A knowledge base that changes at random, its generations, and what each of them has to hold."""

    store: IndexStore
    chosen: random.Random
    name: str
    wanted: Model = field(default_factory=dict)
    served: IndexRef | None = None
    kept: list[tuple[IndexRef, Model]] = field(default_factory=list)
    generation: int = 0

    def add(self) -> None:
        self.wanted[f"d{self.chosen.randrange(12)}"] = self._text()

    def change(self) -> None:
        if self.wanted:
            self.wanted[self._any()] = self._text()

    def remove(self) -> None:
        if self.wanted:
            del self.wanted[self._any()]

    def rename(self) -> None:
        if self.wanted:
            self.wanted[f"d{self.chosen.randrange(12)}"] = self.wanted.pop(self._any())

    def roll_back(self) -> None:
        """Serve an older generation; what is wanted stays."""
        if self.kept:
            self.served = self.chosen.choice(self.kept)[0]

    def refresh(self) -> None:
        """Write what is wanted as the next generation of what is served, sometimes twice, as after a kill."""
        rows = rows_of(self.wanted)
        self.generation += 1
        # As in `start_from`: the first vectors after an index that was always empty begin a new one.
        start = self.served if self.served is not None and self.served.dimension else None
        name = start.name if start else f"{self.name}_{self.generation}"
        for _ in range(1 + (self.chosen.random() < 0.2)):
            plan = plan_refresh(
                [row.chunk for row in rows.values()],
                FINGERPRINT,
                self.store.entries(start) if start else {},
            )
            ref = self.store.write_generation(
                start, name, self.generation, [rows[name] for name in plan.write], plan.delete
            )
        self.served = ref
        self.kept.append((ref, dict(self.wanted)))

    def clean_up(self) -> None:
        """Drop all but the newest generations and the one that is served."""
        self.kept = [each for each in self.kept if each in self.kept[-RETAINED:] or each[0] == self.served]
        self.store.drop_all_but([ref for ref, _ in self.kept])

    def step(self) -> str:
        edits, moves = (self.add, self.change, self.remove, self.rename), (self.refresh, self.roll_back, self.clean_up)
        move = self.chosen.choices((*edits, *moves), (4, 3, 2, 2, 5, 2, 1))[0]
        move()
        return move.__name__

    def compare(self) -> None:
        """Every generation holds the rows that it was made of, in every way to read it."""
        for ref, held in self.kept:
            expected, found = rows_of(held), list(self.store.rows(ref))
            assert as_state(found) == as_state(expected.values())
            assert digest_rows(found) == digest_rows(expected[name] for name in sorted(expected))
        if self.served is not None:
            held = next(held for ref, held in self.kept if ref == self.served)
            near = self.store.search_vector(self.served, vector_of("query"), 20, exact=True)
            assert sorted(ids_of(near)) == sorted(held) and self.store.count(self.served) == len(held)
            for name in self.chosen.sample(sorted(held), min(2, len(held))):
                word = held[name].split()[-1]
                same = sorted(other for other, text in held.items() if text.split()[-1] == word)
                assert sorted(ids_of(self.store.search_text(self.served, word, 20))) == same

    def _any(self) -> str:
        return self.chosen.choice(sorted(self.wanted))

    def _text(self) -> str:
        return f"the text of word{self.chosen.randrange(40)}"


def rows_of(model: Model) -> dict[str, IndexRow]:
    return {name: row(name, text, document=name) for name, text in model.items()}


def run(store: IndexStore, n: int) -> None:
    """So many histories, each with a name of its own in the store; the first difference names its seed and steps."""
    for number in range(n):
        history = History(store, random.Random(f"{SEED} {number}"), f"history{number}")
        steps: list[str] = []
        try:
            for _ in range(N_STEPS):
                steps.append(history.step())
                if steps[-1] in ("refresh", "roll_back", "clean_up"):
                    history.compare()
        except Exception as error:
            raise AssertionError(f"seed {SEED}, history {number}: {', '.join(steps)}") from error
        store.drop_all_but([])


@pytest.mark.parametrize("n", [20, pytest.param(1_000, marks=[pytest.mark.full, pytest.mark.slow])])
def test_no_update_of_a_random_history_is_lost(open_place: OpenPlace, n: int) -> None:
    store = open_place(StoreKind.LANCEDB).open()
    run(store, n)
    store.close()


@pytest.mark.full
@pytest.mark.slow
def test_no_update_of_a_random_history_is_lost_on_a_server(open_place: OpenPlace) -> None:
    store = open_place(StoreKind.WEAVIATE).open()
    run(store, 20)
    store.close()
