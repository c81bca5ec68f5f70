#include "models/contract/weight_names.h"

namespace ingot {

std::string renamed(std::string name,
                    std::initializer_list<std::pair<std::string_view, std::string_view>> parts) {
  for (const auto& [ours, theirs] : parts) {
    const size_t at = name.find(ours);
    if (at != name.npos) name.replace(at, ours.size(), theirs);
  }
  return name;
}

std::vector<std::string_view> usual_ignored() {
  return {"*.rotary_emb.inv_freq", "lm_head.weight"};
}

std::string head_weight(const Json& config, std::string_view embedding, std::string_view head) {
  const bool tied = config.at("tie_word_embeddings").get<bool>();
  return fmt::format("{}.weight", tied ? embedding : head);
}

void WeightNames::at_layer(std::string_view hf, int64_t i) {
  at({fmt::format("{}{}.", hf, i), fmt::format("blk.{}.", i),
      fmt::format("transformer.layers.{}.", i)});
}

void WeightNames::add(const TensorNames& names, std::string_view end, Shape shape,
                      const StoredAs& as) {
  const auto full = [&](const std::string& prefix, const std::string& name) {
    return prefix + name + std::string(end);
  };
  WeightName out{.hf = full(prefix_.hf, names.hf),
                 .gguf = full(prefix_.gguf, names.gguf),
                 .checkpoint = full(prefix_.checkpoint, names.checkpoint),
                 .shape = std::move(shape),
                 .optional = as.optional,
                 .from_gguf = as.from_gguf,
                 .from_hf = as.from_hf};
  if (!as.from_hf.stored.empty()) out.from_hf.stored = full(prefix_.hf, as.from_hf.stored);
  if (!as.from_gguf.stored.empty()) out.from_gguf.stored = full(prefix_.gguf, as.from_gguf.stored);
  if (!as.or_from_hf.empty()) {
    out.or_from_hf = {WeightTransform().of(full(prefix_.hf, as.or_from_hf))};
  }
  out_.push_back(std::move(out));
}

void WeightNames::matrix(const TensorNames& names, int64_t rows, int64_t columns,
                         const StoredAs& as) {
  add(names, ".weight", {rows, columns}, as);
}

void WeightNames::bias(const TensorNames& names, int64_t rows, const StoredAs& as) {
  add(names, ".bias", {rows}, as);
}

void WeightNames::linear(const TensorNames& names, int64_t rows, int64_t columns, bool with_bias) {
  matrix(names, rows, columns);
  if (with_bias) bias(names, rows);
}

void WeightNames::transposed_linear(const TensorNames& names, int64_t rows, int64_t columns,
                                    bool with_bias) {
  matrix(names, rows, columns, {.from_hf = transpose_matrix(rows, columns)});
  if (with_bias) bias(names, rows);
}

void WeightNames::norm(const TensorNames& names, int64_t size, bool with_bias, const StoredAs& as) {
  add(names, ".weight", {size}, as);
  if (with_bias) bias(names, size);
}

void WeightNames::head(const Json& config, const std::string& hf, const StoredAs& as) {
  if (config.at("tie_word_embeddings").get<bool>()) return;
  matrix({hf, "output", "lm_head"}, config.at("vocab_size"), config.at("hidden_size"), as);
}

void WeightNames::positions(const std::string& hf, const std::string& gguf, int64_t count,
                            int64_t columns, int64_t offset) {
  StoredAs as;
  if (offset > 0) as.from_hf = take_rows(offset, count, {offset + count, columns});
  matrix({hf, gguf, "transformer.position_embedding"}, count, columns, as);
}

void WeightNames::rotary_divisors(const std::string& name, int64_t count) {
  add({name, "rope_freqs", "transformer.rotary_divisors"}, ".weight", {count}, {.optional = true});
  out_.back().as_stored = true;
}

void WeightNames::matrix_part(const TensorNames& names, const Part& p, const Shape& whole,
                              bool transposed) {
  const int64_t count = whole[0] / p.group * p.count;
  StoredAs as;
  as.from_gguf = take_rows(p.gguf_first, count, whole);
  as.from_hf = transposed ? transpose_columns(p.first, count, {whole[1], whole[0]})
                          : take_rows_of_groups(p.first, p.count, p.group, whole);
  as.from_hf.stored = names.hf;
  matrix({names.hf + p.name, names.gguf, names.checkpoint}, count, whole[1], as);
}

void WeightNames::bias_part(const TensorNames& names, const Part& p, int64_t rows) {
  const int64_t count = rows / p.group * p.count;
  bias({names.hf + p.name, names.gguf, names.checkpoint}, count,
       {.from_gguf = take_rows(p.gguf_first, count, {rows}),
        .from_hf = take_rows_of_groups(p.first, p.count, p.group, {rows}).of(names.hf)});
}

void WeightNames::qkv(const std::string& hf, const std::string& gguf, const Qkv& s) {
  const TensorNames names = {hf, gguf, "attention.qkv"};
  const int64_t q = s.heads * s.head_dim, kv = s.kv_heads * s.head_dim;
  const int64_t rows = q + 2 * kv;
  const bool by_head = s.fused == Fused::kByKvHead;
  const int64_t groups = by_head ? s.kv_heads : 1;
  const int64_t group = rows / groups, q_part = q / groups, kv_part = kv / groups;
  const Part parts[] = {{".q", 0, q_part, group, 0},
                        {".k", q_part, kv_part, group, q},
                        {".v", q_part + kv_part, kv_part, group, q + kv}};
  const bool transposed = s.fused == Fused::kTransposed;
  // A checkpoint's rows follow each other in the table: first all of the weight, then the bias.
  for (const Part& p : parts) matrix_part(names, p, {rows, s.columns}, transposed);
  for (const Part& p : parts) {
    if (s.with_bias) bias_part(names, p, rows);
  }
}

void WeightNames::qkv_apart(const std::string& hf, const Qkv& s) {
  const int64_t rows[] = {s.heads * s.head_dim, s.kv_heads * s.head_dim, s.kv_heads * s.head_dim};
  const TensorNames names[] = {{hf + "q_proj", "attn_q", "attention.qkv"},
                               {hf + "k_proj", "attn_k", "attention.qkv"},
                               {hf + "v_proj", "attn_v", "attention.qkv"}};
  const int64_t all = rows[0] + rows[1] + rows[2];
  const auto add_part = [&](size_t i, const char* end, Shape whole) {
    const int64_t first = i == 0 ? 0 : rows[0] + (i == 1 ? 0 : rows[1]);
    out_.back().or_from_gguf = {
        take_rows(first, rows[i], std::move(whole)).of(prefix_.gguf + "attn_qkv" + end)};
  };
  for (size_t i = 0; i < 3; ++i) {
    matrix(names[i], rows[i], s.columns);
    add_part(i, ".weight", {all, s.columns});
  }
  for (size_t i = 0; i < 3 && s.with_bias; ++i) {
    bias(names[i], rows[i]);
    add_part(i, ".bias", {all});
  }
}

// A projection of an expert: rows from `first` on of its matrix in a stack of gate and up.
struct WeightNames::ExpertPart {
  std::string hf;
  const char *hf_stack, *gguf, *checkpoint;
  int64_t rows, columns, first, stack_rows;
};

void WeightNames::expert(const Experts& s, int64_t e, const ExpertPart& p) {
  const std::string gguf = fmt::format("ffn_{}_exps", p.gguf);
  matrix({fmt::format("{}{}.{}", s.hf, e, p.hf), gguf, p.checkpoint}, p.rows, p.columns,
         {.from_gguf = take_matrix_rows(e, 0, p.rows, {s.count, p.rows, p.columns})});
  WeightName& name = out_.back();
  name.or_from_hf = {take_matrix_rows(e, p.first, p.rows, {s.count, p.stack_rows, p.columns})
                         .of(prefix_.hf + s.hf_stack + p.hf_stack)};
  name.or_from_gguf = {
      WeightTransform().of(fmt::format("{}ffn_{}.{}.weight", prefix_.gguf, p.gguf, e))};
  if (p.stack_rows == p.rows) return;
  name.or_from_gguf.push_back(
      take_matrix_rows(e, p.first, p.rows, {s.count, p.stack_rows, p.columns})
          .of(prefix_.gguf + "ffn_gate_up_exps.weight"));
}

void WeightNames::experts(const Experts& s) {
  const ExpertPart parts[] = {
      {s.gate, "gate_up_proj", "gate", "mlp.fc", s.inner, s.columns, 0, 2 * s.inner},
      {s.up, "gate_up_proj", "up", "mlp.gate", s.inner, s.columns, s.inner, 2 * s.inner},
      {s.down, "down_proj", "down", "mlp.proj", s.columns, s.inner, 0, s.columns}};
  for (const ExpertPart& part : parts) {
    for (int64_t e = 0; e < s.count; ++e) expert(s, e, part);
  }
}

void WeightNames::gate_up(const std::string& hf, const std::string& gguf, int64_t inner,
                          int64_t columns, bool with_bias) {
  const int64_t rows = 2 * inner;
  const std::pair<const char*, Part> halves[] = {{"mlp.fc", {".gate", 0, inner, rows, 0}},
                                                 {"mlp.gate", {".up", inner, inner, rows, inner}}};
  for (const auto& [ours, half] : halves) {
    matrix_part({hf, gguf, ours}, half, {rows, columns}, false);
    if (with_bias) bias_part({hf, gguf, ours}, half, rows);
  }
}

void WeightNames::gated_mlp(const std::string& hf, int64_t inner, int64_t columns, bool with_bias) {
  linear({hf + "gate_proj", "ffn_gate", "mlp.fc"}, inner, columns, with_bias);
  linear({hf + "up_proj", "ffn_up", "mlp.gate"}, inner, columns, with_bias);
  linear({hf + "down_proj", "ffn_down", "mlp.proj"}, columns, inner, with_bias);
}

}  // namespace ingot
