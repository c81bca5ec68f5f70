// Layout, little-endian: magic, u32 version, u32 kind, then the fields in the order of the writers.
// A string is a u64 length and its bytes; an optional flag is a byte: 0, 1, or 2 for absent.
// Version 1 had no files of other formats, and vocabularies ended with add_space_prefix.
#include "text/tokenizer_formats/tokenizer_spec.h"

#include "base/byte_reader.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/tokenizer_spec";
constexpr std::string_view kMagic = "INGOTTOK";
constexpr uint32_t kVersion = 2;
enum Kind : uint32_t { kJson = 0, kVocab = 1, kFile = 2 };

class Writer {
 public:
  explicit Writer(Kind kind) {
    out_ = kMagic;
    put(kVersion);
    put<uint32_t>(kind);
  }
  template <typename T>
  void put(T value) {
    out_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void put_text(std::string_view text) {
    put<uint64_t>(text.size());
    out_ += text;
  }
  void put_flag(std::optional<bool> flag) { put<uint8_t>(flag ? *flag : 2); }
  void put_texts(const std::vector<std::string>& list) {
    put<uint64_t>(list.size());
    for (const std::string& text : list) put_text(text);
  }
  template <typename T>
  void put_numbers(const std::vector<T>& list) {
    put<uint64_t>(list.size());
    out_.append(reinterpret_cast<const char*>(list.data()), list.size() * sizeof(T));
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

class SpecReader {
 public:
  SpecReader(std::span<const std::byte> bytes, std::string_view file)
      : in_(bytes, kWhere, file), file_(file) {}

  template <typename T>
  T get(std::string_view what) {
    return in_.read<T>(what);
  }
  std::string_view text(std::string_view what) { return in_.text(in_.read<uint64_t>(what), what); }
  std::optional<bool> flag(std::string_view what) {
    const auto value = in_.read<uint8_t>(what);
    if (value > 2) fail(ErrorCode::kCorrupt, kWhere, "{}: {} is {}", file_, what, value);
    return value == 2 ? std::nullopt : std::optional<bool>(value != 0);
  }
  // An entry takes at least `smallest` bytes, so that a false count cannot reserve much.
  uint64_t count(uint64_t smallest, std::string_view what) {
    const auto n = in_.read<uint64_t>(what);
    if (n > in_.remaining() / smallest) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: {} {} at offset {}, {} bytes left", file_, n, what,
           in_.offset(), in_.remaining());
    }
    return n;
  }
  std::vector<std::string> texts(std::string_view what) {
    std::vector<std::string> list(count(sizeof(uint64_t), what));
    for (std::string& entry : list) entry = text(what);
    return list;
  }
  template <typename T>
  std::vector<T> numbers(std::string_view what) {
    std::vector<T> list(count(sizeof(T), what));
    const auto bytes = in_.bytes(list.size() * sizeof(T), what);
    if (!list.empty()) std::memcpy(list.data(), bytes.data(), bytes.size());
    return list;
  }

 private:
  ByteReader in_;
  std::string_view file_;
};

LoadedTokenizer load_json(std::string_view json, const TokenizerConfig& config,
                          std::string_view file) {
  const TokenizerJson parsed(json, file);
  return load_tokenizer({.file = file, .config = config, .json = &parsed});
}

LoadedTokenizer read_json(SpecReader& in, std::string_view file) {
  TokenizerConfig config;
  config.bos_token = in.text("bos token");
  config.eos_token = in.text("eos token");
  config.unk_token = in.text("unk token");
  config.pad_token = in.text("pad token");
  config.add_bos_token = in.flag("add_bos_token");
  config.add_eos_token = in.flag("add_eos_token");
  return load_json(in.text("tokenizer.json"), config, file);
}

LoadedTokenizer read_vocab(SpecReader& in, uint32_t version, std::string_view file) {
  VocabSource v;
  v.model = in.text("model");
  v.pre = in.text("pre-tokenizer");
  v.tokens = in.texts("tokens");
  v.scores = in.numbers<float>("scores");
  v.types = in.numbers<uint8_t>("token types");
  v.merges = in.texts("merges");
  v.bos_id = in.get<int32_t>("bos id");
  v.eos_id = in.get<int32_t>("eos id");
  v.unk_id = in.get<int32_t>("unk id");
  v.pad_id = in.get<int32_t>("pad id");
  v.add_bos = in.flag("add_bos");
  v.add_eos = in.flag("add_eos");
  v.add_space_prefix = in.flag("add_space_prefix");
  if (version > 1) {
    v.cls_id = in.get<int32_t>("cls id");
    v.sep_id = in.get<int32_t>("sep id");
    v.charsmap = in.text("charsmap");
    v.remove_extra_spaces = in.flag("remove_extra_spaces");
  }
  return load_tokenizer({.file = file, .config = {}, .vocab = &v});
}

LoadedTokenizer read_other(SpecReader& in, std::string_view file) {
  const std::string_view name = in.text("file name");
  const std::string_view config = in.text("tokenizer_config.json");
  const std::string_view bytes = in.text("file");
  const TokenizerConfig parsed =
      config.empty() ? TokenizerConfig() : parse_tokenizer_config(config, file);
  return load_tokenizer({.file = file, .config = parsed, .bytes = bytes, .name = name});
}

}  // namespace

std::string make_tokenizer_spec(std::string_view tokenizer_json, const TokenizerConfig& config) {
  Writer out(kJson);
  out.put_text(config.bos_token);
  out.put_text(config.eos_token);
  out.put_text(config.unk_token);
  out.put_text(config.pad_token);
  out.put_flag(config.add_bos_token);
  out.put_flag(config.add_eos_token);
  out.put_text(tokenizer_json);
  return out.take();
}

std::string make_tokenizer_spec(const VocabSource& v) {
  Writer out(kVocab);
  out.put_text(v.model);
  out.put_text(v.pre);
  out.put_texts(v.tokens);
  out.put_numbers(v.scores);
  out.put_numbers(v.types);
  out.put_texts(v.merges);
  out.put(v.bos_id);
  out.put(v.eos_id);
  out.put(v.unk_id);
  out.put(v.pad_id);
  out.put_flag(v.add_bos);
  out.put_flag(v.add_eos);
  out.put_flag(v.add_space_prefix);
  out.put(v.cls_id);
  out.put(v.sep_id);
  out.put_text(v.charsmap);
  out.put_flag(v.remove_extra_spaces);
  return out.take();
}

std::string make_tokenizer_spec(std::string_view file, std::string_view name,
                                const TokenizerConfig& config) {
  Writer out(kFile);
  out.put_text(name);
  out.put_text(config.json);
  out.put_text(file);
  return out.take();
}

LoadedTokenizer tokenizer_from_spec(std::span<const std::byte> bytes, std::string_view file) {
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!all.starts_with(kMagic)) return load_json(all, {}, file);
  SpecReader in(bytes.subspan(kMagic.size()), file);
  const auto version = in.get<uint32_t>("version");
  if (version == 0 || version > kVersion) {
    fail(ErrorCode::kUnsupported, kWhere, "{}: tokenizer version {}, this program reads 1 to {}",
         file, version, kVersion);
  }
  const auto kind = in.get<uint32_t>("kind");
  if (kind == kJson) return read_json(in, file);
  if (kind == kVocab) return read_vocab(in, version, file);
  if (kind == kFile) return read_other(in, file);
  fail(ErrorCode::kCorrupt, kWhere, "{}: tokenizer kind {}", file, kind);
}

}  // namespace ingot
