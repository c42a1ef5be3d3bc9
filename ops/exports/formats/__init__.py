"""One export format per module, which ends in ``FORMAT = <an ExportFormat>``; ``ops/exports/registry.py`` finds it."""
