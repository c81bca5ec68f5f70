# ingot_kernel_sources(): writes generated/kernels_source_hashes.cc, which defines
# kernel_source_hash() of kernels/kernel_def.h: a kernel file's hash, with all that it includes of
# src/kernels and what those headers declare. Again at each build where one of them changed. As a
# script (-P): -DSOURCE= the folder src, -DOUT= the file.
function(ingot_file_hash src path result)
  get_property(known GLOBAL PROPERTY INGOT_HASH_${path})
  if(known)
    set(${result} ${known} PARENT_SCOPE)
    return()
  endif()
  set_property(GLOBAL PROPERTY INGOT_HASH_${path} "in a circle")
  file(SHA256 ${src}/${path} hash)
  set(all ${hash})
  file(STRINGS ${src}/${path} includes REGEX "^#include \"kernels/")
  foreach(line IN LISTS includes)
    string(REGEX REPLACE "^#include \"([^\"]*)\".*" "\\1" header "${line}")
    if(EXISTS ${src}/${header})  # others are generated
      ingot_file_hash(${src} ${header} hash)
      string(APPEND all ${hash})
    endif()
    string(REGEX REPLACE "\\.[a-z]+$" "" stem ${header})
    foreach(body ${stem}.cc ${stem}.cu)
      if(NOT body STREQUAL path AND EXISTS ${src}/${body})
        ingot_file_hash(${src} ${body} hash)
        string(APPEND all ${hash})
      endif()
    endforeach()
  endforeach()
  string(SHA256 hash "${all}")
  set_property(GLOBAL PROPERTY INGOT_HASH_${path} ${hash})
  set(${result} ${hash} PARENT_SCOPE)
endfunction()

function(ingot_write_kernel_hashes src out)
  set(rows "")
  foreach(device cpu cuda)
    file(GLOB files RELATIVE ${src} ${src}/kernels/${device}/*.cc ${src}/kernels/${device}/*.cu)
    list(SORT files)
    foreach(path IN LISTS files)
      ingot_file_hash(${src} ${path} hash)
      string(SUBSTRING ${hash} 0 12 hash)
      get_filename_component(stem ${path} NAME_WE)
      string(APPEND rows "      {\"${device} ${stem}\", \"${hash}\"},\n")
    endforeach()
  endforeach()
  file(WRITE ${out}.new
"// Generated of src/kernels.
#include <map>
#include <string>

#include \"kernels/kernel_def.h\"

namespace ingot {
std::string_view kernel_source_hash(std::string_view device, std::string_view name) {
  static const std::map<std::string, std::string_view> hashes = {
${rows}  };
  const auto found = hashes.find(std::string(device) + \" \" + std::string(name));
  return found == hashes.end() ? std::string_view() : found->second;
}
}  // namespace ingot
")
  file(COPY_FILE ${out}.new ${out} ONLY_IF_DIFFERENT)
endfunction()

if(CMAKE_SCRIPT_MODE_FILE)
  ingot_write_kernel_hashes(${SOURCE} ${OUT})
  return()
endif()

function(ingot_kernel_sources)
  set(out ${CMAKE_BINARY_DIR}/generated/kernels_source_hashes.cc)
  set(src ${CMAKE_SOURCE_DIR}/src)
  file(GLOB_RECURSE files CONFIGURE_DEPENDS ${src}/kernels/*.h ${src}/kernels/*.cc
       ${src}/kernels/*.cu ${src}/kernels/*.cuh)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DSOURCE=${src} -DOUT=${out} -P ${CMAKE_CURRENT_FUNCTION_LIST_FILE}
    COMMAND ${CMAKE_COMMAND} -E touch ${out}
    DEPENDS ${files} ${CMAKE_CURRENT_FUNCTION_LIST_FILE} VERBATIM)
  set_property(GLOBAL APPEND PROPERTY INGOT_GENERATED_kernels ${out})
endfunction()
