#!/usr/bin/env python3
"""ONNX models through `ingot exec`, compared with ONNX Runtime before any final Softmax, and what
must be refused. The program is DEV_INGOT_BINARY, else build/dev/ingot."""

import json
import os
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import models  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("DEV_INGOT_BINARY", os.path.join(ROOT, "build/dev/ingot"))


def ingot(arguments, check=True):
    result = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=300)
    if check:
        assert result.returncode == 0, result.stderr
    return result


def execute(folder, model, inputs, extra=()):
    """{output: array}, report"""
    path = os.path.join(folder, "model.onnx")
    onnx.save(model, path)
    arguments = ["exec", path, "--json", "--dump-outputs", os.path.join(folder, "out"), *extra]
    for i, (name, array) in enumerate(inputs.items()):
        file = os.path.join(folder, f"input_{i}.npy")
        np.save(file, array)
        arguments += ["--load-inputs", f"{name}:{file}"]
    report = json.loads(ingot(arguments).stdout)
    return {o["name"]: np.load(o["file"]) for o in report["outputs"]}, report


def expected(model, inputs):
    session = onnxruntime.InferenceSession(model.SerializeToString(),
                                           providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs)))


def compare(model, inputs, folder, tolerance, extra=()):
    got, report = execute(str(folder), model, inputs, extra)
    want = expected(model, inputs)
    assert got.keys() == want.keys()
    for name, array in want.items():
        assert got[name].shape == array.shape, name
        assert got[name].dtype == array.dtype, name
        spread = max(float(np.std(array)), 1e-6)
        error = float(np.max(np.abs(got[name].astype(np.float64) - array), initial=0)) / spread
        assert np.isfinite(error) and error < tolerance, f"{name}: {error:.2e} of its deviation"
        assert array.size < 2 or np.std(array) > 0, f"{name} is constant and proves nothing"
    return report


# Largest error over the output's standard deviation. Float32 sums in another order: about 1e-6 for
# one layer, more through tens of layers.
CASES = {
    "small_cnn": (models.small_cnn, 1e-5),
    "mlp": (models.mlp, 1e-5),
    "llama_block": (models.llama_block, 1e-5),
    "if_then": (lambda: models.branch(True), 1e-5),
    "if_else": (lambda: models.branch(False), 1e-5),
    "loop_all": (lambda: models.loop(3), 1e-5),
    "loop_stops": (lambda: models.loop(50), 1e-5),
    "loops_that_grow": (models.nested_growing_loops, 1e-5),
    "symbolic_shapes": (models.symbolic_shapes, 1e-5),
    "squeezenet": (lambda: models.light("squeezenet"), 1e-4),
    "resnet50": (lambda: models.light("resnet50"), 1e-4),
}


@pytest.mark.parametrize("name", CASES)
def test_matches_onnx_runtime(name, tmp_path):
    make, tolerance = CASES[name]
    model, inputs = make()
    compare(model, inputs, tmp_path, tolerance)


@pytest.mark.parametrize("name", ["small_cnn", "mlp", "llama_block", "if_then", "loop_all"])
def test_reference_kernels_match_onnx_runtime(name, tmp_path):
    make, tolerance = CASES[name]
    model, inputs = make()
    report = compare(model, inputs, tmp_path, tolerance, ["--reference"])
    assert set(report["kernels"]) <= {"reference"}


def test_networks_run_on_fast_kernels(tmp_path):
    model, inputs = models.small_cnn()
    kernels = set(compare(model, inputs, tmp_path, 1e-5)["kernels"])
    assert any(k.startswith("conv_") for k in kernels), kernels
    assert any(k.startswith("linear_") for k in kernels), kernels


def test_llama_block_reaches_the_llm_kernels(tmp_path):
    model, inputs = models.llama_block()
    _, report = execute(str(tmp_path), model, inputs, ["--profile"])
    operators = {step["op"] for step in report["profile"]}
    # The operators that models/llama.cc is made of; attention differs in how keys are addressed.
    assert {"linear", "rope", "rms_norm", "add_rms_norm", "act_mul"} <= operators, operators
    assert not operators & {"sigmoid", "silu", "cos", "sin"}, operators


