"""The parameters for the speed and recall of the index, with the source of each.

The embedded engine (``ops/index/backends/scan.py``) compares a query with every wanted shot, and has few parameters.
Those of the graph are the server's only.
"""

from __future__ import annotations

# Changes when anything below or the layout of a version changes: versions are rebuilt then.
RECIPE = 2

# Points whose codes are compared in one step; bounds memory.
CHUNK = 16_384
# Chunks that are worth a thread of their own: 130,000 points, 8 to 14 ms.
CHUNKS_A_THREAD = 8
# Share of wanted points in a chunk below which they are copied together first, instead of comparing the whole chunk.
SPARSE = 0.25

# A new version that changes less than this share of the shots continues the current one; else it is written whole.
MOST_CHANGED = 0.5
# Newer segments are merged with the next older one once they have at least this share of its points. So a catalogue
# that grows by single videos has at most about log2 of their number of segments.
MERGE_SHARE = 0.5
# Maximum number of points that one publication copies to merge segments: half a gigabyte of 896-d vectors. Larger
# merges wait for the schedule (``merge_index``).
MERGE_POINTS = 150_000

# An index of lines is written again once it has more removed lines than this share of its lines.
MOST_REMOVED = 0.25

# Edges per node and candidates while building: the engine's own defaults; more cost build time and did not improve
# recall on the benchmark.
HNSW_M = 16
HNSW_EF_CONSTRUCT = 100

# Extra edges inside each show, so that a search limited to one show does not lose its way in the graph.
PAYLOAD_M = 16

# Minimum number of candidates that the int8 codes select for re-scoring from the float vectors, and their number as a
# multiple of the requested hits. Recall@10 of Qdrant's graph by the number of candidates 32 / 64 / 128 / 256:
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

# Kilobytes of float vectors below which the server scans instead of walking its graph. 50,000 vectors of 896 dimensions
# are scanned in a few milliseconds, and a scan finds all; the graph found 0.79 to 0.86 of the ten best in shows of 1.7
# to 10 % of 300,000 shots.
SCAN_KB = 175_000
# Kilobytes of vectors above which the server builds graph and codes of a segment.
INDEX_KB = 10_000

# Minimum number of candidates of a search; above it, the next power of two. The pages of one search then come from the
# same candidates and cannot overlap. Beyond DEEPEST the scan is exact.
SHALLOWEST = 16
DEEPEST = 1024

# Points in one write or one read of the engine; bounds memory.
BATCH = 1000

# Maximum number of shots whose ids and hashes a check of the index reads back: two seconds.
READ_BACK = 200_000

# Versions kept in addition to the current one, for readers that opened them and for a rollback.
KEPT = 2

# Catalogue vectors kept to calibrate scores: the median of 2,000 has a standard error of 0.03 sigma.
SAMPLE = 2000


def oversampling(depth: int) -> float:
    """Return how many candidates a search for ``depth`` points compares for each of them."""
    return max(OVERSAMPLING, CANDIDATES / depth)


def limit_lots(rows: int) -> int:
    """Return the lot below which about twice ``SAMPLE`` of ``rows`` points are; see :func:`ops.index.points.draw_lot`.

    Lots are 63 bits. 4,000 expected points are fewer than 2,000 with a probability below 10^-200.
    """
    return min((1 << 63) - 1, (2 * SAMPLE << 63) // max(rows, 1))
