// Probe: a kind of model from outside, with keys of its own and names of weights of its own. One
// LoaderDef, which puts both into Hugging Face's terms; models know nothing of it.
#include <filesystem>

#include "graph/text.h"
#include "loaders/loader_def.h"
#include "loaders/safetensors.h"
#include "loaders/sharded_weights.h"
#include "models/contract/model_def.h"
#include "tests/loaders/test_files.h"

namespace ingot {
namespace {

constexpr std::string_view kPrefix = "net/";

bool claims(const ModelPath& at) { return at.is_directory && at.has("settings.json"); }

OpenedModel open(const ModelPath& at) {
  OpenedModel out;
  ModelSource& source = out.source;
  source.kind = ModelSourceKind::kHuggingFace;
  source.path = at.path;
  source.config_file = at.file("settings.json");
  const Json settings = parse_json(read_file(source.config_file), "probe", source.config_file);
  source.architecture = settings.at("family");
  source.config = settings.at("sizes");
  const auto file = open_weights_file(at.file("net.weights"));
  auto table = std::make_shared<WeightTable>(file->origin());
  for (const auto& mapped : file->files()) table->add_file(mapped);
  for (const std::string& name : file->names()) {
    WeightInfo info = file->require(name);
    info.name = name.substr(kPrefix.size());
    table->add(info);
  }
  source.weights = {table.get(), [table, file](const WeightSource*) {}};
  out.small_files = {source.config_file};
  return out;
}

// The golden case in the probe's spelling.
void write_probe(const std::string& golden, const ScratchDirectory& dir) {
  const Json config = parse_json(read_file(golden + "/config.json"), "probe", golden);
  dir.write("settings.json", Json({{"family", "llama"}, {"sizes", config}}).dump());
  const auto weights = open_weights_file(golden + "/model.safetensors");
  std::vector<SafetensorsSpec> specs;
  for (const std::string& name : weights->names()) {
    const WeightInfo& info = weights->require(name);
    specs.push_back({std::string(kPrefix) + name, info.type.dtype, info.shape});
  }
  SafetensorsWriter writer(dir / "net.weights", std::move(specs), {});
  for (const SafetensorsSpec& spec : writer.tensors()) {
    writer.write(weights->require(spec.name.substr(kPrefix.size())).bytes);
  }
  writer.commit();
}

const LoaderDef kProbe = {.name = "probe",
                          .title = "probe's folder",
                          .file = "",
                          .folder = "settings.json",
                          .claims = claims,
                          .open = open};

std::vector<const LoaderDef*> with_probe() {
  std::vector<const LoaderDef*> all = loaders_loader_list();
  all.push_back(&kProbe);
  return all;
}

TEST(LoaderProbe, OpensAsTheModelThatItHolds) {
  ScratchDirectory dir;
  const std::string golden = golden_path("llama-mha");
  write_probe(golden, dir);
  const ModelSource source = open_model_source(dir.path(), with_probe());
  EXPECT_EQ(source.loader, &kProbe);
  EXPECT_EQ(source.identity.size(), 32u);
  const ModelSource plain = open_model_source(golden);
  EXPECT_EQ(graph_text(*build_model(source, {})), graph_text(*build_model(plain, {})));
}

// The loader of all other folders is asked last.
TEST(LoaderProbe, GoesBeforeTheGeneralOne) {
  ScratchDirectory dir;
  write_probe(golden_path("llama-mha"), dir);
  dir.write("config.json", "{}");
  EXPECT_EQ(open_model_source(dir.path(), with_probe()).loader, &kProbe);
  expect_error([&] { open_model_source(dir.path()); }, ErrorCode::kCorrupt, {"config.json"});
}

TEST(LoaderProbe, IsNamedWhereNothingIsFound) {
  ScratchDirectory dir;
  dir.write("notes.txt", "x");
  expect_error([&] { open_model_source(dir.path(), with_probe()); }, ErrorCode::kNotFound,
               {"one .gguf file or config.json or settings.json, found 1 files: notes.txt"});
}

}  // namespace
}  // namespace ingot
