"""The parameters for the speed and recall of the index, with the source of each.

Measured by ``python -m tests.bench.bench_index`` (100,000 clustered unit vectors of 512 dimensions); both engines use
the same.
"""

from __future__ import annotations

# Changes when anything below or the layout of a version changes: versions are rebuilt then.
RECIPE = 1

# Edges per node and candidates while building: the engine's own defaults; more cost build time and did not improve
# recall on the benchmark.
HNSW_M = 16
HNSW_EF_CONSTRUCT = 100

# Extra edges inside each show, so that a search limited to one show does not lose its way in the graph.
PAYLOAD_M = 16

# Minimum number of candidates that the int8 codes select for re-scoring from the float vectors, and their number as a
# multiple of the requested hits. Recall@10 by the number of candidates 32 / 64 / 128 / 256:
# queries from the clusters of the vectors 1.00 / 1.00 / 1.00 / 1.00;
# queries with a cosine of 0.2 to their cluster, as texts have, 0.82 / 0.96 / 0.99 / 0.99;
# random directions 0.35 / 0.52 / 0.68 / 0.82.
# Time grows in proportion. HNSW_EF is the minimum for the graph walk.
HNSW_EF = 64
CANDIDATES = 128
OVERSAMPLING = 4.0

# The int8 codes leave out the outermost 0.1 % of values, so that a few outliers do not reduce the precision of all
# others. Building with codes took a quarter of the time of building with floats.
QUANTILE = 0.999

# Kilobytes of float vectors below which a scan is used instead of a graph: 5,000 vectors of 512 dimensions, scanned in
# about a millisecond, exactly.
SCAN_KB = 10_000

# Minimum number of candidates of a search; above it, the next power of two. The pages of one search then come from the
# same candidates and cannot overlap. Beyond DEEPEST the scan is exact.
SHALLOWEST = 16
DEEPEST = 1024

# Points in one write or one read of the engine; bounds memory.
BATCH = 1000

# Versions kept in addition to the current one, for readers that opened them and for a rollback.
KEPT = 2

# Catalogue vectors kept to calibrate scores: the median of 2,000 has a standard error of 0.03 sigma.
SAMPLE = 2000


def oversampling(depth: int) -> float:
    """Return how many candidates a search for ``depth`` points compares for each of them."""
    return max(OVERSAMPLING, CANDIDATES / depth)
