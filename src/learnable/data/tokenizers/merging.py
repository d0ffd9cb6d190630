"""Byte pair encoding, made fast: what `bpe.train` and `bpe.split` do one pair at a time, done for all places of a pair at once.

The text is a linked list in three arrays: what symbol stands at a place, which place comes next, which came before. To merge
a pair is to give its left place the new symbol and to take its right place out of the list; at all places of the
text in a few array operations. The work after a merge is where something changed, not in the whole text, so a word of
ten million letters takes n log n and not n squared.
"""

import heapq
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Numbers = np.ndarray[Any, np.dtype[np.int64]]
NEVER = np.int64(1) << 62  # the rank of a pair that was not learned
GONE = -1  # a place that is no longer in the list, and what lies between two words


class Ranks:
    """The rank of each pair, and what it makes, to be asked for many pairs at once."""

    def __init__(self, pairs: Mapping[tuple[int, int], tuple[int, int]]):
        self.pairs = pairs
        rows = np.array([(left, right, rank, whole) for (left, right), (rank, whole) in pairs.items()], dtype=np.int64)
        rows = rows.reshape(-1, 4)
        self.base = int(rows[:, [0, 1, 3]].max(initial=0)) + 1
        keys = rows[:, 0] * self.base + rows[:, 1]
        order = np.argsort(keys)
        self.keys, self.of_key = keys[order], rows[order, 2]
        by_rank = rows[np.argsort(rows[:, 2])]
        self.parts = {int(rank): (int(left), int(right), int(whole)) for left, right, rank, whole in by_rank}

    def ask(self, left: Numbers, right: Numbers) -> Numbers:
        """The ranks of these pairs; `NEVER` where there is none."""
        if not len(self.keys):
            return np.full(len(left), NEVER)
        keys = left * self.base + right
        place = np.searchsorted(self.keys, keys).clip(max=len(self.keys) - 1)
        return np.where((self.keys[place] == keys) & (left >= 0) & (right >= 0), self.of_key[place], NEVER)


class Chain:
    """Symbols in a row, out of which symbols can be taken."""

    def __init__(self, symbols: Numbers):
        self.symbol = np.append(symbols, GONE)  # behind the last one stands nothing
        self.next = np.arange(1, len(symbols) + 2)
        self.next[-1] = len(symbols)
        self.before = np.arange(-1, len(symbols))  # of the first: -1, which is again what stands behind the last

    def pairs(self, places: Numbers) -> tuple[Numbers, Numbers]:
        """What stands at these places, and what follows it."""
        return self.symbol[places], self.symbol[self.next[places]]

    def holding(self, places: Numbers, left: int, right: int) -> Numbers:
        """Those of the places, in order, at which this pair can be merged: none that overlaps one before it."""
        first, second = self.pairs(places)
        places = np.unique(places[(first == left) & (second == right)])
        if left == right and len(places) > 1:  # of aaaa only the first and the third
            follows = np.append(False, self.next[places[:-1]] == places[1:])
            start = np.maximum.accumulate(np.where(follows, 0, np.arange(len(places))))
            places = places[(np.arange(len(places)) - start) % 2 == 0]
        return places

    def merge(self, places: Numbers, whole: int) -> None:
        """Give the places this symbol, and take what followed them out."""
        taken = self.next[places]
        after = self.next[taken]
        self.symbol[places], self.symbol[taken] = whole, GONE
        self.next[places] = after
        self.before[after] = places
        self.before[-1] = -1  # what stands behind the last is before nothing

    def around(self, places: Numbers) -> Numbers:
        """The places at which the pairs begin that these places are part of."""
        before = self.before[places]
        return np.unique(np.concatenate([before[before >= 0], places]))


def merge_all(symbols: Numbers, ranks: Ranks) -> Numbers:
    """What is left when every pair that was learned is merged, the first learned first."""
    chain = Chain(symbols)
    waiting: dict[int, list[Numbers]] = {}
    queue: list[int] = []

    def wait(places: Numbers, above: int) -> bool:
        """Put the places down under the ranks of their pairs; whether all of these come after `above`."""
        rank = ranks.ask(*chain.pairs(places))
        learned = rank < NEVER
        rank, places = rank[learned], places[learned]
        if not len(rank):
            return True
        order = np.argsort(rank, kind="stable")
        rank, places = rank[order], places[order]
        starts = np.flatnonzero(np.append(True, rank[1:] != rank[:-1]))
        for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(rank)], strict=True):
            key = int(rank[start])
            if key not in waiting:
                waiting[key] = []
                heapq.heappush(queue, key)
            waiting[key].append(places[start:end])
        return int(rank[0]) > above

    wait(np.arange(len(symbols)), -1)
    while queue:
        rank = heapq.heappop(queue)
        left, right, whole = ranks.parts[rank]
        places = chain.holding(np.concatenate(waiting.pop(rank)), left, right)
        if len(places):
            chain.merge(places, whole)
            if not wait(chain.around(places), rank):
                # A pair that was learned before one of its parts: then the order of the places matters too.
                return merge_in_order(symbols, ranks)
    return chain.symbol[chain.symbol != GONE]


