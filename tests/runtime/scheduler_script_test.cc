// Scheduler scripts: commands in, batches and events out, as text (tests/runtime/scheduler/*.txt).
// Lines that begin with '>' are what the commands above them printed. DEV_INGOT_UPDATE_SCRIPTS=1
// writes them anew; read the difference before you commit it.
//
//   limits rows=4 tokens=64 seq=256 pages=8 [window=64 rotation=9 score=8]    options chunk=16
//   cache=0 fair=0
//   add a prompt=40:7 max=5 [priority=1 n=2 beam=2 stop=9 salt=1 deadline=5 min=2 score=0 tenant=1]
//                       score: prompt_logprobs; of a step at most limits' score positions
//   drafts a=4,5,6      guesses for the sequence's next row
//   next                plans a step, which stays in flight
//   commit [a=7 a.1=8,9 b=!internal]   results of the oldest step; rows not named draw token 1
//   fail                the oldest step fails
//   off a / on a        the draw of a's row in the step planned last is put off; can be made
//   pause a / resume a  its reader is behind, and has caught up
//   cancel a / clock 5 (milliseconds) / hold 3 (pages taken from outside) / kv
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "base/check.h"
#include "runtime/scheduler.h"

namespace ingot {
namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> out;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) {
    if (!part.empty()) out.push_back(part);
  }
  return out;
}

class Script : public DraftSource {
 public:
  std::string run(const std::string& line) {
    const std::vector<std::string> words = split(line, ' ');
    out_.str("");
    std::map<std::string, std::string> args;
    for (size_t i = 1; i < words.size(); ++i) {
      const size_t at = words[i].find('=');
      if (at == std::string::npos) {
        args[""] = words[i];
      } else {
        args[words[i].substr(0, at)] = words[i].substr(at + 1);
      }
    }
    auto number = [&](const char* key, int64_t fallback) {
      return args.count(key) ? std::stoll(args.at(key)) : fallback;
    };
    const std::string& command = words[0];
    if (command == "limits") {
      limits_.vocab_size = 1000;
      limits_.max_batch_rows = number("rows", 4);
      limits_.max_batch_tokens = number("tokens", 64);
      limits_.max_seq_len = number("seq", 256);
      limits_.max_prompt_logits = number("score", 0);
      if (args.count("rotation")) {
        limits_.rotations = {.lengths = {number("rotation", 0)}, .by = Rotations::By::kPrompt};
      }
      limits_.state_groups = {{"kv", KvKind::kPaged, number("pages", 8), 0}};
      if (args.count("window")) {
        limits_.state_groups[0].kind = KvKind::kWindowed;
        limits_.state_groups[0].window = number("window", 0);
      }
    } else if (command == "options") {
      options_.max_chunk = number("chunk", 0);
      options_.prefix_cache = number("cache", 1) != 0;
      options_.fair = number("fair", 1) != 0;
    } else if (command == "add") {
      add(words[1], args, number("priority", 0), number("deadline", -1));
    } else if (command == "drafts") {
      for (const auto& [name, tokens] : args) drafts_[name] = tokens;
    } else if (command == "next") {
      print_batch(scheduler().next());
    } else if (command == "commit") {
      commit(args);
    } else if (command == "off") {
      const auto& rows = steps_.back().names;
      const auto at = static_cast<size_t>(std::ranges::find(rows, words[1]) - rows.begin());
      const std::vector<size_t> off = {at};
      scheduler().put_off(off);
      off_.emplace(steps_.back().batch, at);
    } else if (command == "on") {
      const auto is_it = [&](const auto& slot) { return slot.second == words[1]; };
      scheduler().take_up(std::ranges::find_if(slots_, is_it)->first);
    } else if (command == "fail") {
      const int64_t step = steps_.front().batch->step;
      steps_.erase(steps_.begin());
      scheduler().fail_step(step, FinishReason::kInternal);
    } else if (command == "cancel") {
      scheduler().cancel(ids_.at(args.at("")));
    } else if (command == "pause") {
      if (!scheduler().pause(ids_.at(args.at("")))) out_ << "> not paused\n";
    } else if (command == "resume") {
      scheduler().resume(ids_.at(args.at("")));
    } else if (command == "clock") {
      clock_.advance_ns(std::stoll(args.at("")) * 1'000'000);
    } else if (command == "hold") {
      KvTables tables = scheduler().kv().make_tables(0);
      std::vector<PageCopy> copies;
      CHECK(scheduler().kv().append(tables, std::stoll(args.at("")) * 32, 0, copies));
      held_ = true;
    } else if (command == "kv") {
      out_ << "> available " << scheduler().kv().available(0) << " of "
           << limits_.state_groups[0].num_pages << "\n";
    } else {
      ADD_FAILURE() << "unknown command: " << line;
    }
    if (scheduler_ != nullptr) {
      print_events();
      if (!held_) scheduler_->check_invariants();
    }
    return out_.str();
  }

