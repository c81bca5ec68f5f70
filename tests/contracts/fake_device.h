// A device for machines without one. Its memory lies where the host cannot touch it: addresses that
// it hands out are never readable (a stray access faults), and only its kernels translate them.
// Work is queued until a stream is synchronized, captures are recorded and replayed, and every
// launch is checked: pointers in live allocations, outputs apart from inputs unless the operator's
// effects say so. Addresses are never reused, so a stale pointer always shows.
#pragma once

#include <sys/mman.h>

#include <deque>
#include <functional>
#include <map>
#include <thread>

#include "base/check.h"
#include "kernels/kernel_def.h"
#include "kernels/reference.h"

namespace ingot {

class FakeDevice : public Device {
 public:
  FakeDevice() : handed_(map(PROT_NONE)), real_(map(PROT_READ | PROT_WRITE)) { register_kernels(); }
  ~FakeDevice() override {
    ::munmap(handed_, kSpace);
    ::munmap(real_, kSpace);
  }

  std::string_view kind() const override { return "fake"; }
  std::string identity() const override { return "fake:1"; }
  bool host_visible() const override { return false; }
  void activate() override { active_ = std::this_thread::get_id(); }

  std::byte* allocate(size_t size) override {
    const size_t at = next_;
    CHECK_LE(size, kSpace - next_ - kGap);
    next_ += (size + kGap - 1) / kGap * kGap + kGap;
    live_[at] = size;
    return handed_ + at;
  }
  void release(std::byte* data, size_t) noexcept override {
    live_.erase(static_cast<size_t>(data - handed_));
  }
  void copy_in(std::byte* dst, const std::byte* src, size_t size, Stream&) override {
    queue_.push_back([this, dst, staged = std::vector<std::byte>(src, src + size)] {
      if (std::byte* to = translate(dst, staged.size(), "copy_in")) {
        std::copy(staged.begin(), staged.end(), to);
      }
    });
  }
  void copy_out(std::byte* dst, const std::byte* src, size_t size, Stream&) override {
    drain();
    if (std::byte* from = translate(src, size, "copy_out")) std::copy_n(from, size, dst);
  }
  std::unique_ptr<Stream> make_stream() override { return std::make_unique<QueueStream>(*this); }

  bool begin_capture(Stream&) override {
    CHECK(!capturing_);
    capturing_ = true;
    ++captures;
    return true;
  }
  std::unique_ptr<CapturedGraph> end_capture(Stream&) override {
    capturing_ = false;
    return std::make_unique<Graph>(*this, std::move(recorded_));
  }

  // One launch of an operator's reference on device views.
  void launch(const KernelDesc& desc, const LaunchArgs& args) {
    if (active_ != std::this_thread::get_id()) {
      violations.push_back(desc.op + ": the device is not this thread's current one");
    }
    auto work = [this, desc, inputs = copy(args.inputs), outputs = copy(args.outputs),
                 pieces = [&] {
                   std::vector<std::vector<TensorView>> out;
                   for (const auto& p : args.segments) out.push_back(copy(p));
                   return out;
                 }()] { run(desc, inputs, outputs, pieces); };
    (capturing_ ? recorded_ : queue_).push_back(std::move(work));
  }
  void drain() {
    while (!queue_.empty()) {
      auto work = std::move(queue_.front());
      queue_.pop_front();
      work();
    }
  }

  // Kernels of this operator fail as a GPU's do: the host learns of it where it next waits.
  std::string faulty_op;
  std::vector<std::string> violations;
  int captures = 0, replays = 0, launches = 0;

 private:
  using Work = std::deque<std::function<void()>>;
  static constexpr size_t kSpace = size_t{1} << 30;
  static constexpr size_t kGap = 256;  // never allocated, so that neighbours do not touch

  struct QueueStream final : Stream {
    explicit QueueStream(FakeDevice& d) : device(d) {}
    void synchronize() override { device.drain(); }
    FakeDevice& device;
  };
  struct Graph final : CapturedGraph {
    Graph(FakeDevice& d, Work w) : device(d), work(std::move(w)) {}
    void replay(Stream&) override {
      ++device.replays;
      device.queue_.insert(device.queue_.end(), work.begin(), work.end());
    }
    FakeDevice& device;
    Work work;
  };
  struct Kernel final : KernelInstance {
    explicit Kernel(const KernelDesc& d) : desc(d) {}
    void launch(const LaunchArgs& args, ExecContext& context) override {
      static_cast<FakeDevice&>(context.device).launch(desc, args);
    }
    KernelDesc desc;
  };

