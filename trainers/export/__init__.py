"""Trained networks as programs: PyTorch's pt2 files and ONNX."""
