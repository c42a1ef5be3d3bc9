"""Types, time, tables, storage, errors and settings: what every room stands on. Imports none of ours."""
