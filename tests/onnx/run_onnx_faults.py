#!/usr/bin/env python3
"""ONNX models that are at fault, alone or with their inputs, and those that only look so: one error
line that names the place, or the right numbers. The program is DEV_INGOT_BINARY, else
build/dev/ingot."""

import os
import struct
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import models  # noqa: E402
from run_onnx_tests import BINARY, build, compare, execute, ingot  # noqa: E402


def refused_run(folder, model, inputs, *words):
    """An engine whose sizes only inputs tell ends with one error line, not with a signal, on fast
    and on plain kernels."""
    path, engine = folder / "model.onnx", folder / "model.engine"
    onnx.save(model, path)
    fixed = {i.name: [d.dim_value for d in i.type.tensor_type.shape.dim] for i in model.graph.input}
    arguments = ["build", str(path), "--output", str(engine), "--no-tune"]
    for flag, size in (("min", 1), ("opt", 3), ("max", 16)):
        shapes = (f"{name}:{'x'.join(str(d or size) for d in fixed[name])}" for name in inputs)
        arguments.append(f"--{flag}Shapes={','.join(shapes)}")
    ingot(arguments)
    arguments = ["exec", str(engine)]
    for name, array in inputs.items():
        np.save(folder / f"{name}.npy", array)
        arguments += ["--load-inputs", f"{name}:{folder / name}.npy"]
    for extra in ([], ["--reference"]):
        result = ingot(arguments + extra, check=False)
        assert result.returncode == 1, result.stderr
        lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, result.stderr
        for word in words:
            assert word in lines[0], lines[0]


RUN_TIME_SIZES = {
    "add": (["N"], [helper.make_node("Add", ["x", "c"], ["y"])], (3,),
            {"c": np.ones(4, np.float32)}, ["'add'", "[3]", "[4]"]),
    "reshape": (["N", 3], [helper.make_node("Reshape", ["x", "c"], ["y"])], (3, 3),
                {"c": np.array([-1, 4])}, ["'reshape'", "9", "8"]),
    "topk": (["N"], [helper.make_node("TopK", ["x", "c"], ["y", "i"], axis=0)], (3,),
             {"c": np.array([5])}, ["'top_k'", "5", "3"]),
    "slice": (["N"], [helper.make_node("Slice", ["x", "c", "d"], ["y"])], (3,),
              {"c": np.array([-5]), "d": np.array([2**63 - 1])}, ["'slice'", "[3]", "[5]"]),
}


@pytest.mark.parametrize("name", RUN_TIME_SIZES)
def test_sizes_that_meet_at_run_time_are_checked(name, tmp_path):
    shape, nodes, fed, weights, words = RUN_TIME_SIZES[name]
    result = ["M", 4] if name == "reshape" else ["M"]
    model = models.model(nodes, [models.value("x", shape)], [models.value("y", result)], weights)
    refused_run(tmp_path, model, {"x": np.ones(fed, np.float32)}, *words)


def test_joined_sizes_are_checked(tmp_path):
    model = models.model([helper.make_node("Concat", ["a", "b"], ["y"], axis=1)],
                         [models.value("a", ["A", 2]), models.value("b", ["B", 2])],
                         [models.value("y", ["M", 4])], {})
    inputs = {"a": np.ones((2, 2), np.float32), "b": np.ones((5, 2), np.float32)}
    refused_run(tmp_path, model, inputs, "'concat'", "[5, 2]")


def test_values_at_fault_name_file_and_node(tmp_path):
    model = models.model([helper.make_node("Gather", ["w", "i"], ["y"], name="pick")],
                         [models.value("i", ["N"], TensorProto.INT64)],
                         [models.value("y", ["N", 2])], {"w": np.ones((4, 2), np.float32)})
    refused_run(tmp_path, model, {"i": np.array([1, 999999])}, str(tmp_path / "model.engine"),
                "pick", "999999")


