"""ONNX models of the tests, with seeded weights, and their inputs."""

import os

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 23
LIGHT = os.path.join(os.path.dirname(onnx.__file__), "backend/test/data/light")
SIMPLE = os.path.join(os.path.dirname(onnx.__file__), "backend/test/data/simple")


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def model(nodes, inputs, outputs, weights, opset=OPSET):
    graph = helper.make_graph(nodes, "test", inputs, outputs,
                              [numpy_helper.from_array(w, n) for n, w in weights.items()])
    out = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    onnx.checker.check_model(out)
    return out


def he(random, shape):
    """Normal weights whose products keep the variance of their inputs (He et al., 2015)."""
    fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else shape[0]
    return (random.standard_normal(shape) * np.sqrt(2.0 / fan_in)).astype(np.float32)


def light(name):
    """A graph of the onnx package with random weights, cut before its Softmax."""
    random = np.random.default_rng(11)
    out = onnx.load(os.path.join(LIGHT, f"light_{name}.onnx"))
    graph = out.graph
    shapes = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    roles = {}
    for node in graph.node:
        if node.op_type == "BatchNormalization":
            roles.update(zip(node.input[1:], ("scale", "bias", "mean", "variance")))
    nodes, weights = [], {}
    for node in graph.node:
        if node.op_type != "ConstantOfShape":
            nodes.append(node)
            continue
        weights[node.output[0]] = tuple(int(d) for d in shapes[node.input[0]])
    kept = [t for t in graph.initializer if not t.name.endswith("__SHAPE")]
    for tensor in kept:
        if tensor.data_type == TensorProto.FLOAT:
            weights.setdefault(tensor.name, tuple(tensor.dims))
    filled = {}
    for weight, shape in weights.items():
        role = roles.get(weight)
        if role == "variance" or role == "scale":
            filled[weight] = (0.5 + random.random(shape)).astype(np.float32)
        elif role or len(shape) == 1:
            filled[weight] = (0.1 * random.standard_normal(shape)).astype(np.float32)
        else:
            filled[weight] = he(random, shape)
    softmax = nodes.pop()
    assert softmax.op_type == "Softmax"
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.initializer[:]
    used = {name for node in nodes for name in node.input}
    graph.initializer.extend(t for t in kept if t.name in used and t.name not in filled)
    filled = {name: weight for name, weight in filled.items() if name in used}
    graph.initializer.extend(numpy_helper.from_array(w, n) for n, w in filled.items())
    del graph.output[:]
    graph.output.append(value(softmax.input[0], None))
    inputs = {}
    for entry in list(graph.input):
        if entry.name in filled or entry.name.endswith("__SHAPE"):
            graph.input.remove(entry)
        elif entry.name not in {t.name for t in graph.initializer}:
            shape = [d.dim_value for d in entry.type.tensor_type.shape.dim]
            inputs[entry.name] = random.standard_normal(shape).astype(np.float32)
    return out, inputs


def small_cnn():
    random = np.random.default_rng(1)
    weights = {"w1": he(random, (8, 3, 3, 3)), "b1": he(random, (8,)),
               "w2": he(random, (8, 1, 3, 3)),
               "w3": he(random, (16, 8, 1, 1)), "w4": he(random, (10, 16)), "b4": he(random, (10,))}
    weights.update({f"bn{i}": w for i, w in enumerate(
        [1 + 0.1 * he(random, (8,)), he(random, (8,)), he(random, (8,)),
         (1 + random.random(8)).astype(np.float32)])})
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], strides=[2, 2], auto_pad="SAME_UPPER"),
        helper.make_node("BatchNormalization", ["c1", "bn0", "bn1", "bn2", "bn3"], ["n1"]),
        helper.make_node("Relu", ["n1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], group=8, pads=[1, 1, 1, 1]),
        helper.make_node("HardSwish", ["c2"], ["r2"]),
        helper.make_node("Conv", ["r2", "w3"], ["c3"]),
        helper.make_node("MaxPool", ["c3"], ["p3"], kernel_shape=[2, 2],
                         strides=[2, 2], ceil_mode=1),
        helper.make_node("GlobalAveragePool", ["p3"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "w4", "b4"], ["y"], transB=1),
    ]
    out = model(nodes, [value("x", ["batch", 3, 31, 29])], [value("y", ["batch", 10])], weights)
    return out, {"x": random.standard_normal((2, 3, 31, 29)).astype(np.float32)}


def mlp():
    random = np.random.default_rng(2)
    weights = {"w1": he(random, (64, 33)), "b1": he(random, (33,)), "w2": he(random, (33, 7))}
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["m"]),
        helper.make_node("Add", ["m", "b1"], ["a"]),
        helper.make_node("Gelu", ["a"], ["g"]),
        helper.make_node("MatMul", ["g", "w2"], ["y"]),
    ]
    out = model(nodes, [value("x", ["rows", 64])], [value("y", ["rows", 7])], weights)
    return out, {"x": random.standard_normal((5, 64)).astype(np.float32)}


