"""What is stored on disk: bundles, the cache, and crash-safe file moves with their journals."""
