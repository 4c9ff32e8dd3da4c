"""How many words move? The counts of a dense layer in closed form.

In: a `Program`. Out: int64 words by edge and column (one mapping or many that share tables), and from them `Counts`
by level, tensor and action. `passes` says what passes of a machine wait for, which only the bound of cycles asks.
"""
