"""Layer 1, groups: the resource table, recursive group trees, and the arrangement of devices in cells and shards."""
