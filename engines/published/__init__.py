"""Published models: their architectures in PyTorch, their checkpoints, and how they become ONNX.

Needed to pull a model (extra ``hub``), never to run one.
"""