def loop_case(model_and_inputs, folder, **environment):
    """The finished process of one run; a loop's bounds are in the environment."""
    model, inputs = model_and_inputs
    path = folder / "loop.onnx"
    onnx.save(model, path)
    arguments = ["exec", str(path), "--json", "--dump-outputs", str(folder / "out")]
    for name, array in inputs.items():
        np.save(folder / f"{name}.npy", array)
        arguments += ["--load-inputs", f"{name}:{folder / name}.npy"]
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=120,
                          env={**os.environ, **environment})


def refused_loop(result, *words):
    assert result.returncode == 1, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "engine/control_flow" in lines[0], result.stderr
    for word in words:
        assert word in lines[0], lines[0]


@pytest.mark.parametrize("trips", [2**62, None])
def test_endless_loops_end_with_an_error(trips, tmp_path):
    refused_loop(loop_case(models.endless_loop(trips), tmp_path),
                 "1000000 iterations", "INGOT_LOOP_ITERATIONS")


def test_the_bound_counts_all_loops_of_a_run(tmp_path):
    model = models.endless_loop(1000, inner=1000)
    refused_loop(loop_case(model, tmp_path, INGOT_LOOP_ITERATIONS="5000"), "5000 iterations")
    assert loop_case(models.endless_loop(10, inner=10), tmp_path,
                     INGOT_LOOP_ITERATIONS="110").returncode == 0
    refused_loop(loop_case(models.endless_loop(10, inner=10), tmp_path,
                           INGOT_LOOP_ITERATIONS="109"), "109 iterations")


def test_what_loops_collect_is_bounded(tmp_path):
    # One row more than arenas and kernels were sized for.
    assert loop_case(models.collecting_loop(4096), tmp_path).returncode == 0
    assert np.load(tmp_path / "out" / "y.npy").shape == (4096, 4)
    refused_loop(loop_case(models.collecting_loop(4097), tmp_path), "4097", "4096",
                 "INGOT_LOOP_SIZES")
    done = loop_case(models.collecting_loop(5000), tmp_path, INGOT_LOOP_SIZES="5000")
    assert done.returncode == 0, done.stderr
    x = models.collecting_loop(1)[1]["x"]
    want = -np.exp(-np.cumsum(np.tile(x, (5000, 1)), axis=0, dtype=np.float32))
    assert np.allclose(np.load(tmp_path / "out" / "y.npy"), want, atol=1e-6)


def test_values_that_grow_in_a_loop_are_bounded(tmp_path):
    # Doubles its carried vector: 2, 4, 8, ... elements.
    assert loop_case(models.growing_loop(11), tmp_path).returncode == 0
    refused_loop(loop_case(models.growing_loop(13), tmp_path), "INGOT_LOOP_SIZES")
    refused_loop(loop_case(models.growing_loop(60), tmp_path), "INGOT_LOOP_SIZES")


def build(folder, model, arguments=(), check=True):
    """The path of model's engine, and the finished process."""
    path, engine = os.path.join(folder, "net.onnx"), os.path.join(folder, "net.engine")
    onnx.save(model, path)
    result = ingot(["build", path, "--output", engine, "--json", *arguments], check=check)
    return engine, result


def run_engine(folder, engine, inputs, extra=(), check=True):
    """{output: array}, report; or the finished process when it failed."""
    arguments = ["exec", engine, "--json", "--dump-outputs", os.path.join(folder, "out"), *extra]
    for i, (name, array) in enumerate(inputs.items()):
        file = os.path.join(folder, f"engine_input_{i}.npy")
        np.save(file, array)
        arguments += ["--load-inputs", f"{name}:{file}"]
    result = ingot(arguments, check=check)
    if result.returncode != 0:
        return result
    report = json.loads(result.stdout)
    return {o["name"]: np.load(o["file"]) for o in report["outputs"]}, report


def close(got, want, tolerance):
    assert got.keys() == want.keys()
    for name, array in want.items():
        assert got[name].shape == array.shape and got[name].dtype == array.dtype, name
        spread = max(float(np.std(array)), 1e-6)
        error = float(np.max(np.abs(got[name].astype(np.float64) - array), initial=0)) / spread
        assert np.isfinite(error) and error < tolerance, f"{name}: {error:.2e} of its deviation"
        assert array.size < 2 or np.std(array) > 0, f"{name} is constant and proves nothing"


