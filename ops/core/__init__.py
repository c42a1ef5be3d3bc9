"""Types, time, tables, storage, errors and settings: the base of all packages. Imports no other package of ``ops``."""