def llama_block(batch=1, tokens=9, hidden=64, heads=4, kv_heads=2, inner=96):
    """One decoder layer of the Llama family: grouped heads, rotary positions, gated MLP."""
    random = np.random.default_rng(3)
    size = hidden // heads
    frequency = 10000.0 ** (-np.arange(0, size, 2) / size)
    angles = np.arange(64)[:, None] * frequency.astype(np.float32)
    weights = {
        "norm1": (1 + 0.1 * random.standard_normal(hidden)).astype(np.float32),
        "norm2": (1 + 0.1 * random.standard_normal(hidden)).astype(np.float32),
        "q": he(random, (hidden, hidden)) / 2, "k": he(random, (hidden, kv_heads * size)) / 2,
        "v": he(random, (hidden, kv_heads * size)) / 2, "o": he(random, (hidden, hidden)) / 2,
        "gate": he(random, (hidden, inner)), "up": he(random, (hidden, inner)),
        "down": he(random, (inner, hidden)),
        "cos": np.cos(angles).astype(np.float32), "sin": np.sin(angles).astype(np.float32),
        "split_q": np.array([batch, tokens, heads, size], np.int64),
        "split_kv": np.array([batch, tokens, kv_heads, 1, size], np.int64),
        "wide_kv": np.array([batch, tokens, kv_heads, heads // kv_heads, size], np.int64),
        "merged": np.array([batch, tokens, hidden], np.int64),
        "scale": np.array(size ** -0.5, np.float32),
        "mask": np.triu(np.full((tokens, tokens), -1e9, np.float32), 1),
    }
    node = helper.make_node
    nodes = [node("RMSNormalization", ["x", "norm1"], ["h"], epsilon=1e-5, axis=-1)]
    for name, count in (("q", heads), ("k", kv_heads)):
        nodes += [node("MatMul", ["h", name], [f"{name}0"]),
                  node("RotaryEmbedding", [f"{name}0", "cos", "sin", "positions"], [f"{name}1"],
                       num_heads=count)]
    nodes += [node("MatMul", ["h", "v"], ["v1"]),
              node("Reshape", ["q1", "split_q"], ["q2"]),
              node("Transpose", ["q2"], ["q3"], perm=[0, 2, 1, 3])]
    for name, perm in (("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        nodes += [node("Reshape", [f"{name}1", "split_kv"], [f"{name}2"]),
                  node("Expand", [f"{name}2", "wide_kv"], [f"{name}3"]),
                  node("Reshape", [f"{name}3", "split_q"], [f"{name}4"]),
                  node("Transpose", [f"{name}4"], [f"{name}5"], perm=perm)]
    nodes += [
        node("MatMul", ["q3", "k5"], ["s0"]), node("Mul", ["s0", "scale"], ["s1"]),
        node("Add", ["s1", "mask"], ["s2"]), node("Softmax", ["s2"], ["s3"], axis=-1),
        node("MatMul", ["s3", "v5"], ["a0"]), node("Transpose", ["a0"], ["a1"], perm=[0, 2, 1, 3]),
        node("Reshape", ["a1", "merged"], ["a2"]), node("MatMul", ["a2", "o"], ["a3"]),
        node("Add", ["x", "a3"], ["r"]),
        node("RMSNormalization", ["r", "norm2"], ["m"], epsilon=1e-5, axis=-1),
        node("MatMul", ["m", "gate"], ["g0"]), node("Sigmoid", ["g0"], ["g1"]),
        node("Mul", ["g0", "g1"], ["g2"]), node("MatMul", ["m", "up"], ["u"]),
        node("Mul", ["g2", "u"], ["g3"]), node("MatMul", ["g3", "down"], ["d"]),
        node("Add", ["r", "d"], ["y"]),
    ]
    out = model(nodes, [value("x", [batch, tokens, hidden]),
                        value("positions", [batch, tokens], TensorProto.INT64)],
                [value("y", [batch, tokens, hidden])], weights)
    return out, {"x": random.standard_normal((batch, tokens, hidden)).astype(np.float32),
                 "positions": np.arange(tokens, dtype=np.int64)[None, :].repeat(batch, 0)}


def branch(condition):
    """An If whose branches use outer values and their own weights."""
    random = np.random.default_rng(4)
    w = he(random, (6, 6))
    then = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["t"]),
                              helper.make_node("Relu", ["t"], ["a"])], "then", [],
                             [value("a", [3, 6])])
    other = helper.make_graph([helper.make_node("Neg", ["x2"], ["b"])], "else", [],
                              [value("b", [3, 6])])
    nodes = [helper.make_node("Add", ["x", "x"], ["x2"]),
             helper.make_node("If", ["c"], ["z"], then_branch=then, else_branch=other),
             helper.make_node("Tanh", ["z"], ["y"])]
    out = model(nodes, [value("c", [], TensorProto.BOOL), value("x", [3, 6])], [value("y", [3, 6])],
                {"w": w})
    return out, {"c": np.array(condition), "x": random.standard_normal((3, 6)).astype(np.float32)}


