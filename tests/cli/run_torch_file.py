#!/usr/bin/env python3
"""A model whose weights PyTorch saved: the archive is written by Python's own pickle and zipfile,
in the form of torch.save, from the weights of a golden case; answers are those of the case."""

import collections
import io
import json
import os
import pickle
import shutil
import struct
import sys
import tempfile
import types
import zipfile

from cli_harness import CASE, Checks, ingot

STORAGES = {"BF16": "BFloat16Storage", "F32": "FloatStorage", "F16": "HalfStorage"}


def fake_torch():
    """Modules with the names that torch's pickles mention; nothing of them is ever called here."""
    torch = types.ModuleType("torch")
    utils = types.ModuleType("torch._utils")
    for name in STORAGES.values():
        setattr(torch, name, type(name, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2(*_):
        raise RuntimeError("pickles are not loaded here")

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    sys.modules.update({"torch": torch, "torch._utils": utils})
    return torch, utils


TORCH, UTILS = fake_torch()


class Tensor:
    def __init__(self, kind, shape, data, key):
        self.kind, self.shape, self.data, self.key = kind, tuple(shape), data, key

    def __reduce__(self):
        strides, step = [], 1
        for size in reversed(self.shape):
            strides.insert(0, step)
            step *= size
        return (UTILS._rebuild_tensor_v2, (Storage(self), 0, self.shape, tuple(strides), False,
                                           collections.OrderedDict()))


class Storage:
    def __init__(self, tensor):
        self.tensor = tensor


class Pickler(pickle.Pickler):
    def persistent_id(self, obj):
        if not isinstance(obj, Storage):
            return None
        tensor = obj.tensor
        return ("storage", getattr(TORCH, STORAGES[tensor.kind]), tensor.key, "cpu",
                len(tensor.data) // (4 if tensor.kind == "F32" else 2))


def read_safetensors(path):
    with open(path, "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(length))
        data = file.read()
    header.pop("__metadata__", None)
    return {name: Tensor(info["dtype"], info["shape"], data[slice(*info["data_offsets"])], str(i))
            for i, (name, info) in enumerate(header.items())}


def write_torch(path, tensors, protocol, wrap=None):
    state = collections.OrderedDict(tensors)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        text = io.BytesIO()
        Pickler(text, protocol).dump({wrap: state, "epoch": 3} if wrap else state)
        archive.writestr("pytorch_model/data.pkl", text.getvalue())
        archive.writestr("pytorch_model/byteorder", "little")
        for tensor in tensors.values():
            archive.writestr(f"pytorch_model/data/{tensor.key}", tensor.data)


def answers(folder):
    done = ingot("conformance", folder, "--json")
    return done.returncode, done.stderr.decode(errors="replace")


def main():
    checks = Checks()
    tensors = read_safetensors(os.path.join(CASE, "model.safetensors"))
    with tempfile.TemporaryDirectory() as folder:
        for name in os.listdir(CASE):
            if name != "model.safetensors":
                shutil.copy(os.path.join(CASE, name), folder)
        path = os.path.join(folder, "pytorch_model.bin")
        for protocol in (2, 3, 4, 5):
            write_torch(path, tensors, protocol, "state_dict" if protocol == 4 else None)
            status, said = answers(folder)
            checks.equal(status, 0, f"pickle protocol {protocol}: the case's answers {said}")
        names = list(tensors)
        half = len(names) // 2
        shards = {"1.bin": names[:half], "2.bin": names[half:]}
        for shard, part in shards.items():
            write_torch(os.path.join(folder, shard), {n: tensors[n] for n in part}, 2)
        os.remove(path)
        with open(os.path.join(folder, "pytorch_model.bin.index.json"), "w", encoding="utf-8") as f:
            json.dump({"weight_map": {n: s for s, part in shards.items() for n in part}}, f)
        status, said = answers(folder)
        checks.equal(status, 0, f"two shards: the case's answers {said}")

        os.remove(os.path.join(folder, "pytorch_model.bin.index.json"))
        marker = os.path.join(folder, "was-run")

        class Evil:
            def __reduce__(self):
                return (os.system, (f"touch {marker}",))

        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("m/data.pkl", pickle.dumps({"w": Evil()}, 2))
        done = ingot("run", folder, "--prompt-ids", "1,2", "--max-tokens", "1")
        said = done.stderr.decode(errors="replace").splitlines()
        checks.equal(done.returncode, 1, "a pickle that would run a program is refused")
        checks.check(len(said) == 1 and "which is not run" in said[0], f"and named: {said}")
        checks.check(not os.path.exists(marker), "nothing was run")
    checks.finish()


if __name__ == "__main__":
    main()
