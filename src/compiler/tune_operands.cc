#include "compiler/tune_operands.h"

#include <algorithm>

#include "base/random.h"

namespace ingot {
namespace {

// Rows of random numbers; further ones repeat them.
constexpr int64_t kRandomRows = 16;
constexpr int64_t kPageBytes = 4096;
constexpr int64_t kSampledRows = 4;
// Weights of one descriptor: at least so many sets, and more until they are twice the device's
// cache, so that each launch finds its own gone. Small ones (norms) are noise beside the rest.
constexpr size_t kFewestSets = 3;
constexpr size_t kMostSets = 64;
constexpr int64_t kSmallWeights = int64_t{64} << 10;
constexpr int64_t kMostCopiedBytes = int64_t{256} << 20;
constexpr int64_t kMostCopiedHostBytes = int64_t{64}
                                         << 20;  // a second's tuning has no time for more

}  // namespace

std::byte* TuneMemory::take(size_t bytes) {
  if (used_ == buffers_.size()) buffers_.emplace_back();
  Buffer& buffer = buffers_[used_++];
  if (bytes > buffer.size()) {
    buffer = Buffer();
    buffer = Buffer(device_, bytes);
  }
  return buffer.data();
}

void TuneMemory::release() {
  rewind();
  stream_.synchronize();  // what was queued names it
  buffers_.clear();
  clones_.clear();
}

void TuneMemory::touch(const TensorView& piece) {
  if (!touched_.insert(piece.data).second) return;
  const int64_t bytes = piece.row_bytes() * piece.rows();
  for (int64_t at = 0; at < bytes; at += kPageBytes) {
    *static_cast<const volatile std::byte*>(piece.data + at);
  }
}

TensorView TuneMemory::clone(const TensorView& piece, size_t bytes, size_t copy) {
  TensorView out = piece;
  Buffer& buffer = clones_[{piece.data, copy}];
  if (buffer.size() < bytes) {
    buffer = Buffer(device_, bytes);
    device_.copy(buffer.data(), piece.data, bytes, stream_);
  }
  out.data = buffer.data();
  return out;
}

TuneOperands::TuneOperands(const TuneJob& job, const Engine& engine, Device& device, Stream& stream,
                           WeightStore& weights, TuneMemory& memory)
    : job_(job),
      engine_(engine),
      device_(device),
      stream_(stream),
      weights_(weights),
      memory_(memory),
      copies_(copies_wanted()) {
  memory.rewind();
  const OpDef& op = get_op(job.desc.op);
  IndexInputs indices;
  if (op.representative) {
    std::vector<Shape> shapes;
    shapes.reserve(job.desc.inputs.size());
    for (const OperandDesc& operand : job.desc.inputs) shapes.push_back(operand.shape);
    indices = op.representative({job.desc.attrs, shapes});
  }
  for (size_t i = 0; i < job.desc.inputs.size(); ++i) {
    inputs_.push_back(make(job.desc.inputs[i]));
    const auto found = indices.find(i);
    if (found != indices.end() && inputs_[i].present()) {
      fill_indices(inputs_[i], found->second);
    } else {
      fill(job.desc.inputs[i], inputs_[i]);
    }
  }
  for (const OperandDesc& operand : job.desc.outputs) outputs_.push_back(make(operand));
  for (const Effects::Alias& alias : op.effects.aliases) {
    outputs_[static_cast<size_t>(alias.output)] = inputs_[static_cast<size_t>(alias.input)];
  }
  stream.synchronize();
}

size_t TuneOperands::copies_wanted() const {
  int64_t bytes = 0;  // of one step
  for (const OperandDesc& operand : job_.desc.inputs) {
    if (operand.present && operand.constant) {
      bytes += operand.type.bytes(element_count(operand.shape));
    }
  }
  if (bytes < kSmallWeights) return 1;
  const size_t steps = job_.steps.size();
  const size_t cache = 2 * device_.cache_bytes() / static_cast<size_t>(bytes) + 1;
  const size_t sets = std::clamp(cache, kFewestSets, kMostSets);
  const int64_t most = device_.host_visible() ? kMostCopiedHostBytes : kMostCopiedBytes;
  const size_t affordable = static_cast<size_t>(most / bytes) / steps + 1;  // 1: the engine's own
  return std::max<size_t>(1, std::min((sets + steps - 1) / steps, affordable));
}

TensorView TuneOperands::make(const OperandDesc& operand) {
  TensorView view{operand.type, operand.shape};
  if (!operand.present || operand.constant) return view;
  const auto bytes = static_cast<size_t>(std::max<int64_t>(64, view.bytes()));
  view.data = memory_.take(bytes);
  device_.fill_zero(view.data, bytes, stream_);
  return view;
}

// The first rows from the host, the rest doubled within the device.
void TuneOperands::fill(const OperandDesc& operand, const TensorView& view) {
  if (!view.present() || view.type.is_block() || !is_float(operand.type.dtype)) return;
  if (view.rows() == 0) return;
  TensorView host{view.type, {std::min(view.rows(), kRandomRows), view.columns()}};
  std::vector<std::byte> bytes(static_cast<size_t>(host.bytes()));
  host.data = bytes.data();
  std::vector<float> row(static_cast<size_t>(view.columns()));
  for (int64_t r = 0; r < host.rows(); ++r) {
    for (size_t c = 0; c < row.size(); ++c) {
      row[c] = static_cast<float>(random_unit(static_cast<uint64_t>(r), c) * 2 - 1);
    }
    store_row(host, r, 0, host.columns(), row.data());
  }
  device_.copy_in(view.data, bytes.data(), bytes.size(), stream_);
  const auto total = static_cast<size_t>(view.bytes());
  for (size_t done = bytes.size(); done < total;) {
    const size_t count = std::min(done, total - done);
    device_.copy(view.data + done, view.data, count, stream_);
    done += count;
  }
}

void TuneOperands::fill_indices(const TensorView& view, const std::vector<int64_t>& values) {
  std::vector<std::byte> bytes(static_cast<size_t>(view.bytes()));
  if (bytes.empty()) return;
  const TensorView host{view.type, view.shape, bytes.data()};
  const int64_t count = std::min(view.elements(), static_cast<int64_t>(values.size()));
  for (int64_t i = 0; i < count; ++i) store_index(host, i, values[static_cast<size_t>(i)]);
  device_.copy_in(view.data, bytes.data(), bytes.size(), stream_);
}

LaunchArgs TuneOperands::args(const Selection& candidate, size_t round) {
  const PlanStep& step = *job_.steps[round % job_.steps.size()];
  const size_t copy = round / job_.steps.size() % copies_;
  segments_.assign(inputs_.size(), {});
  pieces_.resize(inputs_.size());
  for (size_t i = 0; i < inputs_.size(); ++i) {
    if (!job_.desc.inputs[i].constant) continue;
    const PlanValue& value = engine_.plan.values[static_cast<size_t>(step.inputs[i])];
    const WeightLayout layout = candidate.kernel->layout
                                    ? candidate.kernel->layout(job_.desc, candidate.tactic, i)
                                    : WeightLayout{};
    pieces_[i] = weights_.view(value, layout);
    for (TensorView& piece : pieces_[i]) {
      if (device_.host_visible()) memory_.touch(piece);
      if (copy == 0) continue;
      // A packed weight is one piece and may be larger than its shape says.
      const auto bytes = layout.name.empty() ? static_cast<size_t>(piece.extent())
                                             : layout.packed_bytes(job_.desc.inputs[i]);
      piece = memory_.clone(piece, bytes, copy);
    }
    inputs_[i] = pieces_[i][0];
    inputs_[i].shape = evaluate(value.type.shape, {});
    if (pieces_[i].size() > 1) segments_[i] = pieces_[i];
  }
  return {inputs_, outputs_, segments_};
}

bool TuneOperands::is_input_memory(const TensorView& out) const {
  return std::any_of(inputs_.begin(), inputs_.end(),
                     [&](const TensorView& in) { return in.present() && in.data == out.data; });
}

void TuneOperands::clear_outputs() {
  for (const TensorView& out : outputs_) {
    if (out.present() && !is_input_memory(out)) {
      device_.fill_zero(out.data, static_cast<size_t>(out.bytes()), stream_);
    }
  }
}

std::vector<OutputSample> TuneOperands::sample_outputs() {
  std::vector<OutputSample> samples;
  std::vector<std::byte> memory;
  for (const TensorView& out : outputs_) {
    if (!out.present() || out.type.is_block() || is_input_memory(out)) continue;
    OutputSample& sample = samples.emplace_back();
    sample.exact = !is_float(out.type.dtype);
    const int64_t rows = std::min<int64_t>(out.rows(), kSampledRows);
    sample.values.resize(static_cast<size_t>(out.columns() * rows));
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t r = rows > 1 ? i * (out.rows() - 1) / (rows - 1) : 0;
      TensorView row{out.type, {1, out.columns()}, out.row(r)};
      if (!device_.host_visible()) {
        memory.resize(static_cast<size_t>(row.bytes()));
        device_.copy_out(memory.data(), row.data, memory.size(), stream_);
        stream_.synchronize();
        row.data = memory.data();
      }
      float* values = sample.values.data() + i * out.columns();
      if (!sample.exact) {
        load_row(row, 0, 0, out.columns(), values);
        continue;
      }
      for (int64_t c = 0; c < out.columns(); ++c) {
        values[c] = static_cast<float>(load_index(row, c));
      }
    }
  }
  return samples;
}

}  // namespace ingot