def free_batch(model, inputs, symbol="batch"):
    """The same model with the first axis of every input left open."""
    for entry in model.graph.input:
        if entry.name in inputs:
            entry.type.tensor_type.shape.dim[0].dim_param = symbol
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    return model


def profile(inputs, low, best, high):
    """Flags for batches low, best and high of every input."""
    flags = []
    for flag, batch in (("--minShapes", low), ("--optShapes", best), ("--maxShapes", high)):
        shapes = ["x".join(map(str, (batch, *array.shape[1:]))) for array in inputs.values()]
        flags += [flag, ",".join(f"{n}:{s}" for n, s in zip(inputs, shapes))]
    return flags


def exactly(inputs):
    """A profile of one shape for every input that has axes."""
    return ["--optShapes", ",".join(f"{name}:{'x'.join(map(str, array.shape))}"
                                    for name, array in inputs.items() if array.ndim)]


@pytest.mark.parametrize("name", ["small_cnn", "mlp", "llama_block", "if_then", "loop_all"])
def test_engine_of_fixed_shapes_matches_onnx_runtime(name, tmp_path):
    make, tolerance = CASES[name]
    model, inputs = make()
    engine, result = build(str(tmp_path), model, exactly(inputs))
    got, report = run_engine(str(tmp_path), engine, inputs)
    close(got, expected(model, inputs), tolerance)
    assert report["timings"]["build_ms"] == 0, "exec built something"


@pytest.mark.parametrize("name", ["squeezenet", "mlp"])
def test_engine_runs_every_batch_of_its_profile(name, tmp_path):
    make, tolerance = CASES[name]
    model, inputs = make()
    model = free_batch(model, inputs)
    engine, _ = build(str(tmp_path), model, profile(inputs, 1, 2, 4))
    random = np.random.default_rng(7)
    for batch in (1, 2, 3, 4):
        batched = {n: random.standard_normal((batch, *a.shape[1:])).astype(a.dtype)
                   for n, a in inputs.items()}
        got, _ = run_engine(str(tmp_path), engine, batched)
        close(got, expected(model, batched), tolerance)
    too_many = {n: np.zeros((5, *a.shape[1:]), a.dtype) for n, a in inputs.items()}
    result = run_engine(str(tmp_path), engine, too_many, check=False)
    first = next(iter(inputs))
    assert result.returncode == 1 and f"input '{first}'" in result.stderr
    assert "engine was built for" in result.stderr and "[5," in result.stderr


def test_engine_tells_its_profile_and_is_compared(tmp_path):
    model, inputs = models.mlp()
    name, array = next(iter(inputs.items()))
    engine, built = build(str(tmp_path), free_batch(model, inputs), profile(inputs, 1, 2, 4))
    built = json.loads(built.stdout)
    assert built["timed"] + built["cached"] > 0, "nothing was tuned"
    info = json.loads(ingot(["inspect", engine, "--json"]).stdout)
    assert info["network"]["inputs"] == [{
        "name": name, "type": f"float32[batch, {array.shape[1]}]", "min": [1, array.shape[1]],
        "opt": [2, array.shape[1]], "max": [4, array.shape[1]]}]
    assert info["plan"]["buckets"] == [{"batch": 1}, {"batch": 2}, {"batch": 4}]
    assert not info["has_tokenizer"] and "extra.tokenizer" not in info["sections"]
    assert name in ingot(["inspect", engine]).stdout
    assert json.loads(ingot(["compare", engine, "--json"]).stdout)["status"] == "pass"
    source = os.path.join(str(tmp_path), "net.onnx")
    compared = json.loads(ingot(["compare", source, "--json", *profile(inputs, 1, 2, 4)]).stdout)
    assert compared["status"] == "pass"
    described = json.loads(ingot(["inspect", source, "--json"]).stdout)
    assert described["runs"] and described["inputs"][0]["name"] == name
    # Without inputs, the preferred shape.
    report = json.loads(ingot(["exec", engine, "--json"]).stdout)
    assert report["outputs"][0]["shape"][0] == 2


