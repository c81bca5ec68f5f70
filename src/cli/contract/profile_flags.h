// --minShapes, --optShapes and --maxShapes: shapes of a network's inputs that are not fixed.
#pragma once

#include <string>
#include <vector>

#include "capi/network.h"
#include "cli/contract/command.h"

namespace ingot {

class ProfileFlags {
 public:
  void declare(Flags& flags);
  bool given() const { return !min_.empty() || !opt_.empty() || !max_.empty(); }
  // NAME:1x3x224x224, several with commas or by repeating the flag. What is left out for an input
  // is taken from the next larger shape, else from the next smaller one. UsageError on bad text.
  ShapeProfile profile() const;

 private:
  std::vector<std::string> min_, opt_, max_;
};

}  // namespace ingot
