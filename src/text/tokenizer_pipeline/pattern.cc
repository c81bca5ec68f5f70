#include "text/tokenizer_pipeline/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"
#include "text/utf8.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/pattern";
// Backtracking steps one match may take, and kilobytes of heap it may hold: patterns of tokenizers
// need a few steps a byte, so that this is spent only by runaway ones.
constexpr uint32_t kMatchLimit = 50'000'000;
constexpr uint32_t kHeapLimitKb = 256 * 1024;
constexpr size_t kJitStackStart = 32 * 1024, kJitStackMost = 8 * 1024 * 1024;
// Wall time of all matches of one text; 1 MiB takes about 50 ms.
constexpr double kTimeLimitMs = 20'000;

class LiteralPattern final : public Pattern {
 public:
  explicit LiteralPattern(std::string text) : text_(std::move(text)) { CHECK(!text_.empty()); }
  void for_each(std::string_view text, FunctionRef<void(size_t, size_t)> found) const override {
    for (size_t i = text.find(text_); i != text.npos; i = text.find(text_, i + text_.size())) {
      found(i, i + text_.size());
    }
  }

 private:
  std::string text_;
};

class ScannerPattern final : public Pattern {
 public:
  // most_digits 0: the GPT-2 expression.
  explicit ScannerPattern(int most_digits) : most_digits_(most_digits) {}
  void for_each(std::string_view text, FunctionRef<void(size_t, size_t)> found) const override {
    for (size_t i = 0; i < text.size();) {
      const size_t end =
          most_digits_ == 0 ? scan_gpt2(text, i) : scan_llama3(text, i, most_digits_);
      found(i, end);
      i = end;
    }
  }

 private:
  int most_digits_;
};

template <auto F>
struct Free {
  template <typename T>
  void operator()(T* p) const {
    F(p);
  }
};
using Code = std::unique_ptr<pcre2_code, Free<pcre2_code_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, Free<pcre2_match_data_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Free<pcre2_match_context_free>>;
using JitStack = std::unique_ptr<pcre2_jit_stack, Free<pcre2_jit_stack_free>>;

std::string pcre_message(int code) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(code, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

class PcrePattern final : public Pattern {
 public:
  PcrePattern(std::string_view expression, std::string_view file) : expression_(expression) {
    int error = 0;
    PCRE2_SIZE at = 0;
    const std::string translated = pcre_syntax(expression, file);
    // Ruby's ^ and $ are those of lines.
    code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                              PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                              &error, &at, nullptr));
    if (code_ == nullptr) {
      constexpr size_t kShown = 200;
      const std::string_view whole = expression;
      fail(ErrorCode::kUnsupported, kWhere, "{}: regular expression '{}{}': {} at offset {}", file,
           whole.substr(0, kShown), whole.size() > kShown ? " ..." : "", pcre_message(error), at);
    }
    jit_ = pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE) == 0;
  }

  void for_each(std::string_view text, FunctionRef<void(size_t, size_t)> found) const override {
    const MatchData data(pcre2_match_data_create_from_pattern(code_.get(), nullptr));
    const MatchContext context(pcre2_match_context_create(nullptr));
    const JitStack stack(jit_ ? pcre2_jit_stack_create(kJitStackStart, kJitStackMost, nullptr)
                              : nullptr);
    CHECK(data != nullptr && context != nullptr);
    pcre2_set_match_limit(context.get(), kMatchLimit);
    pcre2_set_heap_limit(context.get(), kHeapLimitKb);
    if (stack) pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
    const Stopwatch watch;
    for (size_t i = 0; i <= text.size();) {
      if (!match(text, i, data.get(), context.get())) return;
      const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(data.get());
      // \K can put the start behind the end or before i.
      const size_t begin = std::max<size_t>(bounds[0], i), end = std::max<size_t>(bounds[1], begin);
      found(begin, end);
      i = end > begin ? end : end < text.size() ? end + decode_utf8(text, end).length : end + 1;
      if (watch.ms() > kTimeLimitMs) too_costly("time limit exceeded");
    }
  }

 private:
  bool match(std::string_view text, size_t from, pcre2_match_data* data,
             pcre2_match_context* context) const {
    const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    int rc =
        pcre2_match(code_.get(), subject, text.size(), from, PCRE2_NO_UTF_CHECK, data, context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) {
      // The interpreter keeps its frames on the heap, under the heap limit.
      rc = pcre2_match(code_.get(), subject, text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                       data, context);
    }
    if (rc == PCRE2_ERROR_NOMATCH) return false;
    if (rc < 0) too_costly(pcre_message(rc));
    return true;
  }
  [[noreturn]] void too_costly(std::string_view reason) const {
    fail(ErrorCode::kInvalidArgument, kWhere, "regular expression '{}' gave up on this text: {}",
         expression_, reason);
  }

  std::string expression_;
  Code code_;
  bool jit_ = false;
};

}  // namespace

std::unique_ptr<Pattern> make_literal_pattern(std::string text) {
  return std::make_unique<LiteralPattern>(std::move(text));
}

std::unique_ptr<Pattern> make_pcre_pattern(std::string_view expression, std::string_view file) {
  return std::make_unique<PcrePattern>(expression, file);
}

std::unique_ptr<Pattern> make_regex_pattern(std::string_view expression, std::string_view file) {
  if (expression == kGpt2Split) return std::make_unique<ScannerPattern>(0);
  if (expression == kLlama3Split) return std::make_unique<ScannerPattern>(3);
  if (expression == kQwen2Split) return std::make_unique<ScannerPattern>(1);
  return make_pcre_pattern(expression, file);
}

}  // namespace ingot
