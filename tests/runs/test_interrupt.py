import os
import signal
import threading

import pytest

from learnable.runs.interrupt import asked_to_stop, stopping_at_once

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_remembered_and_the_second_obeyed(number):
    with asked_to_stop() as asked:
        assert not asked()
        signal.raise_signal(number)
        assert asked() and asked()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)


def test_two_kinds_of_signals_count_together():
    with asked_to_stop(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_where_nothing_is_to_be_saved_the_first_signal_is_obeyed(number):
    with asked_to_stop() as asked:
        with pytest.raises(KeyboardInterrupt), stopping_at_once():
            signal.raise_signal(number)
        assert not asked()
        signal.raise_signal(number)
        assert asked()


def test_afterwards_all_is_as_before():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(RuntimeError), asked_to_stop():
        assert signal.getsignal(signal.SIGINT) is not before[0]
        raise RuntimeError
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_one_within_another_gives_back_what_it_took():
    with asked_to_stop() as outer:
        with asked_to_stop() as inner:
            signal.raise_signal(signal.SIGINT)
            assert inner() and not outer()
        signal.raise_signal(signal.SIGINT)
        assert outer()


def test_another_thread_is_never_asked():
    """A server trains in a thread; signals are the main thread's."""
    found = []

    def work():
        with asked_to_stop() as asked, stopping_at_once():
            found.append(asked())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False]
