#include <bit>
#include <cstring>

#include "server/api_error.h"
#include "server/embedding_call.h"
#include "server/server_state.h"
#include "server/token_ids.h"
#include "text/base64.h"

namespace ingot {
namespace route_embeddings {

constexpr size_t kMostInputs = 2048;               // as OpenAI's API
constexpr int64_t kMostTokens = int64_t{1} << 20;  // of all inputs together

const Schema& schema() {
  static const Schema schema = {
      "CreateEmbedding",
      joined_fields(
          {{{.name = "input",
             .kinds = kTextField | kListField,
             .min = 1,
             .required = true,
             .help = "a text, a list of texts, a list of token ids, or a list of such; 2048 at "
                     "most"},
            {.name = "model", .kinds = kTextField, .max = 256},
            {.name = "encoding_format",
             .kinds = kTextField,
             .one_of = {"float", "base64"},
             .help = "numbers, or the base64 of little-endian float32"},
            {.name = "dimensions",
             .kinds = kIntegerField,
             .min = 1,
             .max = 1 << 24,
             .help = "the first numbers of a vector, of length 1 again, where the model was "
                     "trained for it"},
            {.name = "truncate_prompt_tokens",
             .kinds = kIntegerField,
             .min = -1,
             .max = 1 << 30,
             .help = "cut longer texts at their end; -1: to what the model takes"},
            {.name = "add_special_tokens", .kinds = kBoolField}},
           ignored_fields()})};
  return schema;
}

struct Job {
  std::vector<std::vector<int32_t>> sequences;
  size_t dimensions = 0;  // 0: all
  bool base64 = false;
};

class Reader {
 public:
  Reader(const Json& body, const ServedModel& model)
      : body_(body), model_(model), embeddings_(model.require_embeddings()) {}

  Job read() {
    model_.check_wanted(body_);
    Job out;
    out.dimensions = dimensions();
    const Json* format = given(body_, "encoding_format");
    out.base64 = format != nullptr && *format == "base64";
    read_text_options();
    const Json& input = body_["input"];
    const bool one = input.is_string() || input[0].is_number();
    if (one) {
      out.sequences.push_back(sequence(input, "input"));
      return out;
    }
    if (input.size() > kMostInputs) {
      throw bad_request("input", fmt::format("'input': expected at most {} texts, found {}",
                                             kMostInputs, input.size()));
    }
    int64_t tokens = 0;
    for (size_t i = 0; i < input.size(); ++i) {
      out.sequences.push_back(sequence(input[i], fmt::format("input[{}]", i)));
      tokens += static_cast<int64_t>(out.sequences.back().size());
      if (tokens > kMostTokens) {
        throw bad_request("input", fmt::format("'input': expected at most {} tokens in all texts "
                                               "together",
                                               kMostTokens));
      }
    }
    return out;
  }

 private:
  size_t dimensions() const {
    const Json* wanted = given(body_, "dimensions");
    if (wanted == nullptr) return 0;
    const auto count = static_cast<int64_t>(wanted->get<double>());
    const int64_t all = embeddings_.queue->limits().columns;
    const EmbeddingRules& rules = embeddings_.rules;
    if (count == all) return 0;
    if (rules.any_dimensions && count < all) return static_cast<size_t>(count);
    const auto& known = rules.dimensions;
    if (count < all && std::find(known.begin(), known.end(), count) != known.end()) {
      return static_cast<size_t>(count);
    }
    const std::string expected =
        rules.any_dimensions ? fmt::format("1 to {}", all)
        : known.empty()
            ? fmt::format("{} (the model does not say that it was trained for shorter vectors)",
                          all)
            : fmt::format("{} or one of {}", all, fmt::join(known, ", "));
    throw bad_request("dimensions",
                      fmt::format("'dimensions': expected {}, found {}", expected, count));
  }

  void read_text_options() {
    if (const Json* add = given(body_, "add_special_tokens")) {
      options_.add_special = add->get<bool>();
    }
    const Json* cut = given(body_, "truncate_prompt_tokens");
    if (cut == nullptr) return;
    const auto most = static_cast<int64_t>(cut->get<double>());
    const int64_t limit = embeddings_.queue->limits().max_tokens;
    if (most == 0 || most > limit) {
      throw bad_request(
          "truncate_prompt_tokens",
          fmt::format("'truncate_prompt_tokens': expected -1 or 1 to {}, found {}", limit, most));
    }
    options_.truncate = most < 0 ? limit : most;
  }

