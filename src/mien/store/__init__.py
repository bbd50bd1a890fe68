"""What lies on disk: atomic files, the cache, bundles and journals; knows no weights and no room above."""
