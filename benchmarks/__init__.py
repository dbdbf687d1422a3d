"""Programs that measure; their tables are kept in ``benchmarks/results``."""
