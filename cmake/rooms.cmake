# ingot_room(<name> DEPS <rooms...> LIBS <external targets...>)
#   One static library ingot_<name> from every source file below src/<name>, in sorted order.
# ingot_shelf(<room> <folder> <suffix> <type> [HEADER <contract header>] [NAMESPACE <ns>]
#             [EXTENSION <ext>] [EXCLUDE ...])
#   The file's name is the registration: <folder>/<stem>.cc must define
#       const <type>& <ns>::<stem>_<suffix>();
#   and this writes generated/<room>_<suffix>_list.cc, which calls each one. A missing or duplicate
#   definition is a link error. Files whose stem starts with an underscore do not exist; machinery
#   of a shelf room lives in its contract/ folder.
# ingot_block_formats()
#   Writes generated/tensor_format_shelf.h, which includes all block formats and lists them for
#   kernels: INGOT_TENSOR_FORMATS(X) is X(<stem>, <STEM>Block) for each file of tensor/formats;
#   generated/kernels_cpu_format_shelf.h, which includes all of kernels/cpu/formats; and
#   generated/kernels_cpu_format_list.h with their names, for tests.
# ingot_batch(<target> <sources...>)
#   Compiles several sources at once (CMake's unity builds): as many as make about 64 KB, since the
#   headers of one unit cost what 20 KB of our own code do. That is several times as fast.
#   Names of an anonymous namespace must then be unique in a room. Files of a shelf are written
#   independently and like to use the same names (run, supports), so each of those keeps its own in
#   a namespace <suffix>_<stem> (op_add, pass_dead_code), else it is compiled alone; so are files
#   for one instruction set, whose target pragmas must not leak. kWhere, a file's name in its
#   errors, is made unique here.
option(INGOT_BATCH "Compile several files at once; turn it off while working on one of them" ON)
function(ingot_batch target)
  get_property(shelf_files GLOBAL PROPERTY INGOT_SHELF_FILES)
  set(bytes 0)
  set(together "")
  foreach(file IN LISTS ARGN)
    get_filename_component(stem ${file} NAME_WE)
    if(stem STREQUAL "main" OR file MATCHES "\\.cu$")
      continue()
    endif()
    if(stem MATCHES "_(avx2|avx512)$")  # the vector header's target pragma holds for the whole unit
      set_source_files_properties(${file} TARGET_DIRECTORY ${target}
                                  PROPERTIES UNITY_GROUP ${target}_${CMAKE_MATCH_1})
      continue()
    elseif(stem MATCHES "_(avx|amx)")
      continue()
    endif()
    if(file IN_LIST shelf_files)
      file(STRINGS ${file} anonymous REGEX "^namespace {" LIMIT_COUNT 1)
      if(anonymous)
        continue()
      endif()
    endif()
    list(APPEND together ${file})
    if(EXISTS ${file})  # lists that CMake writes are small
      file(SIZE ${file} size)
      math(EXPR bytes "${bytes} + ${size}")
    endif()
  endforeach()
  # Equal numbers of files a unit, so that an edit hardly ever moves a file to another one.
  list(LENGTH together count)
  math(EXPR units "${bytes} / 65536 + 1")
  set(index 0)
  foreach(file IN LISTS together)
    math(EXPR unit "${index} * ${units} / ${count}")
    math(EXPR index "${index} + 1")
    set_source_files_properties(${file} TARGET_DIRECTORY ${target}
                                PROPERTIES UNITY_GROUP ${target}_${unit})
  endforeach()
  set_target_properties(${target} PROPERTIES
    UNITY_BUILD ${INGOT_BATCH} UNITY_BUILD_MODE GROUP UNITY_BUILD_UNIQUE_ID INGOT_UNIT
    UNITY_BUILD_CODE_BEFORE_INCLUDE
    "#define INGOT_JOIN_(a, b) a##b
#define INGOT_JOIN(a, b) INGOT_JOIN_(a, b)
#define kWhere INGOT_JOIN(kWhere_, INGOT_UNIT)"
    UNITY_BUILD_CODE_AFTER_INCLUDE "#undef kWhere")
endfunction()

