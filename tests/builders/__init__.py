"""Makers of the tests' inputs: videos, subtitles, catalogues, and the service and the command line on them."""
