"""Zeros: where operands come from, which of their words are zero, and how they are encoded."""