def merge_in_order(symbols: Numbers, ranks: Ranks) -> Numbers:
    """The same, place by place, for lists of pairs that no training makes: after each merge the earliest rank goes on."""
    symbol, pairs = symbols.tolist(), ranks.pairs
    count = len(symbol)
    following, before = list(range(1, count + 1)), list(range(-1, count - 1))
    queue = [(*pairs[pair], at, pair) for at, pair in enumerate(itertools.pairwise(symbol)) if pair in pairs]
    queue = [(rank, at, whole, pair) for rank, whole, at, pair in queue]
    heapq.heapify(queue)
    while queue:
        _, at, whole, pair = heapq.heappop(queue)
        right = following[at]
        if right >= count or (symbol[at], symbol[right]) != pair:
            continue
        symbol[at], symbol[right] = whole, GONE
        following[at] = following[right]
        if following[at] < count:
            before[following[at]] = at
        for start in (before[at], at):
            if start >= 0 and following[start] < count:
                fresh = symbol[start], symbol[following[start]]
                if fresh in pairs:
                    heapq.heappush(queue, (pairs[fresh][0], start, pairs[fresh][1], fresh))
    return np.array([number for number in symbol if number != GONE], dtype=np.int64)


def train_merges(
    words: Sequence[Sequence[int]], counts: Sequence[int], merges: int, name: Callable[[int, int], int], least: int = 1
) -> list[tuple[int, int]]:
    """The most frequent pair, and again: the pairs in the order of their merging.

    Args:
        words: the numbers of their symbols.
        counts: how often each word occurs.
        name: gives the number of what a pair becomes.
        least: a pair that occurs less often is not merged.
    """
    lengths = np.array([len(word) + 1 for word in words], dtype=np.int64)
    ends = np.cumsum(lengths) - 1
    symbols = np.full(int(lengths.sum()), GONE, dtype=np.int64)
    inside = np.ones(len(symbols), dtype=bool)
    inside[ends] = False
    symbols[inside] = [number for word in words for number in word]
    times = np.repeat(np.array(counts, dtype=np.int64), lengths)
    chain = Chain(symbols)
    base = np.int64(1) << 31
    total: dict[int, int] = {}  # how often each pair occurs
    where: dict[int, list[Numbers]] = {}  # and where it may begin

    def count(places: Numbers, sign: int) -> list[int]:
        """Add the pairs at these places to the counts, or take them away; which pairs they were."""
        left, right = chain.pairs(places)
        real = (left >= 0) & (right >= 0)
        keys, places = (left * base + right)[real], places[real]
        order = np.argsort(keys, kind="stable")
        keys, places = keys[order], places[order]
        if not len(keys):
            return []
        starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
        sums = np.add.reduceat(times[places], starts).tolist()
        names = keys[starts].tolist()
        if sign < 0:
            for key, change in zip(names, sums, strict=True):
                total[key] -= change
            return []
        bounds = [*starts.tolist(), len(keys)]
        for at, (key, change) in enumerate(zip(names, sums, strict=True)):
            total[key] = total.get(key, 0) + change
            where.setdefault(key, []).append(places[bounds[at] : bounds[at + 1]])
        return names

    queue = [(-total[key], key) for key in count(np.arange(len(symbols)), 1)]
    heapq.heapify(queue)
    learned: list[tuple[int, int]] = []
    while queue and len(learned) < merges:
        often, key = heapq.heappop(queue)
        if total.get(key, 0) != -often:  # it has become rarer since
            if total.get(key, 0) > 0:
                heapq.heappush(queue, (-total[key], key))
            continue
        if -often < least:
            break
        left, right = divmod(key, int(base))
        places = chain.holding(np.concatenate(where.pop(key)), left, right)
        learned.append((left, right))
        whole = name(left, right)
        count(np.union1d(chain.around(places), chain.next[places]), -1)
        chain.merge(places, whole)
        for fresh in count(chain.around(places), 1):
            heapq.heappush(queue, (-total[fresh], fresh))
    return learned