def test_profiles_that_do_not_fit_are_refused(tmp_path):
    model, inputs = models.mlp()
    name, array = next(iter(inputs.items()))
    wide = array.shape[1]
    model = free_batch(model, inputs)
    cases = [
        ([], 1, f"the sizes 'batch' of '{name}' float32[batch, {wide}] are free"),
        (["--maxShapes", f"{name}:4"], 1, "expected 2 sizes, found [4]"),
        (["--maxShapes", f"{name}:4x{wide + 1}"], 1, f"axis 1 is {wide} in the model"),
        (["--maxShapes", f"nobody:4x{wide}"], 1, f"names input 'nobody'; inputs are '{name}'"),
        (["--minShapes", f"{name}:4x{wide}", "--maxShapes", f"{name}:2x{wide}"], 1,
         "axis 0: expected min <= opt <= max, found 4, 2, 2"),
        (["--maxShapes", f"{name}:4x"], 2, "--maxShapes expects NAME:1x3x224x224"),
        (["--maxShapes", "4"], 2, "--maxShapes expects NAME:1x3x224x224"),
        (["--maxShapes", f"{name}:4x{wide}", "--max-seq-len", "8"], 1, "are for language models"),
    ]
    for flags, code, message in cases:
        engine, result = build(str(tmp_path), model, flags, check=False)
        assert result.returncode == code and message in result.stderr, (flags, result.stderr)
        assert len(result.stderr.strip().splitlines()) == 1 and not os.path.exists(engine)


def test_a_network_is_no_language_model(tmp_path):
    model, inputs = models.small_cnn()
    engine, _ = build(str(tmp_path), model, exactly(inputs))
    for path in (engine, os.path.join(str(tmp_path), "net.onnx")):
        result = ingot(["run", path, "hello"], check=False)
        assert result.returncode == 1 and "expected a language model" in result.stderr
        assert "ingot exec" in result.stderr


def reshape_by_input():
    """The target shape is an input: only a run's own data tells it."""
    model = models.model([helper.make_node("Cast", ["n"], ["m"], to=TensorProto.INT64),
                          helper.make_node("Reshape", ["x", "m"], ["y"])],
                         [models.value("x", [2, 6]), models.value("n", [2], TensorProto.INT32),
                          models.value("unused", [1], TensorProto.INT64)],
                         [models.value("y", ["a", "b"])], {})
    return model, {"x": np.arange(12, dtype=np.float32).reshape(2, 6),
                   "n": np.array([4, -1], np.int32), "unused": np.array([3], np.int64)}


def test_only_inputs_that_shapes_depend_on_become_constants(tmp_path):
    model, inputs = reshape_by_input()
    path = os.path.join(str(tmp_path), "model.onnx")
    got, _ = execute(str(tmp_path), model, inputs)
    assert (got["y"] == inputs["x"].reshape(4, 3)).all()
    arguments = ["exec", path]
    for i, name in enumerate(inputs):
        arguments += ["--load-inputs", f"{name}:{tmp_path}/input_{i}.npy"]
    lines = [line for line in ingot(arguments).stderr.splitlines() if "depend" in line]
    assert len(lines) == 1 and "contents of 'n':" in lines[0], lines
    _, result = build(str(tmp_path), model, check=False)
    assert result.returncode == 1 and "contents of input 'n'" in result.stderr, result.stderr
    model, inputs = models.mlp()
    execute(str(tmp_path), model, inputs)
    assert "depend" not in ingot(["exec", path]).stderr


SIMPLE = ["test_sign_model", "test_single_relu_model", "test_expand_shape_model1",
          "test_expand_shape_model2", "test_expand_shape_model3", "test_expand_shape_model4"]


@pytest.mark.parametrize("name", SIMPLE)
def test_simple_models(name):
    folder = os.path.join(models.SIMPLE, name)
    line = json.loads(ingot(["conformance", "--json", folder]).stdout)
    assert line["status"] == "pass", line


def test_exec_takes_a_device(tmp_path):
    model, inputs = models.mlp()
    execute(str(tmp_path), model, inputs, ["--device", "cpu"])
    path = str(tmp_path / "model.onnx")
    result = ingot(["exec", path, "--device", "abacus"], check=False)
    assert result.returncode == 2 and "abacus" in result.stderr, result.stderr


