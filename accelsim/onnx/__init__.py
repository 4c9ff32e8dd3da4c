"""ONNX graphs in: what they compute, and the network of layers that does."""
