#include "cli/contract/serve_flags.h"

#include "base/error.h"
#include "cli/contract/cli_io.h"
#include "cli/contract/flag_names.h"
#include "server/http_client.h"

namespace ingot {

void ServeFlags::declare(Flags& flags) {
  flags.flag("url", &url, "serve: where the server listens");
  flags.flag("endpoint", &endpoint, "serve: chat or completions");
  flags.flag("api-key", &api_key, "serve: shown as a bearer");
  flags.flag("rate", &rate,
             "serve: requests that begin a second, at random moments (Poisson); 0 = at once");
  flags.flag("fixed-rate", &fixed_rate, "serve: --rate in equal distances");
  flags.flag("ignore-eos", &ignore_eos, "serve: answers of exactly --osl tokens");
  flags.flag("no-stream", &no_stream, "serve: whole answers");
  flags.flag("vocab", &vocab, "serve: ids of --random-prompts are below it");
  flags.flag("warmup", &warmup, "serve: requests before those that count");
  flags.flag("retry", &retry, "serve: tries more of a request that was refused (429, 503)");
  flags.flag("timeout", &timeout, "serve: seconds without a byte until a request has failed");
  flags.flag("slo-ttft-ms", &slo_ttft, "serve: goodput counts up to this time to first token");
  flags.flag("slo-tpot-ms", &slo_tpot, "serve: and to this mean time of a later token");
  flags.flag("slo-e2e-ms", &slo_e2e, "serve: and to this time of the whole request");
  flags.flag("report", &report, "serve: an HTML file with plots");
}

std::vector<std::string> ServeFlags::names() {
  FlagNames out;
  ServeFlags().declare(out);
  return out.names;
}

void ServeFlags::check() const {
  if (endpoint != "chat" && endpoint != "completions") {
    throw UsageError(fmt::format("--endpoint: expected chat or completions, found '{}'", endpoint));
  }
  check_range("rate", rate, 0, 1e6);
  check_range("vocab", vocab, 8, 1 << 30);
  check_range("warmup", warmup, 0, 1 << 24);
  check_range("retry", retry, 0, 1 << 20);
  check_range("timeout", timeout, 0, 1e6);
  check_range("slo-ttft-ms", slo_ttft, 0, 1e9);
  check_range("slo-tpot-ms", slo_tpot, 0, 1e9);
  check_range("slo-e2e-ms", slo_e2e, 0, 1e9);
  if (fixed_rate && rate == 0) throw UsageError("--fixed-rate goes with --rate");
  try {
    parse_http_url(url);
  } catch (const Error& error) {
    throw UsageError(std::string("--url: ") + error.what());
  }
}

}  // namespace ingot
