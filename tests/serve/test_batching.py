"""Tests of the batches of concurrent requests."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mxnet_audio.serve.batching import Batcher


class Doubler:
    """Function of many items whose batches are noted, and which waits while the gate is closed."""

    def __init__(self):
        self.batches, self.threads = [], set()
        self.gate, self.has_begun = threading.Event(), threading.Event()
        self.gate.set()

    def __call__(self, items):
        self.has_begun.set()
        assert self.gate.wait(30)
        self.batches.append(items)
        self.threads.add(threading.get_ident())
        if "bad" in items:
            raise ValueError("bad item")
        return [2 * item for item in items]


@pytest.fixture
def doubler():
    return Doubler()


@pytest.fixture
def executor():
    with ThreadPoolExecutor(1) as executor:
        yield executor


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


def test_items_that_come_together_are_one_batch(doubler, executor):
    async def main():
        batcher = Batcher(doubler, executor, max_batch=4, wait=0.05)
        return await asyncio.gather(*(batcher.submit(item) for item in range(10)))

    assert asyncio.run(main()) == [2 * item for item in range(10)]
    assert [item for batch in doubler.batches for item in batch] == list(range(10))
    assert list(map(len, doubler.batches)) == [4, 4, 2]
    assert len(doubler.threads) == 1 and threading.get_ident() not in doubler.threads


def test_a_batcher_is_used_again_and_waits_no_longer_than_needed(doubler, executor):
    async def main():
        batcher = Batcher(doubler, executor, max_batch=2, wait=1000)
        first = await asyncio.gather(batcher.submit(1), batcher.submit(2))  # the batch is full
        batcher._wait = 0
        return [*first, await batcher.submit(3), await batcher.submit(4)]

    assert asyncio.run(main()) == [2, 4, 6, 8]
    assert doubler.batches == [[1, 2], [3], [4]]


def test_an_item_without_others_does_not_wait(doubler, executor):
    async def main():
        batcher = Batcher(doubler, executor, max_batch=2, wait=1000)
        return [await batcher.submit(1, is_alone=True), await batcher.submit(2, is_alone=True)]

    assert asyncio.run(main()) == [2, 4]


def test_items_that_come_during_a_batch_are_the_next_one(doubler, executor):
    async def main():
        doubler.gate.clear()
        batcher = Batcher(doubler, executor, max_batch=8, wait=0)
        first = asyncio.ensure_future(batcher.submit(0))
        await until(doubler.has_begun.is_set)
        others = [asyncio.ensure_future(batcher.submit(item)) for item in (1, 2, 3)]
        await asyncio.sleep(0.01)
        doubler.gate.set()
        return await asyncio.gather(first, *others)

    assert asyncio.run(main()) == [0, 2, 4, 6]
    assert doubler.batches == [[0], [1, 2, 3]]


def test_cancelled_items_are_left_out(doubler, executor):
    async def main():
        doubler.gate.clear()
        batcher = Batcher(doubler, executor, max_batch=8, wait=0)
        first = asyncio.ensure_future(batcher.submit(0))
        await until(doubler.has_begun.is_set)
        others = [asyncio.ensure_future(batcher.submit(item)) for item in (1, 2, 3)]
        await asyncio.sleep(0.01)
        others[1].cancel()
        first.cancel()  # it is being computed, and nobody takes its result
        await asyncio.sleep(0.01)
        doubler.gate.set()
        return await asyncio.gather(first, *others, return_exceptions=True)

    first, *others = asyncio.run(main())
    assert isinstance(first, asyncio.CancelledError) and isinstance(others.pop(1), asyncio.CancelledError)
    assert others == [2, 6] and doubler.batches == [[0], [1, 3]]


def test_a_batch_of_cancelled_items_only_is_not_computed(doubler, executor):
    async def main():
        batcher = Batcher(doubler, executor, max_batch=8, wait=0.02)
        only = asyncio.ensure_future(batcher.submit(1))
        await asyncio.sleep(0.001)
        only.cancel()
        await asyncio.sleep(0.04)
        assert not doubler.batches
        return await batcher.submit(2)

    assert asyncio.run(main()) == 4


def test_an_item_that_fails_does_not_fail_the_others(doubler, executor):
    async def main():
        batcher = Batcher(doubler, executor, max_batch=8, wait=0.02)
        found = await asyncio.gather(*map(batcher.submit, (1, "bad", 3)), return_exceptions=True)
        return [*found, await batcher.submit(4)]

    first, bad, third, later = asyncio.run(main())
    assert (first, third, later) == (2, 6, 8)
    assert isinstance(bad, ValueError)


def test_a_wrong_number_of_results_is_an_error(executor):
    async def main():
        return await Batcher(lambda items: [1, 2], executor, max_batch=8, wait=0).submit(1)

    with pytest.raises(RuntimeError, match="2 results of 1 items"):
        asyncio.run(main())


def test_two_batchers_take_turns(executor):
    order = []

    def noting(name):
        def forward(items):
            order.append((name, items))
            return items

        return Batcher(forward, executor, max_batch=1, wait=0)

    async def main():
        one, other = noting("one"), noting("other")
        blocked = threading.Event()
        executor.submit(blocked.wait)
        waiting = [asyncio.ensure_future(batcher.submit(item)) for item in (1, 2) for batcher in (one, other)]
        await asyncio.sleep(0.02)
        blocked.set()
        await asyncio.gather(*waiting)

    asyncio.run(main())
    assert order == [("one", [1]), ("other", [1]), ("one", [2]), ("other", [2])]


def test_several_calls_at_once(doubler):
    async def main(executor):
        doubler.gate.clear()
        batcher = Batcher(doubler, executor, max_batch=8, wait=0, max_calls=2)
        running = []
        for count in (1, 2):
            running.append(asyncio.ensure_future(batcher.submit(count)))
            await until(lambda: batcher._calls == count and not batcher._waiting)  # noqa: B023 - called at once
        others = [asyncio.ensure_future(batcher.submit(item)) for item in (3, 4)]
        await asyncio.sleep(0.01)
        assert batcher._calls == 2
        doubler.gate.set()
        found = await asyncio.gather(*running, *others)
        await until(lambda: batcher._calls == 0)
        return found

    with ThreadPoolExecutor(2) as executor:
        assert asyncio.run(main(executor)) == [2, 4, 6, 8]
    assert sorted(doubler.batches) == [[1], [2], [3, 4]]


@pytest.mark.parametrize("error", [StopIteration, SystemExit])
def test_an_error_that_a_future_cannot_hold_is_an_answer(executor, error):
    def fail(items):
        raise error

    async def main():
        batcher = Batcher(fail, executor, max_batch=8, wait=0.01)
        found = await asyncio.gather(*map(batcher.submit, range(3)), return_exceptions=True)
        return [*found, *await asyncio.gather(batcher.submit(3), return_exceptions=True)]

    assert [type(each) for each in asyncio.run(main())] == 4 * [RuntimeError]


def test_items_are_divided_among_the_calls_that_begin(doubler):
    async def main(executor):
        doubler.gate.clear()
        batcher = Batcher(doubler, executor, max_batch=8, wait=0.02, max_calls=2)
        asyncio.get_running_loop().call_later(0.1, doubler.gate.set)
        return await asyncio.gather(*map(batcher.submit, range(5)))

    with ThreadPoolExecutor(2) as executor:
        assert asyncio.run(main(executor)) == [0, 2, 4, 6, 8]
    assert sorted(doubler.batches) == [[0, 1, 2], [3, 4]]
