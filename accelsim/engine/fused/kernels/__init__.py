"""Storage of a fused group, over arrays."""
