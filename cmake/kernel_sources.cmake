# ingot_kernel_sources(): writes generated/kernels_source_hashes.cc, which defines
# kernel_source_hash() of kernels/kernel_def.h: of a kernel's file and all that it includes, however
# far away, of src/kernels and of the block formats, with the sources that define what those headers
# declare. Again at each build where one of them changed. As a script (-P): -DSOURCE= the folder
# src, -DOUT= the file.
if(CMAKE_SCRIPT_MODE_FILE)
  cmake_minimum_required(VERSION 3.24)
endif()

# Adds to `found` what src/<path> includes, and what that includes.
function(ingot_collect_sources src path found)
  set(all ${${found}})
  if(path IN_LIST all)
    return()
  endif()
  list(APPEND all ${path})
  file(STRINGS ${src}/${path} lines REGEX "^#include \"[^\"]+\"")
  foreach(line IN LISTS lines)
    string(REGEX REPLACE "^#include \"([^\"]*)\".*" "\\1" header "${line}")
    set(next "")
    if(header STREQUAL "kernels_cpu_format_shelf.h")  # generated: includes the folder
      file(GLOB next RELATIVE ${src} ${src}/kernels/cpu/formats/*.h)
    elseif(header STREQUAL "tensor_format_shelf.h")
      file(GLOB next RELATIVE ${src} ${src}/tensor/formats/*.h)
    elseif(header MATCHES "^(kernels|tensor/formats)/" AND EXISTS ${src}/${header})
      list(APPEND next ${header})
      string(REGEX REPLACE "\\.[a-z]+$" "" stem ${header})
      foreach(file ${stem}.cc ${stem}.cu)
        if(header MATCHES "^kernels/c" AND EXISTS ${src}/${file})  # kernels/cpu, kernels/cuda
          list(APPEND next ${file})
        endif()
      endforeach()
    endif()
    foreach(file IN LISTS next)
      ingot_collect_sources(${src} ${file} all)
    endforeach()
  endforeach()
  set(${found} ${all} PARENT_SCOPE)
endfunction()

function(ingot_write_kernel_hashes src out)
  set(rows "")
  foreach(device cpu cuda)
    file(GLOB files RELATIVE ${src} ${src}/kernels/${device}/*.cc ${src}/kernels/${device}/*.cu)
    list(SORT files)
    foreach(path IN LISTS files)
      set(sources "")
      ingot_collect_sources(${src} ${path} sources)
      list(SORT sources)
      set(hashes "")
      foreach(source IN LISTS sources)
        get_property(hash GLOBAL PROPERTY INGOT_SHA_${source})
        if(NOT hash)
          file(SHA256 ${src}/${source} hash)
          set_property(GLOBAL PROPERTY INGOT_SHA_${source} ${hash})
        endif()
        string(APPEND hashes "${source} ${hash}\n")
      endforeach()
      string(SHA256 hash "${hashes}")
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
       ${src}/kernels/*.cu ${src}/kernels/*.cuh ${src}/tensor/formats/*.h)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DSOURCE=${src} -DOUT=${out} -P ${CMAKE_CURRENT_FUNCTION_LIST_FILE}
    COMMAND ${CMAKE_COMMAND} -E touch ${out}
    DEPENDS ${files} ${CMAKE_CURRENT_FUNCTION_LIST_FILE} VERBATIM)
  set_property(GLOBAL APPEND PROPERTY INGOT_GENERATED_kernels ${out})
endfunction()
