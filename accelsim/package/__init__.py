"""Several cores that share memories and links: what each computes, which words cross, and when (docs/cores.md)."""
