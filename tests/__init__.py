"""The tests: they mirror the package, plus flows, faults, contracts, architecture and benchmarks."""
