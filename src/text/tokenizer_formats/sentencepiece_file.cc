#include "text/tokenizer_formats/sentencepiece_file.h"

#include <algorithm>

#include "base/error.h"
#include "text/tokenizer_formats/protobuf.h"
#include "text/tokenizer_formats/tiktoken_file.h"
#include "text/tokenizer_pipeline/byte_alphabet.h"
#include "text/tokenizer_pipeline/sentencepiece_normalizer.h"
#include "text/utf8.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/sentencepiece_file";
constexpr uint32_t kPieces = 1, kTrainer = 2, kNormalizer = 3, kDenormalizer = 5;  // of the file
constexpr uint32_t kModelType = 3;                                                 // of the trainer

using Type = SentencePieceFile::Type;

Type checked_type(uint64_t type, std::string_view file) {
  if (type == static_cast<uint64_t>(Type::kUnigram)) return Type::kUnigram;
  if (type == static_cast<uint64_t>(Type::kBpe)) return Type::kBpe;
  fail(ErrorCode::kUnsupported, kWhere,
       "{}: model_type: expected 1 (UNIGRAM) or 2 (BPE), found {}{}", file, type,
       type == 3   ? " (WORD)"
       : type == 4 ? " (CHAR)"
                   : "");
}

class FileReader {
 public:
  explicit FileReader(std::string_view file) : file_(file) {}

  SentencePieceFile read(std::string_view bytes) {
    ProtoReader in(bytes, "model", file_);
    while (in.next()) {
      switch (in.field()) {
        case kPieces:
          read_piece(in.message("piece"));
          break;
        case kTrainer:
          read_trainer(in.message("trainer_spec"));
          break;
        case kNormalizer:
          read_normalizer(in.message("normalizer_spec"));
          break;
        case kDenormalizer:
          read_denormalizer(in.message("denormalizer_spec"));
          break;
        default:
          break;
      }
    }
    check_pieces();
    out_.vocab.bos_id = find(bos_);
    out_.vocab.eos_id = find(eos_);
    out_.vocab.pad_id = find(pad_);
    return std::move(out_);
  }

 private:
  void read_piece(ProtoReader in) {
    std::string_view text;
    float score = 0;
    uint64_t type = static_cast<uint64_t>(VocabTokenType::kNormal);
    while (in.next()) {
      if (in.field() == 1) text = in.text();
      if (in.field() == 2) score = in.real();
      if (in.field() == 3) type = in.number();
    }
    const size_t id = out_.vocab.tokens.size();
    if (text.empty() || validate_utf8(text) != kUtf8Valid) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: piece {}: expected a text in UTF-8, found {}", file_,
           id, text.empty() ? "none" : "other bytes");
    }
    if (type < 1 || type > 6) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: piece {}: expected a type of 1 to 6, found {}", file_,
           id, type);
    }
    out_.vocab.tokens.emplace_back(text);
    out_.vocab.scores.push_back(score);
    out_.vocab.types.push_back(static_cast<uint8_t>(type));
  }

  void read_trainer(ProtoReader in) {
    while (in.next()) {
      switch (in.field()) {
        case kModelType:
          out_.type = checked_type(in.number(), file_);
          break;
        case 24:
          out_.space_behind = in.flag();
          break;
        case 35:
          out_.byte_fallback = in.flag();
          break;
        case 46:
          bos_ = in.text();
          break;
        case 47:
          eos_ = in.text();
          break;
        case 48:
          pad_ = in.text();
          break;
        default:
          break;
      }
    }
  }

  void read_normalizer(ProtoReader in) {
    while (in.next()) {
      if (in.field() == 2) out_.vocab.charsmap = in.text();
      if (in.field() == 3) out_.add_space = in.flag();
      if (in.field() == 4) out_.remove_extra_spaces = in.flag();
      if (in.field() == 5) out_.mark_spaces = in.flag();
    }
  }

  void read_denormalizer(ProtoReader in) {
    while (in.next()) {
      if (in.field() != 2 || in.text().empty()) continue;
      fail(ErrorCode::kUnsupported, kWhere, "{}: a denormalizer is not supported", file_);
    }
  }

  // As the reference implementation does when it loads a model.
  void check_pieces() {
    VocabSource& v = out_.vocab;
    StringIndex seen(v.tokens.size());
    std::vector<bool> bytes(256);
    for (size_t i = 0; i < v.tokens.size(); ++i) {
      const auto refuse = [&](std::string_view why) {
        fail(ErrorCode::kCorrupt, kWhere, "{}: piece {} '{}': {}", file_, i, v.tokens[i], why);
      };
      const int32_t other = seen.find(v.tokens[i]);
      if (other >= 0) refuse(fmt::format("expected another text than that of piece {}", other));
      seen.insert(v.tokens[i], static_cast<int32_t>(i));
      const auto type = static_cast<VocabTokenType>(v.types[i]);
      if (type == VocabTokenType::kUnknown) {
        if (v.unk_id >= 0) refuse("expected one unknown piece, found a second");
        v.unk_id = static_cast<int32_t>(i);
      }
      if (type == VocabTokenType::kByte) {
        const int byte = byte_of_fallback(v.tokens[i]);
        if (byte < 0 || !out_.byte_fallback) refuse("a byte's piece is not expected here");
        bytes[byte] = true;
      }
      // What would be found by what comes of it is not kept: the splits of the text.
      if (type == VocabTokenType::kUnused && out_.type == Type::kBpe) {
        fail(ErrorCode::kUnsupported, kWhere, "{}: piece {}: unused pieces of BPE", file_, i);
      }
    }
    if (v.unk_id < 0) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: expected an unknown piece, found none among {}", file_,
           v.tokens.size());
    }
    const auto missing = std::find(bytes.begin(), bytes.end(), false) - bytes.begin();
    if (out_.byte_fallback && missing < 256) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: expected pieces for 256 bytes, found none for {}",
           file_, missing);
    }
  }

  int32_t find(std::string_view piece) const {
    const auto& tokens = out_.vocab.tokens;
    const auto at = std::find(tokens.begin(), tokens.end(), piece);
    return at == tokens.end() ? -1 : static_cast<int32_t>(at - tokens.begin());
  }

  std::string_view file_;
  SentencePieceFile out_;
  std::string bos_ = "<s>", eos_ = "</s>", pad_ = "<pad>";
};

}  // namespace

