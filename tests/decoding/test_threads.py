"""Work on several threads at once gives what one thread gives."""

import threading
import time

import pytest

from bothways.decoding.threads import work_ahead


@pytest.mark.parametrize("threads", [1, 2, 5, 100])
@pytest.mark.parametrize("count", [0, 1, 2, 23])
def test_what_is_found_comes_in_the_order_of_the_things(threads, count):
    def work(thing):
        time.sleep(0.002 * (thing % 3))
        return thing * thing

    assert list(work_ahead(work, range(count), threads=threads)) == [thing * thing for thing in range(count)]


def test_as_many_are_worked_on_at_once_as_there_are_threads():
    """Each waits for the other: on one thread they would wait for ever."""
    met = threading.Barrier(2, timeout=30)

    def work(_):
        met.wait()
        return threading.get_ident()

    assert len(set(work_ahead(work, range(2), threads=2))) == 2


def test_one_thing_is_worked_on_where_it_is_asked_for():
    assert list(work_ahead(lambda _: threading.get_ident(), [0], threads=8)) == [threading.get_ident()]


def test_only_some_are_worked_on_before_they_are_taken():
    begun = []
    found = work_ahead(lambda thing: begun.append(thing) or thing, range(1_000), threads=3)
    assert next(found) == 0
    found.close()
    assert len(begun) <= 6


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_is_raised_at_its_place(threads):
    found = work_ahead(lambda thing: 12 // (thing - 4), range(20), threads=threads)
    assert [next(found) for _ in range(4)] == [-3, -4, -6, -12]
    with pytest.raises(ZeroDivisionError):
        next(found)
