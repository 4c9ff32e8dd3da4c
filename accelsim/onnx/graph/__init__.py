"""What does an ONNX graph compute? In: a file. Out: its nodes in order, shapes of all tensors, what each multiplies."""
