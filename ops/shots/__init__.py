"""Cutting footage into shots: detectors, proxies and posters, made in one decoding pass of the film."""