def test_wrong_output_fails_conformance(tmp_path):
    data = tmp_path / "case" / "test_data_set_0"
    os.makedirs(data)
    model = models.model([helper.make_node("Relu", ["x"], ["y"])], [models.value("x", [3])],
                         [models.value("y", [3])], {})
    onnx.save(model, tmp_path / "case" / "model.onnx")
    for name, array in (("input_0", [1, -2, 3]), ("output_0", [1, 0, 3.5])):
        tensor = numpy_helper.from_array(np.array(array, np.float32))
        (data / f"{name}.pb").write_bytes(tensor.SerializeToString())
    result = ingot(["conformance", "--json", str(tmp_path / "case")], check=False)
    assert result.returncode == 1 and json.loads(result.stdout)["status"] == "fail"


def refused(path):
    result = ingot(["exec", str(path)], check=False)
    assert result.returncode == 1
    lines = [line for line in result.stderr.splitlines() if "loaders/onnx" in line]
    assert len(lines) == 1, result.stderr
    return lines[0]


def test_all_unsupported_operators_are_listed(tmp_path):
    graph = helper.make_graph(
        [helper.make_node("NonZero", ["x"], ["a"], name="first"),
         helper.make_node("Relu", ["x"], ["r"]),
         helper.make_node("Frobnicate", ["r"], ["b"], name="second", domain="com.example")],
        "g", [models.value("x", [3])], [models.value("b", [3])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20),
                                                    helper.make_opsetid("com.example", 7)])
    onnx.save(model, tmp_path / "m.onnx")
    line = refused(tmp_path / "m.onnx")
    expected = "expected a supported operator, found"
    assert f"node 'first': {expected} NonZero (ai.onnx opset 20)" in line
    assert f"node 'second': {expected} Frobnicate (com.example opset 7)" in line


def external_model(folder, location, **keys):
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4],
                         data_location=TensorProto.EXTERNAL)
    for key, text in {"location": location, **keys}.items():
        tensor.external_data.add(key=key, value=str(text))
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g",
                              [models.value("x", [4])], [models.value("y", [4])], [tensor])
    path = folder / "m.onnx"
    path.write_bytes(helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9).SerializeToString())
    return path


def test_external_data_is_read(tmp_path):
    values = np.array([1, 2, 3, 4], np.float32)
    (tmp_path / "w.bin").write_bytes(b"\0" * 4096 + values.tobytes())
    path = external_model(tmp_path, "w.bin", offset=4096, length=16)
    x = tmp_path / "x.npy"
    np.save(x, np.zeros(4, np.float32))
    report = json.loads(ingot(["exec", str(path), "--json", "--load-inputs", f"x:{x}",
                               "--dump-outputs", str(tmp_path / "out")]).stdout)
    assert (np.load(report["outputs"][0]["file"]) == values).all()


@pytest.mark.parametrize("case",
                         ["absolute", "above", "link", "hard_link", "short", "missing", "key"])
def test_external_data_is_refused(case, tmp_path):
    folder, secret = tmp_path / "model", tmp_path / "secret.bin"
    folder.mkdir()
    secret.write_bytes(b"\1" * 16)
    keys = {}
    if case == "absolute":
        location = str(secret)
    elif case == "above":
        location = "../secret.bin"
    elif case == "missing":
        location = "none.bin"
    else:
        location = "w.bin"
        if case == "link":
            (folder / location).symlink_to(secret)
        elif case == "hard_link":
            os.link(secret, folder / location)
        else:
            (folder / location).write_bytes(b"\0" * (8 if case == "short" else 16))
            keys = {"basepath": "/"} if case == "key" else {}
    line = refused(external_model(folder, location, **keys))
    assert "'w'" in line


def test_truncated_models_are_refused(tmp_path):
    model, _ = models.small_cnn()
    data = model.SerializeToString()
    for size in range(1, len(data), 97):
        path = tmp_path / "cut.onnx"
        path.write_bytes(data[:size])
        result = ingot(["exec", str(path)], check=False)
        assert result.returncode == 1, f"{size} bytes: {result.returncode} {result.stderr}"


if __name__ == "__main__":
    sys.exit(pytest.main([os.path.abspath(__file__), "-q", "-p", "no:cacheprovider",
                          *sys.argv[1:]]))
