"""What happens between the layers of a network: which tensors stay on the chip, which layers run tile by tile."""
