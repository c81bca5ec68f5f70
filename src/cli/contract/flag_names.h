// The names of what is declared, for who asks whose a flag is.
#pragma once

#include <string>
#include <vector>

#include "cli/contract/command.h"

namespace ingot {

class FlagNames final : public Flags {
 public:
  void argument(std::string, std::string*, std::string, bool, bool*) override {}
  void arguments(std::string, std::vector<std::string>*, std::string) override {}
  void flag(std::string name, std::string*, std::string, bool*) override { add(name); }
  void flag(std::string name, int64_t*, std::string, bool*) override { add(name); }
  void flag(std::string name, double*, std::string, bool*) override { add(name); }
  void flag(std::string name, bool*, std::string) override { add(name); }
  void flag(std::string name, std::vector<std::string>*, std::string) override { add(name); }
  void text(std::string name, std::string*, std::string) override { add(name); }
  void also(const std::string&, const std::vector<std::string>&) override {}
  void other(const OtherFlag&) override {}
  void config_file() override {}
  void given(std::vector<std::string>*) override {}

  std::vector<std::string> names;

 private:
  void add(const std::string& name) { names.push_back(name); }
};

}  // namespace ingot
