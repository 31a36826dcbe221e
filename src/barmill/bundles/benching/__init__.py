"""What a bundle costs to serve: microseconds of a row and of a bar, rows a second, memory, bytes, and the seconds that it takes to load.

A clock's figures, of one machine, on one thread: percentiles of many calls and never a mean. They stand in no bundle and in no fingerprint.
The rows are the golden bars that every bundle holds, so that nothing but the bundle is needed.
"""

from barmill.bundles.benching.bench import bench_bundle
from barmill.bundles.benching.clock import Clock, clocked
from barmill.bundles.benching.targets import Asked, asked_of, told

__all__ = ["Asked", "Clock", "asked_of", "bench_bundle", "clocked", "told"]
