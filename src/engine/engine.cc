#include "engine/engine.h"

#include <numeric>

#include "base/check.h"
#include "base/checked.h"
#include "base/json.h"
#include "base/progress.h"
#include "engine/plan_check.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "engine/engine";
constexpr uint64_t kTensorAlignment = 64;  // one cache line
constexpr std::string_view kExtraPrefix = "extra.";
constexpr std::string_view kDevicePrefix = "device.";

// Tensors in the order their values use them; a value's later pieces follow without padding.
struct Placement {
  std::vector<int> order;
  std::vector<uint64_t> offsets;  // by tensor index
  uint64_t total = 0;
};

void place_values(const Plan& plan, const Plan& values_of, Placement& out,
                  std::vector<bool>& seen) {
  for (const PlanValue& value : values_of.values) {
    bool first = true;
    for (int id : value.segments) {
      const auto index = static_cast<size_t>(id);
      if (seen[index]) continue;
      seen[index] = true;
      if (first)
        out.total = (out.total + kTensorAlignment - 1) / kTensorAlignment * kTensorAlignment;
      first = false;
      out.offsets[index] = out.total;
      out.order.push_back(id);
      out.total += static_cast<uint64_t>(plan.tensors[index].stored_bytes());
    }
  }
  for (const Plan& sub : values_of.subplans) place_values(plan, sub, out, seen);
}

Placement place(const Plan& plan) {
  Placement out;
  out.offsets.resize(plan.tensors.size());
  std::vector<bool> seen(plan.tensors.size(), false);
  place_values(plan, plan, out, seen);
  for (size_t i = 0; i < seen.size(); ++i) CHECK_MSG(seen[i], "tensor {} has no user", i);
  return out;
}

Json device_to_json(const DeviceSection& section) {
  Json choices = Json::object();
  for (const auto& [key, choice] : section.choices) {
    choices[key] = {{"kernel", choice.kernel},
                    {"version", choice.version},
                    {"tactic", choice.tactic},
                    {"us", choice.microseconds}};
    if (!choice.library.empty()) choices[key]["library"] = choice.library;
  }
  return {{"device", section.device}, {"choices", std::move(choices)}};
}

DeviceSection device_from_json(const Json& json, const std::string& file) {
  DeviceSection out;
  out.device = json_require<std::string>(json, "device", kWhere, file);
  if (!json.contains("choices") || !json["choices"].is_object()) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: a device section has no choices", file);
  }
  for (const auto& [key, item] : json["choices"].items()) {
    KernelChoice choice;
    choice.kernel = json_require<std::string>(item, "kernel", kWhere, file);
    choice.version = static_cast<int>(json_require<int64_t>(item, "version", kWhere, file));
    choice.tactic = json_require<std::string>(item, "tactic", kWhere, file);
    choice.microseconds = json_get<double>(item, "us", 0.0, kWhere, file);
    choice.library = json_get<std::string>(item, "library", "", kWhere, file);
    out.choices[key] = std::move(choice);
  }
  return out;
}

}  // namespace

void save_engine(const Engine& engine, const std::string& path) {
  CHECK_EQ(engine.tensors.size(), engine.plan.tensors.size());
  const Placement placement = place(engine.plan);
  Json plan = plan_to_json(engine.plan);
  plan["tensor_offsets"] = placement.offsets;
  ContainerWriter writer(path, 2 + engine.devices.size() + engine.extras.size());
  writer.add("plan", plan.dump());
  writer.begin("weights");
  Progress progress("writing engine", static_cast<int64_t>(placement.total), "bytes");
  uint64_t at = 0;
  for (int id : placement.order) {
    const auto index = static_cast<size_t>(id);
    const uint64_t offset = placement.offsets[index];
    if (offset > at) writer.append(std::vector<std::byte>(offset - at));
    writer.append(engine.tensors[index]);
    at = offset + engine.tensors[index].size();
    progress.update(static_cast<int64_t>(at));
  }
  writer.end();
  for (size_t i = 0; i < engine.devices.size(); ++i) {
    writer.add(fmt::format("{}{}", kDevicePrefix, i), device_to_json(engine.devices[i]).dump());
  }
  for (const auto& [name, bytes] : engine.extras) {
    writer.add(fmt::format("{}{}", kExtraPrefix, name), bytes);
  }
  writer.commit();
}

std::shared_ptr<const Engine> load_engine(const std::string& path) {
  auto engine = std::make_shared<Engine>();
  engine->container = Container::open(path);
  const Container& container = *engine->container;
  const Json json = parse_json(container.text("plan"), kWhere, path);
  engine->plan = plan_from_json(json);
  const auto offsets = json_require<std::vector<int64_t>>(json, "tensor_offsets", kWhere, path);
  const auto weights = container.section("weights");
  if (offsets.size() != engine->plan.tensors.size()) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: {} tensor offsets for {} tensors", path, offsets.size(),
         engine->plan.tensors.size());
  }
  for (size_t i = 0; i < offsets.size(); ++i) {
    const PlanTensor& tensor = engine->plan.tensors[i];
    const auto bytes = static_cast<uint64_t>(tensor.stored_bytes());
    const auto offset = static_cast<uint64_t>(offsets[i]);
    if (offset > weights.size() || bytes > weights.size() - offset) {
      fail(ErrorCode::kCorrupt, kWhere,
           "{}: tensor '{}' at offset {} of the weights section: needs {} bytes, section has {}",
           path, tensor.name, offset, bytes, weights.size());
    }
    // Pieces of a value follow each other without padding, in whole blocks or elements.
    const ElementType& type = tensor.type;
    const auto unit =
        static_cast<uint64_t>(type.is_block() ? type.block->block_bytes : dtype_size(type.dtype));
    if (const uint64_t step = std::gcd(kTensorAlignment, unit); offset % step != 0) {
      fail(ErrorCode::kCorrupt, kWhere,
           "{}: tensor '{}' of {}: expected an offset in steps of {} bytes, found {}", path,
           tensor.name, type.name(), step, offset);
    }
    engine->tensors.push_back(weights.subspan(offset, bytes));
  }
  check_plan_types(engine->plan, engine->tensors);
  for (const std::string& name : container.names()) {
    if (name.starts_with(kExtraPrefix)) {
      engine->extras[name.substr(kExtraPrefix.size())] = container.text(name);
    } else if (name.starts_with(kDevicePrefix)) {
      engine->devices.push_back(
          device_from_json(parse_json(container.text(name), kWhere, path), path));
    }
  }
  return engine;
}

}  // namespace ingot
