"""Which tensors stay on the chip between layers, and which layers run together: the cheapest plan, with a certificate.

In: a network on a machine, and what is allowed (`WAYS`). Out: a `Found` plan. `costs` prices what runs alone and every
pass of a group, lazily; `fused` lists the ways in which a group can run, `handing` maps a layer that hands its
tiles on; `states` walks the run order.
"""
