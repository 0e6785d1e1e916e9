"""The benchmarks behind `restock bench`: ratios measured side by side, never a rate alone."""
