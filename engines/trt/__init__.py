"""TensorRT: plans built from the registered ONNX models, kept, checked and run.

``graphs`` changes what TensorRT cannot take, ``build`` makes a plan, ``plans`` keeps and checks it.
"""
