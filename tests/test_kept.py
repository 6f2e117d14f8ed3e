"""What is remembered about an object has an owner, a bound, and one value for all threads."""

from __future__ import annotations

import gc
import threading
from functools import partial

from lineal.kept import Kept


class Owner:
    """Something with a lifetime; two of them are equal, as arrays and records may be."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def test_values_go_with_their_owner() -> None:
    kept: Kept[str, int] = Kept(most=4)
    one, other = Owner(), Owner()
    assert kept.get(one, "a", lambda: 1) == 1
    assert kept.get(one, "a", lambda: 2) == 1
    assert kept.get(other, "a", lambda: 3) == 3
    assert len(kept) == 2
    del one
    gc.collect()
    assert len(kept) == 1
    assert kept.known(other, ["a", "b"]) == {"a": 3}


def test_the_longest_unused_go_first() -> None:
    kept: Kept[int, int] = Kept(most=3)
    owner = Owner()
    assert kept.add(owner, {i: i for i in range(5)}) == {i: i for i in range(5)}
    assert kept.known(owner, range(5)) == {2: 2, 3: 3, 4: 4}
    kept.get(owner, 2, lambda: -1)
    kept.get(owner, 9, lambda: 9)
    assert kept.known(owner, range(10)) == {2: 2, 4: 4, 9: 9}
    kept.clear()
    assert kept.known(owner, range(10)) == {}


def test_threads_that_make_a_value_at_once_get_the_same() -> None:
    kept: Kept[str, object] = Kept(most=1)
    owner, start, found = Owner(), threading.Barrier(8), []

    def make() -> object:
        start.wait()
        return object()

    threads = [threading.Thread(target=lambda: found.append(kept.get(owner, "a", make))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1


def test_owners_that_come_and_go_in_many_threads_leave_nothing() -> None:
    kept: Kept[int, int] = Kept(most=2)

    def churn(seed: int) -> None:
        for i in range(300):
            owner = Owner()
            assert kept.get(owner, 0, partial(int, seed * 1000 + i)) == seed * 1000 + i

    threads = [threading.Thread(target=churn, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    assert len(kept) == 0
