#include "cli/contract/npy.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/byte_reader.h"
#include "base/checked.h"
#include "base/file.h"
#include "base/mapped_file.h"
#include "base/printable.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "cli/npy";
constexpr std::string_view kMagic = "\x93NUMPY";

struct Code {
  std::string_view text;
  DType dtype;
};
constexpr Code kCodes[] = {
    {"<f4", DType::kFloat32}, {"<f2", DType::kFloat16}, {"<f8", DType::kFloat64},
    {"|i1", DType::kInt8},    {"|u1", DType::kUInt8},   {"<i2", DType::kInt16},
    {"<u2", DType::kUInt16},  {"<i4", DType::kInt32},   {"<u4", DType::kUInt32},
    {"<i8", DType::kInt64},   {"<u8", DType::kUInt64},  {"|b1", DType::kBool}};

// The text after 'key': in the header's dictionary.
std::string_view after(std::string_view header, std::string_view key, const std::string& path) {
  const size_t at = header.find(fmt::format("'{}':", key));
  if (at == std::string_view::npos) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: header without '{}'", path, key);
  }
  std::string_view rest = header.substr(at + key.size() + 3);
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  return rest;
}

constexpr size_t kShownBytes = 60;  // of a header's text in messages

DType parse_type(std::string_view text, const std::string& path) {
  std::vector<std::string_view> known;
  for (const Code& code : kCodes) {
    if (text.starts_with(fmt::format("'{}'", code.text))) return code.dtype;
    known.push_back(code.text);
  }
  fail(ErrorCode::kUnsupported, kWhere, "{}: header: 'descr': expected one of {}, found {}", path,
       fmt::join(known, ", "), printable_start(text.substr(0, text.find(',')), kShownBytes));
}

Shape parse_shape(std::string_view text, const std::string& path) {
  const size_t end = text.find(')');
  const auto shown = [&] { return printable_start(text.substr(0, end + 1), kShownBytes); };
  if (text.empty() || text.front() != '(' || end == std::string_view::npos) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: header: 'shape': expected a tuple, found {}", path,
         printable_start(text, kShownBytes));
  }
  Shape shape;
  const char* at = text.data() + 1;
  const char* last = text.data() + end;
  while (at < last) {
    if (*at == ' ' || *at == ',') {
      ++at;
      continue;
    }
    int64_t value = 0;
    const auto [next, error] = std::from_chars(at, last, value);
    if (error != std::errc() || value < 0) {
      fail(ErrorCode::kCorrupt, kWhere,
           "{}: header: 'shape': expected sizes from 0 to 2^63 - 1, found {}", path, shown());
    }
    shape.push_back(value);
    at = next;
  }
  try {
    checked_elements(shape, "shape");
  } catch (const Error&) {
    fail(ErrorCode::kCorrupt, kWhere,
         "{}: header: 'shape': expected at most 2^62 elements (2^58 beside a size of 0), found {}",
         path, shown());
  }
  return shape;
}

}  // namespace

HostTensor::HostTensor(ElementType t, Shape s) : type(t), shape(std::move(s)) {
  bytes.resize(static_cast<size_t>(type.bytes(element_count(shape))));
}
TensorView HostTensor::view() const {
  // Absent is spelled nullptr, so an empty tensor points to something.
  static std::byte nothing[1];
  auto* data = const_cast<std::byte*>(bytes.data());
  return {type, shape, bytes.empty() ? nothing : data};
}

HostTensor read_npy(const std::string& path) {
  const auto file = MappedFile::open(path);
  ByteReader reader(file->bytes(), kWhere, path);
  if (reader.text(kMagic.size(), "magic") != kMagic) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: expected a .npy file, found {}", path,
         describe_bytes(file->bytes()));
  }
  const auto version = reader.read<uint8_t>("version");
  if (version < 1 || version > 3) {
    fail(ErrorCode::kUnsupported, kWhere, "{}: version: expected 1, 2 or 3, found {}", path,
         version);
  }
  reader.read<uint8_t>("minor version");
  const uint64_t length = version == 1 ? reader.read<uint16_t>("header length")
                                       : reader.read<uint32_t>("header length");
  const std::string_view header = reader.text(length, "header");
  const std::string_view descr = after(header, "descr", path);
  if (after(header, "fortran_order", path).substr(0, 4) == "True") {
    fail(ErrorCode::kUnsupported, kWhere, "{}: expected row-major (C) order, found Fortran", path);
  }
  HostTensor out;
  out.type = parse_type(descr, path);
  out.shape = parse_shape(after(header, "shape", path), path);
  const auto count = static_cast<uint64_t>(checked_elements(out.shape, "npy shape"));
  uint64_t size = 0;
  const bool fits = !__builtin_mul_overflow(count, dtype_size(out.type.dtype), &size);
  if (!fits || size != reader.remaining()) {
    fail(ErrorCode::kCorrupt, kWhere,
         "{}: elements at offset {}: expected {} of {} bytes each for {}{}, found {} bytes", path,
         reader.offset(), count, dtype_size(out.type.dtype), out.type.name(), shape_text(out.shape),
         reader.remaining());
  }
  const auto data = reader.bytes(size, "elements");
  out.bytes.assign(data.begin(), data.end());
  return out;
}

void write_npy(const std::string& path, const TensorView& view) {
  HostTensor wide;
  TensorView from = view;
  if (view.type == ElementType(DType::kBFloat16)) {
    wide = HostTensor(DType::kFloat32, view.shape);
    for (int64_t r = 0; r < view.rows(); ++r) {
      load_row(view, r, 0, view.columns(), wide.view().row_as<float>(r));
    }
    from = wide.view();
  }
  const auto code = std::find_if(std::begin(kCodes), std::end(kCodes),
                                 [&](const Code& c) { return from.type == ElementType(c.dtype); });
  if (code == std::end(kCodes)) {
    fail(ErrorCode::kUnsupported, kWhere, "{}: cannot write {}", path, from.type.name());
  }
  std::string dims;
  for (int64_t d : from.shape) dims += fmt::format("{},", d);
  std::string header =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", code->text, dims);
  // Magic, version and length take ten bytes; the elements start at a multiple of 64.
  while ((header.size() + 11) % 64 != 0) header += ' ';
  header += '\n';
  AtomicFile out(path);
  out.write(kMagic);
  const uint8_t version[2] = {1, 0};
  const auto length = static_cast<uint16_t>(header.size());
  out.write(std::as_bytes(std::span(version)));
  out.write(std::as_bytes(std::span(&length, 1)));
  out.write(header);
  const auto row = static_cast<size_t>(from.type.bytes(from.columns()));
  for (int64_t r = 0; r < from.rows(); ++r) out.write(std::span(from.row(r), row));
  out.commit();
}

}  // namespace ingot
