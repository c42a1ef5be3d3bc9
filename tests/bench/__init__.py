"""Measurements that can be run by hand or by ``make bench``; each prints one JSON document."""