  int draft(const Sequence& s, int most, TokenId* out) override {
    auto it = drafts_.find(name_of(s.request->id, s.choice));
    if (it == drafts_.end()) return 0;
    int count = 0;
    for (const std::string& token : split(it->second, ',')) {
      if (count < most) out[count++] = std::stoi(token);
    }
    drafts_.erase(it);
    return count;
  }

 private:
  struct Flight {
    const Batch* batch;
    std::vector<std::string> names;  // of each row
  };

  Scheduler& scheduler() {
    if (scheduler_ == nullptr) {
      options_.drafts = use_drafts || !drafts_.empty() ? this : nullptr;
      scheduler_ = std::make_unique<Scheduler>(limits_, options_, clock_);
    }
    return *scheduler_;
  }

  std::string name_of(uint64_t id, int32_t choice) const {
    for (const auto& [name, known] : ids_) {
      if (known == id) return choice == 0 ? name : name + "." + std::to_string(choice);
    }
    return "?";
  }

  void add(const std::string& name, std::map<std::string, std::string>& args, int64_t priority,
           int64_t deadline) {
    auto request = std::make_shared<Request>();
    request->id = ids_[name] = ids_.size() + 1;
    const std::vector<std::string> prompt = split(args["prompt"], ':');
    const int64_t base = prompt.size() > 1 ? std::stoll(prompt[1]) : 0;
    for (int64_t i = 0; i < std::stoll(prompt[0]); ++i) {
      request->prompt.push_back(static_cast<TokenId>(100 + base * 50 + i % 50));
    }
    request->priority = static_cast<int32_t>(priority);
    if (deadline >= 0) request->deadline_ns = clock_.now_ns() + deadline * 1'000'000;
    SamplingParams& p = request->sampling;
    if (args.count("max")) p.max_tokens = std::stoll(args["max"]);
    if (args.count("min")) p.min_tokens = std::stoll(args["min"]);
    if (args.count("n")) p.n = std::stoi(args["n"]);
    if (args.count("beam")) p.beam_width = std::stoi(args["beam"]);
    if (args.count("stop")) p.stop_token_ids = {std::stoi(args["stop"])};
    if (args.count("score")) p.prompt_logprobs = std::stoi(args["score"]);
    if (args.count("tenant")) request->tenant = std::stoull(args["tenant"]);
    if (args.count("salt")) request->tenant_salt.low = std::stoull(args["salt"]);
    scheduler().add(request);
  }

  void print_batch(const Batch* batch) {
    if (batch == nullptr) {
      out_ << "> nothing\n";
      return;
    }
    Flight flight{batch, {}};
    for (const SlotStart& start : batch->slot_starts) {
      slots_[start.slot] = name_of(start.request->id, start.choice);
    }
    out_ << "> step " << batch->step << "\n";
    for (const PageCopy& copy : batch->copies) {
      out_ << ">   copy page " << copy.source << " to " << copy.target << "\n";
    }
    for (size_t r = 0; r < batch->rows.size(); ++r) {
      const BatchRow& row = batch->rows[r];
      flight.names.push_back(slots_.at(row.slot));
      out_ << ">   " << flight.names.back() << " @" << row.first_position << " +" << row.query_len;
      if (row.query_len > 0 &&
          batch->token_ids[static_cast<size_t>(row.token_begin + row.query_len - 1)] ==
              kLastSampled) {
        out_ << " last";
      }
      if (row.draft_len > 0) out_ << " drafts " << row.draft_len;
      if (row.prompt_count > 0) {
        const int32_t token = batch->logit_rows[static_cast<size_t>(row.prompt_begin)];
        out_ << " score @" << row.first_position + token - row.token_begin << " +"
             << row.prompt_count;
      }
      if (row.logit_count > 0) out_ << " sample";
      if (row.parent >= 0) out_ << " from " << flight.names[static_cast<size_t>(row.parent)];
      out_ << " pages";
      for (PageId page : batch->table(0, r)) {
        out_ << " " << (page == kNoPage ? std::string("-") : std::to_string(page));
      }
      out_ << "\n";
    }
    steps_.push_back(std::move(flight));
  }