# ingot_cuda_batch(<variable> <sources...>)
#   The same for CUDA sources, which CMake does not batch: units that include ten kernels, since
#   reading the headers costs 4 s of CPU. A first line of a file puts it elsewhere: "// unit: large"
#   (slow to compile: three a unit), "// unit: flashinfer" (includes FlashInfer, whose headers cost
#   9 s: units of their own, cuda_flashinfer_*.cu, because its folders are searched for them alone).
function(ingot_cuda_batch variable)
  set(all ${ARGN})
  list(FILTER all INCLUDE REGEX "/kernels/cuda/(contract/)?[^/]*[.]cu$")
  if(NOT INGOT_BATCH OR NOT all)
    set(${variable} ${ARGN} PARENT_SCOPE)
    return()
  endif()
  ingot_marked(flashinfer flashinfer ${all})
  ingot_marked(large large ${all})
  set(small ${all})
  list(REMOVE_ITEM small ${flashinfer} ${large} "")
  set(units "")
  ingot_cuda_units(cuda_flashinfer 3 ${flashinfer})
  ingot_cuda_units(cuda_large 3 ${large})
  ingot_cuda_units(cuda_small 10 ${small})
  set(alone ${ARGN})
  list(REMOVE_ITEM alone ${all} "")
  set(${variable} ${alone} ${units} PARENT_SCOPE)
endfunction()

# ingot_marked(<variable> <mark> <sources...>): the sources whose first line is "// unit: <mark>".
function(ingot_marked variable mark)
  set(marked "")
  foreach(file IN LISTS ARGN)
    file(STRINGS ${file} first LIMIT_COUNT 1)
    if(first STREQUAL "// unit: ${mark}")
      list(APPEND marked ${file})
    endif()
  endforeach()
  set(${variable} ${marked} PARENT_SCOPE)
endfunction()

# Writes generated/<name>_<n>.cu with that many `#include`s each; appends them to the caller's
# units.
function(ingot_cuda_units name most)
  set(part 0)
  while(ARGN)
    set(content "")
    foreach(i RANGE 1 ${most})
      list(POP_FRONT ARGN file)
      if(file)
        string(REPLACE "${CMAKE_SOURCE_DIR}/src/" "" path ${file})
        string(APPEND content "#include \"${path}\"\n")
      endif()
    endforeach()
    set(out ${CMAKE_BINARY_DIR}/generated/${name}_${part}.cu)
    file(CONFIGURE OUTPUT ${out} CONTENT "${content}" @ONLY)
    list(APPEND units ${out})
    math(EXPR part "${part} + 1")
  endwhile()
  set(units ${units} PARENT_SCOPE)
endfunction()

function(ingot_room name)
  cmake_parse_arguments(R "" "" "DEPS;LIBS;EXCLUDE" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cc)
  if(INGOT_WITH_CUDA)
    file(GLOB_RECURSE cuda_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cu)
    list(SORT cuda_sources)
    ingot_cuda_batch(cuda_sources ${cuda_sources})
    list(APPEND sources ${cuda_sources})
  else()
    list(APPEND R_EXCLUDE "/cuda(/[^/]*)?\\.cc$" "/cuda/")
  endif()
  list(SORT sources)
  foreach(pattern IN LISTS R_EXCLUDE)
    list(FILTER sources EXCLUDE REGEX ${pattern})
  endforeach()
  get_property(generated GLOBAL PROPERTY INGOT_GENERATED_${name})
  if(NOT sources AND NOT generated)
    add_library(ingot_${name} INTERFACE)
    target_link_libraries(ingot_${name} INTERFACE ingot_flags)
    foreach(dep IN LISTS R_DEPS)
      target_link_libraries(ingot_${name} INTERFACE ingot_${dep})
    endforeach()
    return()
  endif()
  set(lists ${generated})
  list(FILTER lists INCLUDE REGEX "_list\\.cc$")
  add_library(ingot_${name} STATIC ${sources} ${generated})
  if(name STREQUAL "kernels")
    # Vector code under UBSan takes minutes to compile, and its arithmetic is the op cases'
    # business. No fuzz target's input steers it, either.
    set_target_properties(ingot_kernels PROPERTIES INGOT_NO_UBSAN ON INGOT_NO_COVERAGE ON)
  endif()
  if(name IN_LIST INGOT_COLD_ROOMS)
    target_compile_options(ingot_${name} PRIVATE $<$<NOT:$<CONFIG:Debug>>:-O1>)
  endif()
  ingot_batch(ingot_${name} ${sources} ${lists})
  target_link_libraries(ingot_${name} PUBLIC ingot_flags ${R_LIBS})
  foreach(dep IN LISTS R_DEPS)
    target_link_libraries(ingot_${name} PUBLIC ingot_${dep})
  endforeach()
endfunction()

