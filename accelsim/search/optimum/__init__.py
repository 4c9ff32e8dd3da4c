"""The whole mapspace of a layer: its optimum, with a certificate that nothing cheaper exists (docs/optimum.md)."""
