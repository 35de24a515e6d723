"""Search engines beside the exact one: time to build, time of a query, recall at 10.

    python benchmarks/bench_search.py [--sizes 20000 100000] [--dim 128] [--queries 200]

The vectors are random: clusters after a softrelu, like a network's embeddings. Times depend on the machine; quote the
ratio to the exact engine, measured in the same run.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from mxnet_audio.search.engines import create_engine


def embeddings(n: int, dim: int, rng: np.random.Generator, centres: np.ndarray) -> np.ndarray:
    """Return positive, clustered vectors [shape=(n, dim), float32]."""
    points = centres[rng.integers(len(centres), size=n)] + 0.5 * rng.normal(size=(n, dim))
    return np.logaddexp(0, points).astype(np.float32)


def measure(name: str, vectors: np.ndarray, queries: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Return the seconds to build, the seconds a query, and the ids found [shape=(queries, 10)]."""
    engine = create_engine(name, "cosine")
    start = time.perf_counter()
    engine.add(range(len(vectors)), vectors)
    engine.query(queries[0], 10)  # builds the structure
    built = time.perf_counter()
    found = np.stack([engine.query(query, 10)[0] for query in queries])
    return built - start, (time.perf_counter() - built) / len(queries), found


def main() -> None:
    """Print a line for each size and engine."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--queries", type=int, default=200)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(100, args.dim))
    for size in args.sizes:
        vectors = embeddings(size, args.dim, rng, centres)
        queries = embeddings(args.queries, args.dim, rng, centres)
        slow, truth = None, None
        for name in ("exact", "voyager", "annoy"):
            build, query, found = measure(name, vectors, queries)
            if truth is None:
                slow, truth = query, found
            recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, truth)])
            print(
                f"{size:>7} x {args.dim}  {name:<8} build {build:7.2f} s   query {query * 1e3:7.3f} ms   "
                f"ratio to exact {slow / query:6.1f}   recall@10 {recall:.3f}"
            )


if __name__ == "__main__":
    main()