def loop(trips):
    """Carries a vector, stops early when its sum is large, and stacks every state."""
    body = helper.make_graph(
        [helper.make_node("Mul", ["v", "factor"], ["v0"]),
         helper.make_node("Add", ["v0", "x"], ["v1"]),
         helper.make_node("ReduceSum", ["v1"], ["sum"], keepdims=0),
         helper.make_node("Less", ["sum", "bound"], ["go"]),
         helper.make_node("Identity", ["v1"], ["state"])],
        "body", [value("i", [], TensorProto.INT64), value("c", [], TensorProto.BOOL),
                 value("v", [4])],
        [value("go", [], TensorProto.BOOL), value("v1", [4]), value("state", [4])],
        [numpy_helper.from_array(np.float32(1.5), "factor"),
         numpy_helper.from_array(np.float32(100), "bound")])
    nodes = [helper.make_node("Loop", ["n", "yes", "x"], ["last", "states"], body=body),
             helper.make_node("Neg", ["last"], ["y"])]
    out = model(nodes, [value("n", [], TensorProto.INT64), value("x", [4])],
                [value("y", [4]), value("states", ["steps", 4])], {"yes": np.array(True)})
    return out, {"n": np.array(trips, np.int64), "x": np.array([1, 2, 0.5, 3], np.float32)}


def loop_body(nodes, inputs, outputs, weights=()):
    """A body that goes on for ever."""
    return helper.make_graph(
        [*nodes, helper.make_node("Identity", ["c"], ["go"])], "body",
        [value("i", [], TensorProto.INT64), value("c", [], TensorProto.BOOL), *inputs],
        [value("go", [], TensorProto.BOOL), *outputs], list(weights))


def endless_loop(trips, inner=0):
    """Adds x to a vector `trips` times (None: no trip count at all), or `inner` times in each."""
    body = loop_body([helper.make_node("Add", ["v", "x"], ["v1"])], [value("v", [4])],
                     [value("v1", [4])])
    if inner:
        repeat = helper.make_node("Loop", ["m", "", "w"], ["w1"], body=body)
        body = loop_body([repeat], [value("w", [4])], [value("w1", [4])])
    count = "n" if trips is not None else ""
    nodes = [helper.make_node("Loop", [count, "yes", "x"], ["y"], body=body)]
    inputs = {"x": np.full(4, 1e-3, np.float32)}
    declared = [value("x", [4])]
    if trips is not None:
        inputs["n"] = np.array(trips, np.int64)
        declared.append(value("n", [], TensorProto.INT64))
    weights = {"yes": np.array(True)}
    if inner:
        weights["m"] = np.array(inner, np.int64)
    return model(nodes, declared, [value("y", [4])], weights), inputs


def collecting_loop(trips):
    """Stacks a running sum; what follows the loop works on all of it."""
    body = loop_body([helper.make_node("Add", ["v", "x"], ["v1"]),
                      helper.make_node("Identity", ["v1"], ["state"])], [value("v", [4])],
                     [value("v1", [4]), value("state", [4])])
    nodes = [helper.make_node("Sub", ["x", "x"], ["zero"]),
             helper.make_node("Loop", ["n", "yes", "zero"], ["last", "states"], body=body),
             helper.make_node("Neg", ["states"], ["a"]), helper.make_node("Exp", ["a"], ["b"]),
             helper.make_node("Neg", ["b"], ["y"])]
    out = model(nodes, [value("n", [], TensorProto.INT64), value("x", [4])],
                [value("y", ["steps", 4])], {"yes": np.array(True)})
    return out, {"n": np.array(trips, np.int64), "x": np.full(4, 1e-3, np.float32)}


