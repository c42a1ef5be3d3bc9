"""One export format a module, which ends in ``FORMAT = <an ExportFormat>``; ``ops/exports/registry.py`` finds it."""
