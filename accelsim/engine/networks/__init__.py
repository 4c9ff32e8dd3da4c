"""Links: which does each word cross, and what do the busiest carry.

In: a `Program` whose machine routes words over a mesh, a crossbar or a tagged bus. Out: words of every link and port
(docs/noc.md).
"""