def growing_loop(trips):
    body = loop_body([helper.make_node("Concat", ["v", "v"], ["v1"], axis=0)],
                     [value("v", ["before"])], [value("v1", ["after"])])
    nodes = [helper.make_node("Loop", ["n", "yes", "x"], ["last"], body=body),
             helper.make_node("Neg", ["last"], ["y"])]
    out = model(nodes, [value("n", [], TensorProto.INT64), value("x", [2])],
                [value("y", ["size"])], {"yes": np.array(True)})
    return out, {"n": np.array(trips, np.int64), "x": np.array([1, 2], np.float32)}


def nested_growing_loops():
    """The inner loop joins the outer loop's vector to its own; both grow."""
    inner = loop_body([helper.make_node("Concat", ["w", "v"], ["w1"], axis=0)],
                      [value("w", ["w_before"])], [value("w1", ["w_after"])])
    outer = loop_body([helper.make_node("Loop", ["m", "", "v"], ["v1"], body=inner)],
                      [value("v", ["before"])], [value("v1", ["after"])])
    nodes = [helper.make_node("Loop", ["n", "yes", "x"], ["last"], body=outer),
             helper.make_node("Neg", ["last"], ["y"])]
    out = model(nodes, [value("n", [], TensorProto.INT64), value("x", [2])],
                [value("y", ["size"])], {"yes": np.array(True), "m": np.array(2, np.int64)})
    return out, {"n": np.array(2, np.int64), "x": np.array([1, 2], np.float32)}


def loops_in_loops(depth):
    """Loops that each double a vector before the next one inside."""
    nodes = [helper.make_node("Concat", ["v", "v"], ["v1"], axis=0)]
    for _ in range(depth):
        body = loop_body(nodes, [value("v", ["before"])], [value("v1", ["after"])])
        nodes = [helper.make_node("Concat", ["v", "v"], ["v0"], axis=0),
                 helper.make_node("Loop", ["m", "", "v0"], ["v1"], body=body)]
    return nodes


def function_with_branches():
    """A function of another opset than the model's, whose branches use its attribute."""
    slope = onnx.AttributeProto(name="alpha", ref_attr_name="slope",
                                type=onnx.AttributeProto.FLOAT)
    leaky = helper.make_node("LeakyRelu", ["x"], ["l"])
    leaky.attribute.append(slope)
    then = helper.make_graph([leaky, helper.make_node("Softmax", ["l"], ["t"])], "then", [],
                             [value("t", [2, 3, 4])])
    other = helper.make_graph([helper.make_node("Neg", ["x"], ["e"])], "else", [],
                              [value("e", [2, 3, 4])])
    function = helper.make_function(
        "local", "Branches", ["x", "c"], ["z"],
        [helper.make_node("If", ["c"], ["z"], then_branch=then, else_branch=other)],
        [helper.make_opsetid("", 11)], ["slope"])
    graph = helper.make_graph(
        [helper.make_node("Branches", ["x", "c"], ["y"], domain="local", slope=0.5)], "test",
        [value("x", [2, 3, 4]), value("c", [], TensorProto.BOOL)], [value("y", [2, 3, 4])])
    out = helper.make_model(graph, functions=[function], ir_version=10,
                            opset_imports=[helper.make_opsetid("", OPSET),
                                           helper.make_opsetid("local", 1)])
    x = np.random.default_rng(3).standard_normal((2, 3, 4)).astype(np.float32)
    return out, {"x": x, "c": np.array(True)}


def symbolic_shapes():
    """Shape arithmetic over symbols: Shape, Gather, Concat, Reshape, Slice."""
    nodes = [helper.make_node("Shape", ["x"], ["s"]),
             helper.make_node("Gather", ["s", "zero"], ["b"]),
             helper.make_node("Concat", ["b", "rest"], ["t"], axis=0),
             helper.make_node("Reshape", ["x", "t"], ["r"]),
             helper.make_node("Softmax", ["r"], ["y"], axis=-1)]
    out = model(nodes, [value("x", ["batch", "rows", 4])], [value("y", ["batch", "wide"])],
                {"zero": np.array([0], np.int64), "rest": np.array([-1], np.int64)})
    return out, {"x": np.random.default_rng(5).standard_normal((2, 3, 4)).astype(np.float32)}
