// Reads CMake's list of CUDA architectures, as a program holds it: "80, 86-real, 90a".
#pragma once

#include <algorithm>
#include <charconv>
#include <string_view>

namespace ingot {

// One entry: code for GPUs of capability `number` / 10 and, unless `exact` (90a), later ones of the
// same major number; without "-real" also as PTX, of which drivers make code for any later GPU.
struct CudaArchitecture {
  int number = 0;  // 0: a name ("native", "all-major")
  bool exact = false, ptx = true, code = true;
};

inline CudaArchitecture parse_architecture(std::string_view text) {
  CudaArchitecture out;
  const char* end = std::from_chars(text.data(), text.data() + text.size(), out.number).ptr;
  const std::string_view rest = text.substr(static_cast<size_t>(end - text.data()));
  out.exact = rest.starts_with("a");
  out.ptx = !rest.ends_with("-real");
  out.code = !rest.ends_with("-virtual");
  return out;
}

// Calls f(text of an entry) for each.
template <class F>
void for_each_architecture(std::string_view list, F&& f) {
  while (!list.empty()) {
    const size_t length = std::min(list.find(", "), list.size());
    f(list.substr(0, length));
    list.remove_prefix(std::min(length + 2, list.size()));
  }
}

// True where the list has code for `architecture` ("90a"), not only PTX.
inline bool names_architecture(std::string_view list, std::string_view architecture) {
  bool found = false;
  for_each_architecture(list, [&](std::string_view text) {
    found |= text.substr(0, text.find('-')) == architecture && parse_architecture(text).code;
  });
  return found;
}

// 10 x the compute capability that the code was written for which a GPU of `capability` runs: the
// last one that was compiled for its major number, else the last PTX. 0: there is none.
inline int code_version(std::string_view list, int capability) {
  int code = 0;
  int ptx = 0;
  for_each_architecture(list, [&](std::string_view text) {
    const CudaArchitecture a = parse_architecture(text);
    if (a.number == 0) code = capability;  // what CMake finds or all there are: also this GPU
    if (a.number > capability || (a.exact && a.number != capability)) return;
    if (a.code && a.number / 10 == capability / 10) code = std::max(code, a.number);
    if (a.ptx) ptx = std::max(ptx, a.number);
  });
  return code > 0 ? code : ptx;
}

}  // namespace ingot