  static std::byte* map(int protection) {
    void* data =
        ::mmap(nullptr, kSpace, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(data != MAP_FAILED);
    return static_cast<std::byte*>(data);
  }
  static std::vector<TensorView> copy(std::span<const TensorView> views) {
    return {views.begin(), views.end()};
  }

  static void register_kernels() {
    static std::deque<std::string> names;
    static std::deque<KernelDef> kernels;
    if (!kernels.empty()) return;
    for (const OpDef* op : ops_op_list()) {
      kernels.push_back({.name = names.emplace_back("fake_" + std::string(op->name)),
                         .op = op->name,
                         .device = "fake",
                         .prepare = [](const KernelDesc& desc,
                                       std::string_view) -> std::unique_ptr<KernelInstance> {
                           return std::make_unique<Kernel>(desc);
                         }});
      register_kernel(kernels.back());
    }
  }

  // Host address behind a device range, or nullptr and a violation.
  std::byte* translate(const std::byte* data, size_t size, std::string_view who) {
    const auto at = static_cast<size_t>(data - handed_);
    auto it = live_.upper_bound(at);
    const bool found = data >= handed_ && it != live_.begin() &&
                       at + size <= std::prev(it)->first + std::prev(it)->second;
    if (found) return real_ + at;
    violations.push_back(fmt::format("{}: {} bytes outside any live allocation", who, size));
    return nullptr;
  }

  static size_t extent(const TensorView& view) {
    const int64_t rows = view.rows();
    if (rows == 0) return 0;
    return static_cast<size_t>((rows - 1) * view.row_bytes() + view.type.bytes(view.columns()));
  }
  static bool overlap(const TensorView& a, const TensorView& b) {
    return a.data < b.data + extent(b) && b.data < a.data + extent(a);
  }

  void check_aliases(const KernelDesc& desc, const std::vector<TensorView>& inputs,
                     const std::vector<TensorView>& outputs) {
    for (size_t o = 0; o < outputs.size(); ++o) {
      const TensorView* allowed = nullptr;
      for (const Effects::Alias& alias : get_op(desc.op).effects.aliases) {
        if (alias.output == static_cast<int>(o))
          allowed = &inputs[static_cast<size_t>(alias.input)];
      }
      for (const TensorView& input : inputs) {
        if (!input.present() || !overlap(outputs[o], input)) continue;
        if (allowed && allowed->data == input.data) continue;
        violations.push_back(fmt::format("{}: output {} overlaps an input", desc.op, o));
      }
      if (allowed && allowed->data != outputs[o].data) {
        violations.push_back(fmt::format("{}: output {} is not its input's memory", desc.op, o));
      }
    }
  }

  bool translate_all(std::vector<TensorView>& views, const std::string& op) {
    for (TensorView& view : views) {
      if (!view.present()) continue;
      view.data = translate(view.data, extent(view), op);
      if (!view.data) return false;
    }
    return true;
  }

  void run(const KernelDesc& desc, std::vector<TensorView> inputs, std::vector<TensorView> outputs,
           std::vector<std::vector<TensorView>> pieces) {
    ++launches;
    if (desc.op == faulty_op) fail(ErrorCode::kInternal, "fake", "a kernel failed");
    check_aliases(desc, inputs, outputs);
    std::vector<std::span<const TensorView>> segments;
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (!translate_all(pieces[i], desc.op)) return;
      // A weight in pieces: the whole's view covers the first piece alone.
      if (!pieces[i].empty()) inputs[i] = {};
      segments.push_back(pieces[i]);
    }
    if (!translate_all(inputs, desc.op) || !translate_all(outputs, desc.op)) return;
    for (size_t i = 0; i < segments.size(); ++i) {
      if (segments[i].empty()) continue;
      inputs[i] = segments[i][0];
      inputs[i].shape = desc.inputs[i].shape;
    }
    ExecContext context{*host_, *host_stream_};  // the views are host memory by now
    reference_kernel().prepare(desc, "")->launch({inputs, outputs, segments}, context);
  }

  std::unique_ptr<Device> host_ = make_cpu_device(1);
  std::unique_ptr<Stream> host_stream_ = host_->make_stream();
  std::byte* handed_;
  std::byte* real_;
  size_t next_ = 0;
  std::map<size_t, size_t> live_;  // offset -> bytes
  Work queue_, recorded_;
  bool capturing_ = false;
  std::thread::id active_;
};

}  // namespace ingot