function(ingot_shelf room folder suffix type)
  cmake_parse_arguments(S "" "HEADER;NAMESPACE;EXTENSION" "EXCLUDE" ${ARGN})
  if(NOT EXISTS ${CMAKE_SOURCE_DIR}/src/${S_HEADER})
    return()  # the room has no contract yet
  endif()
  if(NOT S_NAMESPACE)
    set(S_NAMESPACE ingot)
  endif()
  if(NOT S_EXTENSION)
    set(S_EXTENSION cc)
  endif()
  set(list ${room}_${suffix})
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${folder}/*.${S_EXTENSION})
  list(SORT files)
  set(decls "")
  set(entries "")
  set(includes "")
  foreach(file IN LISTS files)
    get_filename_component(stem ${file} NAME_WE)
    if(stem IN_LIST S_EXCLUDE)
      continue()
    endif()
    set_property(GLOBAL APPEND PROPERTY INGOT_SHELF_FILES ${file})
    if(S_EXTENSION STREQUAL "h")
      string(APPEND includes "#include \"${folder}/${stem}.h\"\n")
    else()
      string(APPEND decls "namespace ${S_NAMESPACE} {\nconst ${type}& ${stem}_${suffix}();\n}\n")
    endif()
    string(APPEND entries "      &${S_NAMESPACE}::${stem}_${suffix}(),\n")
  endforeach()
  set(out ${CMAKE_BINARY_DIR}/generated/${list}_list.cc)
  file(CONFIGURE OUTPUT ${out} CONTENT
"// Generated from the file names in src/${folder}.
#include <vector>
#include \"${S_HEADER}\"
${includes}
${decls}
namespace ingot {
const std::vector<const ${type}*>& ${list}_list() {
  static const std::vector<const ${type}*> list = {
${entries}  };
  return list;
}
}  // namespace ingot
" @ONLY)
  set_property(GLOBAL APPEND PROPERTY INGOT_GENERATED_${room} ${out})
endfunction()

# ingot_kernel_shelf(<device kinds...>)
#   The shelf of kernels: kernels/<kind>/<stem>.{cc,cu} defines ingot::<kind>::<stem>_kernel(), and
#   kernel_list() holds those of all kinds.
function(ingot_kernel_shelf)
  set(decls "")
  set(entries "")
  foreach(kind IN LISTS ARGN)
    file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/kernels/${kind}/*.cc
         ${CMAKE_SOURCE_DIR}/src/kernels/${kind}/*.cu)
    list(SORT files)
    set_property(GLOBAL APPEND PROPERTY INGOT_SHELF_FILES ${files})
    foreach(file IN LISTS files)
      get_filename_component(stem ${file} NAME_WE)
      string(APPEND decls "namespace ingot::${kind} {\nconst KernelDef& ${stem}_kernel();\n}\n")
      string(APPEND entries "      &ingot::${kind}::${stem}_kernel(),\n")
    endforeach()
  endforeach()
  set(out ${CMAKE_BINARY_DIR}/generated/kernel_list.cc)
  file(CONFIGURE OUTPUT ${out} CONTENT
"// Generated from the file names in src/kernels/<device>.
#include \"kernels/kernel_def.h\"
${decls}
namespace ingot {
const std::vector<const KernelDef*>& kernel_list() {
  static const std::vector<const KernelDef*> list = {
${entries}  };
  return list;
}
}  // namespace ingot
" @ONLY)
  set_property(GLOBAL APPEND PROPERTY INGOT_GENERATED_kernels ${out})
endfunction()

function(ingot_block_formats)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/tensor/formats/*.h)
  list(SORT files)
  set(includes "")
  set(entries "")
  foreach(file IN LISTS files)
    get_filename_component(stem ${file} NAME_WE)
    string(TOUPPER ${stem} upper)
    string(APPEND includes "#include \"tensor/formats/${stem}.h\"\n")
    string(APPEND entries " \\\n  X(${stem}, ${upper}Block)")
  endforeach()
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/tensor_format_shelf.h CONTENT
"// Generated from the file names in src/tensor/formats.
#pragma once

${includes}
#define INGOT_TENSOR_FORMATS(X)${entries}
" @ONLY)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/kernels/cpu/formats/*.h)
  list(SORT files)
  set(includes "")
  set(names "")
  foreach(file IN LISTS files)
    get_filename_component(stem ${file} NAME_WE)
    string(APPEND includes "#include \"kernels/cpu/formats/${stem}.h\"\n")
    string(APPEND names " \"${stem}\",")
  endforeach()
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/kernels_cpu_format_shelf.h CONTENT
"// Generated from the file names in src/kernels/cpu/formats.
#pragma once

${includes}" @ONLY)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/kernels_cpu_format_list.h CONTENT
"// Generated from the file names in src/kernels/cpu/formats.
#pragma once

#define INGOT_CPU_FORMATS${names}
" @ONLY)
endfunction()