def test_shapes_of_given_files_are_checked(tmp_path):
    model = models.model([helper.make_node("Add", ["a", "b"], ["y"])],
                         [models.value("a", ["N", 2]), models.value("b", ["N", 2])],
                         [models.value("y", ["N", 2])], {})
    onnx.save(model, tmp_path / "model.onnx")
    for a, b, *words in (((3, 5), (3, 2), "input 'a': expected float32[N, 2], found float32[3, 5]"),
                         ((6,), (3, 2), "input 'a': expected float32[N, 2], found float32[6]"),
                         ((3, 2), (4, 2), "input 'b': expected float32[N, 2] with N = 3",
                          "found float32[4, 2]")):
        arguments = ["exec", str(tmp_path / "model.onnx")]
        for name, shape in (("a", a), ("b", b)):
            np.save(tmp_path / f"{name}.npy", np.ones(shape, np.float32))
            arguments += ["--load-inputs", f"{name}:{tmp_path / name}.npy"]
        result = ingot(arguments, check=False)
        assert result.returncode == 1, result.stderr
        for word in words:
            assert word in result.stderr, result.stderr


def test_random_inputs_are_told_once_all_files_are_read(tmp_path):
    model = models.model([helper.make_node("Add", ["a", "b"], ["y"])],
                         [models.value("a", [2]), models.value("b", [2])],
                         [models.value("y", [2])], {})
    onnx.save(model, tmp_path / "model.onnx")
    result = ingot(["exec", str(tmp_path / "model.onnx"), "--load-inputs",
                    f"b:{tmp_path / 'none.npy'}"], check=False)
    assert result.returncode == 1, result.stderr
    assert "is random" not in result.stderr
    assert result.stderr.count("\n") == 1, result.stderr


def npy(shape, dtype="<f4", data=bytes(8), version=1):
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(header)) + header + data


@pytest.mark.parametrize("content, words", [
    (npy("(-2,)"), ["'shape'", "expected sizes from 0", "found (-2,)"]),
    (npy(f"({2**70},)"), ["'shape'", f"found ({2**70},)"]),
    (npy(f"({2**40}, {2**40})"), ["'shape'", "at most 2^62 elements", f"found ({2**40}, "]),
    (npy(f"({2**61},)"), [f"expected {2**61} of 4 bytes each", "found 8 bytes"]),
    (npy("(2,)", dtype=">f4"), ["'descr'", "expected one of <f4, <f2", "found '>f4'"]),
    (npy("(2,)", dtype="|O"), ["'descr'", "expected one of <f4, <f2", "found '|O'"]),
    (npy("(2,)", version=9), ["version: expected 1, 2 or 3, found 9"]),
    (npy("(2,)", data=bytes(9)), ["expected 2 of 4 bytes each for float32[2]", "found 9 bytes"]),
    (npy("(2,)", data=bytes(7)), ["expected 2 of 4 bytes each for float32[2]", "found 7 bytes"]),
    (npy("2"), ["'shape'", "expected a tuple, found 2"]),
    (b"PK\x03\x04----", ["expected a .npy file, found a ZIP archive"])])
def test_a_bad_npy_file_is_named_with_its_input(tmp_path, content, words):
    model = models.model([helper.make_node("Neg", ["x"], ["y"])],
                         [models.value("x", [2])], [models.value("y", [2])], {})
    onnx.save(model, tmp_path / "model.onnx")
    file = tmp_path / "in.npy"
    arguments = ["exec", str(tmp_path / "model.onnx"), "--load-inputs", f"x:{file}"]
    file.write_bytes(npy("(2,)"))
    ingot(arguments)
    file.write_bytes(content)
    result = ingot(arguments, check=False)
    assert result.returncode == 1, result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    for word in ["--load-inputs: input 'x'", str(file), *words]:
        assert word in result.stderr, result.stderr


@pytest.mark.parametrize("content, words", [
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", ["git lfs pull"]),
    (b"<!DOCTYPE html><html></html>", ["download the file again"])])