  void commit(const std::map<std::string, std::string>& args) {
    const Flight flight = steps_.front();
    steps_.erase(steps_.begin());
    StepResult result;
    result.step = flight.batch->step;
    for (size_t r = 0; r < flight.names.size(); ++r) {
      RowResult& row = result.rows.emplace_back();
      row.prompt_logprobs.resize(static_cast<size_t>(flight.batch->rows[r].prompt_count));
      if (flight.batch->rows[r].logit_count == 0 || off_.contains({flight.batch, r})) continue;
      auto it = args.find(flight.names[r]);
      const std::string tokens = it == args.end() ? "1" : it->second;
      if (tokens[0] == '!') {
        row.failure = FinishReason::kInternal;
        continue;
      }
      for (const std::string& token : split(tokens, ',')) {
        row.tokens[row.count++] = static_cast<TokenId>(std::stoi(token));
      }
      // Beam rows: "7,8" stands for candidates 7 and 8, the earlier the likelier.
      TokenLogprobs& logprobs = row.logprobs.emplace_back();
      for (int i = 0; i < row.count; ++i) {
        logprobs.top.emplace_back(row.tokens[static_cast<size_t>(i)],
                                  -0.5f - static_cast<float>(i));
      }
      if (it != args.end() && flight.batch->rows[r].logit_count < row.count) row.count = 1;
    }
    scheduler().commit(result);
    std::erase_if(off_, [&](const auto& row) { return row.first == flight.batch; });
  }

  void print_events() {
    for (const TokenEvent& event : scheduler_->events()) {
      out_ << "> " << name_of(event.request_id, event.choice) << ":";
      for (TokenId token : event.token_span()) out_ << " " << token;
      if (!event.prompt_logprobs.empty()) out_ << " scored " << event.prompt_logprobs.size();
      if (event.finish != FinishReason::kNone) out_ << " " << finish_reason_name(event.finish);
      if (event.request_done) out_ << " done";
      out_ << "\n";
    }
    scheduler_->events().clear();
  }

 public:
  bool use_drafts = false;

 private:
  ModelLimits limits_;
  SchedulerOptions options_;
  FakeClock clock_;
  std::unique_ptr<Scheduler> scheduler_;
  std::map<std::string, uint64_t> ids_;
  std::map<std::string, std::string> drafts_;
  std::map<int32_t, std::string> slots_;
  std::vector<Flight> steps_;
  std::set<std::pair<const Batch*, size_t>> off_;  // rows without a token
  std::ostringstream out_;
  bool held_ = false;
};

std::filesystem::path folder() {
  return std::filesystem::path(INGOT_TEST_DATA).parent_path() / "runtime" / "scheduler";
}

std::vector<std::string> names() {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder())) {
    if (entry.path().extension() == ".txt") out.push_back(entry.path().stem().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

class SchedulerScript : public ::testing::TestWithParam<std::string> {};

TEST_P(SchedulerScript, PrintsWhatTheFileSays) {
  const std::filesystem::path path = folder() / (GetParam() + ".txt");
  std::ifstream file(path);
  std::stringstream buffer;
  buffer << file.rdbuf();
  const std::string want = buffer.str();
  ASSERT_NE(want.find('>'), want.find("next")) << path << " is empty";
  Script script;
  script.use_drafts = want.find("\ndrafts ") != std::string::npos;
  std::string got;
  for (std::string line; std::getline(buffer, line);) {
    if (!line.empty() && line[0] == '>') continue;
    got += line + "\n";
    if (!line.empty() && line[0] != '#') got += script.run(line);
  }
  if (std::getenv("DEV_INGOT_UPDATE_SCRIPTS") != nullptr) {
    std::ofstream(path) << got;
    return;
  }
  EXPECT_EQ(got, want);
}

INSTANTIATE_TEST_SUITE_P(Files, SchedulerScript, ::testing::ValuesIn(names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace ingot
