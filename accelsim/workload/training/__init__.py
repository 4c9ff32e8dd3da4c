"""What a training step computes: a network's gradients and the update of its weights, as layers like any others."""