def test_what_stands_in_for_a_model_is_told(tmp_path, content, words):
    (tmp_path / "model.onnx").write_bytes(content)
    result = ingot(["exec", str(tmp_path / "model.onnx")], check=False)
    assert result.returncode == 1, result.stderr
    for word in [str(tmp_path / "model.onnx"), "expected an ONNX file", *words]:
        assert word in result.stderr, result.stderr


def test_a_node_without_a_name_is_told_by_its_output(tmp_path):
    node = helper.make_node("Frob", ["x"], ["its_output"], domain="some.where")
    refused_model(tmp_path, [node], [models.value("x", [2])], [models.value("its_output", [2])],
                  {}, "node 'its_output' is of domain 'some.where'")


def refused_model(folder, nodes, inputs, outputs, weights, *words):
    """A model whose import ends with one error line; the checker of onnx has no say."""
    graph = helper.make_graph(nodes, "test", inputs, outputs,
                              [numpy_helper.from_array(w, n) for n, w in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", models.OPSET)],
                              ir_version=10)
    onnx.save(model, folder / "model.onnx")
    result = ingot(["exec", str(folder / "model.onnx")], check=False)
    assert result.returncode == 1, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, result.stderr
    for word in words:
        assert word in lines[0], lines[0]


CONSTANT_FAULTS = {
    "slice": (("Slice", ["x", "starts", "ends", "axes"], {}),
              {"x": np.ones(4, np.float32), "starts": np.array([2, 2]), "ends": np.array([4, 4]),
               "axes": np.array([0, 0])}, ["axis 0", "twice"]),
    "gather_nd_few": (("GatherND", ["x", "i"], {"batch_dims": 1}),
                      {"x": np.ones((3, 3), np.float32), "i": np.zeros((1, 1), np.int64)},
                      ["ops/gather_nd", "[1, 1]"]),
    "gather_nd_many": (("GatherND", ["x", "i"], {"batch_dims": 1}),
                       {"x": np.ones((2, 3), np.float32), "i": np.zeros((5, 1), np.int64)},
                       ["ops/gather_nd", "[5, 1]"]),
    "range_without_delta": (("Range", ["a", "b"], {}),
                            {"a": np.array(0.0), "b": np.array(4.0)}, ["Range"]),
    "range_below_integers": (("Range", ["a", "b", "c"], {}),
                             {"a": np.array(2**62), "b": np.array(-2**62), "c": np.array(-1)},
                             ["2^62"]),
    "pad_without_value": (("Pad", ["x", "pads", "fill"], {}),
                          {"x": np.ones(4, np.float32), "pads": np.array([1, 1]),
                           "fill": np.zeros(0, np.float32)}, ["ops/pad", "fill value"]),
}


@pytest.mark.parametrize("name", CONSTANT_FAULTS)
def test_faults_of_constant_nodes_are_refused(name, tmp_path):
    (op, inputs, attributes), weights, words = CONSTANT_FAULTS[name]
    nodes = [helper.make_node(op, inputs, ["t"], **attributes),
             helper.make_node("Identity", ["t"], ["y"])]
    refused_model(tmp_path, nodes, [], [models.value("y", ["M"])], weights, *words)


def test_loops_in_loops_are_not_built_without_end(tmp_path):
    refused_model(tmp_path, models.loops_in_loops(22), [models.value("v", [2])],
                  [models.value("v1", ["size"])], {"m": np.array(2)}, "500000 nodes")


def test_bodies_of_functions_have_its_opset_and_attributes(tmp_path):
    model, inputs = models.function_with_branches()
    got, _ = execute(str(tmp_path), model, inputs)
    leaky = np.where(inputs["x"] < 0, 0.5 * inputs["x"], inputs["x"]).reshape(2, 12)
    powers = np.exp(leaky)
    want = (powers / powers.sum(axis=1, keepdims=True)).reshape(2, 3, 4)
    assert np.allclose(got["y"], want, atol=1e-6)


def test_float64_products_keep_their_bits(tmp_path):
    random = np.random.default_rng(2)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"]),
             helper.make_node("Gemm", ["x", "w", "b"], ["z"])]
    model = models.model(nodes, [models.value("x", ["n", 64], TensorProto.DOUBLE)],
                         [models.value("y", ["n", 8], TensorProto.DOUBLE),
                          models.value("z", ["n", 8], TensorProto.DOUBLE)],
                         {"w": random.standard_normal((64, 8)), "b": random.standard_normal(8)})
    compare(model, {"x": random.standard_normal((3, 64))}, tmp_path, 1e-13)