std::vector<std::string_view> sentencepiece_endings() {
  return {".model", ".spm", ".model.v1", ".model.v2", ".model.v3", ".model.v7"};
}

std::vector<std::string_view> sentencepiece_names() {
  return {"tokenizer.model",
          "spiece.model",
          "spm.model",
          "sentencepiece.model",
          "sentencepiece.bpe.model",
          "*.spm",
          "*.model.v1",
          "*.model.v2",
          "*.model.v3",
          "*.model.v7"};
}

bool is_sentencepiece(const TokenizerSource& source, Type type) {
  if (is_tiktoken_text(source.bytes)) return false;
  Type found = Type::kUnigram;
  ProtoReader in(source.bytes, "model", source.file);
  while (in.next()) {
    if (in.field() != kTrainer) continue;
    ProtoReader trainer = in.message("trainer_spec");
    while (trainer.next()) {
      if (trainer.field() == kModelType) found = checked_type(trainer.number(), source.file);
    }
  }
  return found == type;
}

SentencePieceFile read_sentencepiece_file(std::string_view bytes, std::string_view file) {
  return FileReader(file).read(bytes);
}

void use_sentencepiece_spaces(const SentencePieceFile& model, TokenizerParts& parts) {
  SentencePieceRules rules;
  rules.charsmap = Charsmap(model.vocab.charsmap, parts.file);
  rules.add_space = model.add_space;
  rules.only_at_start = model.space_at_start_only;
  rules.space_behind = model.space_behind;
  rules.remove_extra_spaces = model.remove_extra_spaces;
  rules.mark_spaces = model.mark_spaces;
  for (size_t i = 0; i < parts.tokens.size(); ++i) {
    if (parts.is_user_piece(i)) rules.kept.push_back(parts.tokens[i]);
  }
  parts.normalizers.push_back(make_sentencepiece_normalizer(std::move(rules)));
  parts.decoder.add_replacement(std::string(kSpaceMarker), " ");
  parts.decoder.byte_fallback = model.byte_fallback;
  constexpr int kAllSpaces = 1 << 30;
  parts.decoder.drop_spaces = model.remove_extra_spaces ? kAllSpaces : model.add_space ? 1 : 0;
}

}  // namespace ingot
