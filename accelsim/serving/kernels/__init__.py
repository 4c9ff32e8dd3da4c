"""Serving's hot code: plain functions over arrays."""
