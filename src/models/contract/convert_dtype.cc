#include "models/contract/convert_dtype.h"

#include "base/progress.h"
#include "base/thread_team.h"
#include "tensor/tensor_view.h"

namespace ingot {
std::shared_ptr<const WeightSource> convert_weights(std::shared_ptr<const WeightSource> source,
                                                    DType dtype,
                                                    const std::set<std::string>& kept) {
  auto table = std::make_shared<WeightTable>(source->origin());
  for (const auto& file : source->files()) table->add_file(file);
  const std::vector<std::string> names = source->names();
  Progress progress("converting weights", static_cast<int64_t>(names.size()), "tensors");
  ThreadTeam team;
  for (const std::string& name : names) {
    WeightInfo info = *source->find(name);
    progress.add(1);
    if (info.type == ElementType(dtype) || kept.contains(name)) {
      table->add(std::move(info));
      continue;
    }
    const TensorView from{info.type, info.shape, const_cast<std::byte*>(info.bytes.data())};
    std::vector<std::byte> out(
        static_cast<size_t>(ElementType(dtype).bytes(element_count(info.shape))));
    const TensorView to{dtype, info.shape, out.data()};
    team.parallel_for(from.rows(), 16, [&](int64_t begin, int64_t end) {
      std::vector<float> row(static_cast<size_t>(from.columns()));
      for (int64_t r = begin; r < end; ++r) {
        load_row(from, r, 0, from.columns(), row.data());
        store_row(to, r, 0, from.columns(), row.data());
      }
    });
    info.type = dtype;
    info.bytes = table->keep_aligned(out);
    table->add(std::move(info));
  }
  return std::shared_ptr<const WeightSource>(
      table.get(), [table, keep = std::move(source)](const WeightSource*) mutable {
        table.reset();
        keep.reset();
      });
}

Json checkpoint_config(const ModelDef& model, const Json& config, const WeightSource& weights) {
  Json out = {{"architecture", std::string(model.name)}};
  DType dtype = DType::kFloat32;
  for (const std::string& name : weights.names()) {
    const ElementType type = weights.find(name)->type;
    if (!type.is_block() && weights.find(name)->shape.size() > 1) dtype = type.dtype;
  }
  out["dtype"] = std::string(dtype_name(dtype));
  out["logits_dtype"] = "float32";
  out["position_embedding_type"] = std::string(model.position_embeddings.at(0));
  out.update(checkpoint_fields(config, all_keys(model.keys)));
  out["mapping"] = {{"world_size", 1}, {"tp_size", 1}, {"pp_size", 1}};
  return out;
}

}  // namespace ingot
