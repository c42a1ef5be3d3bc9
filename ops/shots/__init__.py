"""Shot detection: detectors, proxies and posters, computed in one decoding pass of the video."""
