"""When does each transfer and each step happen? The schedule of a layer, simulated (docs/model.md, T1 to T15).

In: a `Program`, and rates and times that the other rooms may have changed. Out: cycles and stalls by cause.
`streams` and `schedule` make the arrays, `kernels.sweep` steps through them; `windows` keeps a part of the schedule in
memory at a time, and `repeats` simulates once what repeats.
"""