def test_gated_integers_keep_their_bits(tmp_path):
    nodes = [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("Mul", ["r", "u"], ["y"])]
    model = models.model(nodes, [models.value("x", [2], TensorProto.INT32),
                                 models.value("u", [2], TensorProto.INT32)],
                         [models.value("y", [2], TensorProto.INT32)], {})
    inputs = {"x": np.array([2**24 + 1, -5], np.int32), "u": np.array([1, 3], np.int32)}
    got, _ = execute(str(tmp_path), model, inputs)
    assert got["y"].tolist() == [2**24 + 1, 0]


def test_results_that_an_operator_lacks_are_refused(tmp_path):
    nodes = [helper.make_node("TopK", ["x", "k"], ["v", "i", "more"]),
             helper.make_node("Identity", ["more"], ["y"])]
    refused_model(tmp_path, nodes, [models.value("x", [4])], [models.value("y", [1])],
                  {"k": np.array([1])}, "TopK", "output 2")


def test_long_names_in_any_script(tmp_path):
    name = "x" + "\u5c42" * 50  # cut at 120 bytes inside a character
    model = models.model([helper.make_node("Neg", ["x"], ["y"], name=name)],
                         [models.value("x", [4])], [models.value("y", [4])], {})
    _, result = build(str(tmp_path), model, check=False)
    assert result.returncode == 0, result.stderr


def test_unknown_sizes_have_symbols_of_their_own(tmp_path):
    name = "n" * 130
    model = models.model([helper.make_node("Neg", [name], ["y"])],
                         [models.value(name, [None, None])], [models.value("y", ["a", "b"])], {})
    got, _ = execute(str(tmp_path), model, {name: np.ones((2, 3), np.float32)})
    assert got["y"].shape == (2, 3)
    model = models.model([helper.make_node("Neg", ["x"], ["y"])],
                         [models.value("x", ["a-b", "a_b"])], [models.value("y", ["p", "q"])], {})
    got, _ = execute(str(tmp_path), model, {"x": np.ones((2, 3), np.float32)})
    assert got["y"].shape == (2, 3)


def test_errors_name_the_node(tmp_path):
    nodes = [helper.make_node("Add", ["x", "w"], ["y"], name="the_sum")]
    refused_model(tmp_path, nodes, [models.value("x", [3])], [models.value("y", [3])],
                  {"w": np.ones(4, np.float32)}, "ops/add", "the_sum")


def test_folded_constants_have_a_bound(tmp_path):
    count = 1024  # casts of 1 MiB to 8 MiB
    nodes = [helper.make_node("Cast", ["w"], [f"t{i}"], to=TensorProto.DOUBLE)
             for i in range(count)]
    nodes.append(helper.make_node("ReduceSum", [f"t{count - 1}"], ["y"], keepdims=0))
    model = models.model(nodes, [], [models.value("y", [], TensorProto.DOUBLE)],
                         {"w": np.ones(1 << 20, np.uint8)})
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    script = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, "
              "stdout=subprocess.DEVNULL); "
              "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    done = subprocess.run([sys.executable, "-c", script, BINARY, "exec", str(path)], check=True,
                          timeout=300, capture_output=True, text=True)
    assert int(done.stdout) < 4 << 20, "KiB at most"


if __name__ == "__main__":
    sys.exit(pytest.main([os.path.abspath(__file__), "-q", "-p", "no:cacheprovider",
                          *sys.argv[1:]]))
