#!/usr/bin/env python3
"""Writes the ONNX backend node cases as folders that `ingot conformance` reads.

usage: onnx_cases.py FOLDER [--match REGEX]

The onnx package makes these cases in memory; each becomes FOLDER/<case>/model.onnx with
test_data_set_0/{input,output}_N.pb and tolerances in case.json. Cases whose values are not tensors
(sequences, optionals) are written as far as their model; running them must refuse them by name.
"""

import argparse
import json
import os
import re
import warnings

import numpy as np


def write_tensors(folder, kind, values, names):
    from onnx import TensorProto, numpy_helper
    for i, value in enumerate(values):
        if isinstance(value, TensorProto):
            tensor = value
        elif isinstance(value, (np.ndarray, np.generic)):
            tensor = numpy_helper.from_array(np.asarray(value), names[i] if i < len(names) else "")
        else:
            return False
        with open(os.path.join(folder, f"{kind}_{i}.pb"), "wb") as out:
            out.write(tensor.SerializeToString())
    return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--match", default="")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    from onnx.backend.test.loader import load_model_tests

    written = tensors = 0
    for case in load_model_tests(kind="node"):
        if not re.search(args.match, case.name):
            continue
        folder = os.path.join(args.folder, case.name)
        data = os.path.join(folder, "test_data_set_0")
        os.makedirs(data, exist_ok=True)
        with open(os.path.join(folder, "model.onnx"), "wb") as out:
            out.write(case.model.SerializeToString())
        with open(os.path.join(folder, "case.json"), "w") as out:
            json.dump({"rtol": case.rtol, "atol": case.atol}, out)
        inputs, outputs = case.data_sets[0]
        graph = case.model.graph
        ok = write_tensors(data, "input", inputs, [v.name for v in graph.input])
        ok = write_tensors(data, "output", outputs, [v.name for v in graph.output]) and ok
        written += 1
        tensors += ok
    print(f"{written} cases written to {args.folder}, {tensors} with tensors alone")


if __name__ == "__main__":
    main()