  std::vector<int32_t> sequence(const Json& input, const std::string& path) const {
    std::vector<int32_t> ids;
    if (input.is_string()) {
      const auto& text = input.get_ref<const std::string&>();
      if (text.empty()) throw empty(path);
      try {
        ids = embedding_ids(model_.require_tokenizer(path), embeddings_.rules, text, options_);
        check_embedding_ids(ids, embeddings_.queue->limits());
      } catch (const Error& error) {
        ApiError out = api_error_of(error);
        out.param = path;
        throw out;
      }
    } else if (input.is_array()) {
      ids = read_token_ids(input, path, embeddings_.queue->limits().vocab_size);
      const auto most = static_cast<size_t>(options_.truncate);
      if (most > 0 && ids.size() > most) ids.resize(most);
    } else {
      throw bad_request(path, fmt::format("'{}': expected a text or a list of token ids", path));
    }
    if (ids.empty()) throw empty(path);
    const int64_t limit = embeddings_.queue->limits().max_tokens;
    if (static_cast<int64_t>(ids.size()) <= limit) return ids;
    ApiError error =
        bad_request(path, fmt::format("'{}': the text has {} tokens; expected at most {} "
                                      "('truncate_prompt_tokens' cuts longer ones)",
                                      path, ids.size(), limit));
    error.code = "context_length_exceeded";
    throw error;
  }

  static ApiError empty(const std::string& path) {
    return bad_request(path, fmt::format("'{}': expected a text, found an empty one", path));
  }

  const Json& body_;
  const ServedModel& model_;
  const ServedEmbeddings& embeddings_;
  EmbeddingText options_;
};

void append_vector(const std::vector<float>& whole, const Job& job, std::string& out) {
  std::vector<float> shorter;
  if (job.dimensions > 0) {
    shorter.assign(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(job.dimensions));
    normalize(shorter);
  }
  const std::vector<float>& vector = job.dimensions > 0 ? shorter : whole;
  if (!job.base64) {
    out += fmt::format("[{}]", fmt::join(vector, ","));
    return;
  }
  static_assert(std::endian::native == std::endian::little);
  const std::string_view bytes(reinterpret_cast<const char*>(vector.data()),
                               vector.size() * sizeof(float));
  out += '"' + encode_base64(bytes) + '"';
}

// As text: a tree of a million numbers would be larger than the answer.
std::string answer_text(const Job& job, const EmbeddingJob& done, const std::string& model) {
  std::string out = R"({"object":"list","data":[)";
  for (size_t i = 0; i < done.vectors().size(); ++i) {
    out += fmt::format(R"({}{{"object":"embedding","index":{},"embedding":)", i > 0 ? "," : "", i);
    append_vector(done.vectors()[i], job, out);
    out += '}';
  }
  out += fmt::format(R"(],"model":{},"usage":{{"prompt_tokens":{},"total_tokens":{}}}}})",
                     Json(model).dump(), done.tokens(), done.tokens());
  return out;
}

Task<> handle(Call& call) {
  ServedModel& model = call.model();
  Job job = co_await call.on_worker([&] {
    const Json body = call.read_body(schema());
    return Reader(body, model).read();
  });
  EmbeddingCall running(call, model, std::move(job.sequences));
  const bool whole = co_await running.finish();
  if (!whole) co_return;
  const std::string body =
      co_await call.on_worker([&] { return answer_text(job, running.job(), model.name); });
  co_await call.reply_text(200, "application/json", body);
}

}  // namespace route_embeddings

const RouteDef& embeddings_route() {
  using namespace route_embeddings;
  static const RouteDef def = {.name = "embeddings",
                               .method = Method::kPost,
                               .path = "/v1/embeddings",
                               .access = Access::with_key(),
                               .help = "a vector for each text",
                               .handle = handle,
                               .body = schema};
  return def;
}

}  // namespace ingot
