// Binding, first half: which kernel and tactic runs a plan step on a device.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "engine/engine.h"
#include "kernels/kernel_def.h"

namespace ingot {

struct SelectionOptions {
  bool reference = false;  // reference kernels only
  bool invariant = false;  // only kernels whose rows do not depend on the batch
  bool canonical = false;  // only tactics that read weights as the engine file holds them
};

// A step's descriptor in a bucket: symbols from the bucket, missing ones from `limits`, unknown
// ones (data-dependent sizes) as 1. `segments[i]` is the number of pieces of weight input i.
KernelDesc describe(const Plan& plan, const PlanStep& step, const Bucket& bucket,
                    const SymbolValues& limits, const std::vector<int64_t>& segments,
                    bool invariant);

struct Selection {
  const KernelDef* kernel = nullptr;
  std::string tactic;
  bool tuned = false;  // from the device section, not by heuristics
};

// Whether weight input `input` may be read in a packed layout; the canonical one ("") is not asked
// about. Empty: all may.
using LayoutFilter = std::function<bool(size_t input, std::string_view layout)>;

// Whether a choice reads weights in allowed layouts alone, and in none but the file's when
// `options` say so.
bool keeps_layouts(const Selection& choice, const KernelDesc& desc, const SelectionOptions& options,
                   const LayoutFilter& allowed);

// The tuned choice if `section` has one under the descriptor's text that still fits (kernel
// present, its and its library's version equal, supports), else the supported kernel of highest
// priority with its first tactic. Never fails: the reference adapter accepts everything. The tuner
// records two choices: the fastest, and under the invariant descriptor the fastest among invariant
// kernels.
Selection select_kernel(const KernelDesc& desc, std::string_view device_kind,
                        const DeviceSection* section, const SelectionOptions& options,
                        const LayoutFilter& allowed = {});

// Supported (kernel, tactic) pairs in order of preference, the reference adapter left out unless it
// is the only one; `rejected` (optional) gets a line for each kernel that refused, with its reason.
std::vector<Selection> candidates(const KernelDesc& desc, std::string_view device_kind,
                                  std::vector<std::string>* rejected = nullptr);

// Whether a kernel may run the descriptor on this machine; in invariant mode only those whose rows
// do not depend on the batch may.
bool may_run(const KernelDef& kernel, const KernelDesc& desc);

// One weight is kept in one packed layout for all steps and buckets of an executor: kernels that
// want another are chosen anew. Reading it as the engine file holds it costs nothing and is always
// allowed. Each bucket of each step has one vote; the layout with most votes wins, among equals
// that of the smallest bucket (decoding, which runs most often). The plan keeps no weights of
// buckets yet.
class LayoutVotes {
 public:
  // Packed layouts that may be made, for each weight for which that is not all that are wanted.
  using Allowed = std::map<std::string, std::set<std::string, std::less<>>, std::less<>>;

  // The kernel chosen for bucket number `bucket` wants `weight` in `layout`, of `bytes`.
  void add(const std::string& weight, const std::string& layout, size_t bytes, size_t bucket);
  // Other layouts than the winner are allowed while `budget` bytes last, for all weights together.
  Allowed settle(int64_t budget) const;

 private:
  struct Layout {
    int64_t votes = 0;
    size_t bucket = 0;  // the smallest
    size_t bytes = 0;
  };
  std::map<std::string, std::map<std::string, Layout>> weights_;
};

// The section tuned for exactly this device; nullptr if the engine has none.
const DeviceSection* find_section(const Engine& engine, const Device& device);

// Why heuristics choose kernels here although the engine was tuned: no section for this device, or
// kernels that changed since. One line; empty where all choices hold or the engine has no section.
std::string section_notice(const Engine& engine, const Device& device);

}  // namespace ingot
