// Filters that filters.cc lists and another file holds. Internal to text/.
#pragma once

#include "text/jinja/library.h"

namespace ingot::jinja {

Value batch_filter(Host& host, const Value& in, const Arguments& args);
Value center_filter(Host& host, const Value& in, const Arguments& args);
Value escape_filter(Host& host, const Value& in, const Arguments& args);
Value forceescape_filter(Host& host, const Value& in, const Arguments& args);
Value format_filter(Host& host, const Value& in, const Arguments& args);
// JSON text to its value: not in Jinja itself, but in the programs DeepSeek's templates are for.
Value from_json_filter(Host& host, const Value& in, const Arguments& args);
Value groupby_filter(Host& host, const Value& in, const Arguments& args);
Value safe_filter(Host& host, const Value& in, const Arguments& args);
Value slice_filter(Host& host, const Value& in, const Arguments& args);
Value truncate_filter(Host& host, const Value& in, const Arguments& args);
Value wordcount_filter(Host& host, const Value& in, const Arguments& args);

// A generator with what `fill` puts into a list; its error waits for the one who asks.
template <typename Fill>
Value lazily(Fill fill) {
  Values out;
  std::exception_ptr failure;
  try {
    fill(out);
  } catch (...) {
    failure = std::current_exception();
  }
  return make_generator(std::move(out), std::move(failure));
}

}  // namespace ingot::jinja
