# ingot_room(<name> DEPS <rooms...> LIBS <external targets...>)
#   One static library ingot_<name> from every source file below src/<name>, in sorted order.
# ingot_shelf(<room> <folder> <suffix> <type> [HEADER <contract header>] [NAMESPACE <ns>]
#             [EXTENSION <ext>] [EXCLUDE ...])
#   The file's name is the registration: <folder>/<stem>.cc must define
#       const <type>& <ns>::<stem>_<suffix>();
#   and this writes generated/<room>_<suffix>_list.cc, which calls each one. A missing or duplicate
#   definition is a link error. Files whose stem starts with an underscore do not exist; machinery
#   of a shelf room lives in its contract/ folder.
# ingot_batch(<target> <sources...>)
#   Compiles the sources a dozen at a time (CMake's unity builds), which is several times as fast.
#   Names of an anonymous namespace must then be unique in a room. Files of a shelf are written
#   independently and like to use the same names (run, supports), so each of those keeps its own in
#   a namespace <suffix>_<stem> (op_add, pass_dead_code), else it is compiled alone; so are files
#   for one instruction set, whose target pragmas must not leak. kWhere, a file's name in its
#   errors, is made unique here.
option(INGOT_BATCH "Compile several files at once; turn it off while working on one of them" ON)
function(ingot_batch target)
  get_property(shelf_files GLOBAL PROPERTY INGOT_SHELF_FILES)
  set(count 0)
  set(count_avx2 0)
  set(count_avx512 0)
  foreach(file IN LISTS ARGN)
    get_filename_component(stem ${file} NAME_WE)
    if(stem STREQUAL "main" OR file MATCHES "\\.cu$")
      continue()
    endif()
    if(stem MATCHES "_(avx2|avx512)$")  # the vector header's target pragma holds for the whole unit
      set(group "${CMAKE_MATCH_1}")
      math(EXPR group_part "${count_${group}} / 4")
      math(EXPR count_${group} "${count_${group}} + 1")
      set_source_files_properties(${file} TARGET_DIRECTORY ${target}
                                  PROPERTIES UNITY_GROUP ${target}_${group}_${group_part})
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
    math(EXPR group "${count} / 12")
    math(EXPR count "${count} + 1")
    set_source_files_properties(${file} TARGET_DIRECTORY ${target}
                                PROPERTIES UNITY_GROUP ${target}_${group})
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
#   The same for CUDA sources, which CMake does not batch: six kernels a unit, since reading the
#   headers costs more than compiling a small kernel. Attention and linear layers stay alone.
function(ingot_cuda_batch variable)
  set(alone ${ARGN})
  set(small ${ARGN})
  list(FILTER small INCLUDE REGEX "/kernels/cuda/[^/]*[.]cu$")
  list(FILTER small EXCLUDE REGEX "/(paged_attention|linear|moe_ffn_gemv_block)[^/]*$")
  if(NOT INGOT_BATCH OR NOT small)
    set(${variable} ${ARGN} PARENT_SCOPE)
    return()
  endif()
  list(REMOVE_ITEM alone ${small})
  set(count 0)
  set(content "")
  set(units "")
  list(APPEND small END)
  foreach(file IN LISTS small)
    if(file STREQUAL "END" OR count EQUAL 6)
      list(LENGTH units unit)
      set(out ${CMAKE_BINARY_DIR}/generated/cuda_unit_${unit}.cu)
      file(CONFIGURE OUTPUT ${out} CONTENT "${content}" @ONLY)
      list(APPEND units ${out})
      set(count 0)
      set(content "")
    endif()
    string(REPLACE "${CMAKE_SOURCE_DIR}/src/" "" path ${file})
    string(APPEND content "#include \"${path}\"\n")
    math(EXPR count "${count} + 1")
  endforeach()
  set(${variable} ${alone} ${units} PARENT_SCOPE)
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
  if(name STREQUAL "kernels" AND INGOT_SANITIZE STREQUAL "address")
    # Vector code under UBSan takes minutes to compile; its arithmetic is the op cases' business.
    target_compile_options(ingot_kernels PRIVATE -fno-sanitize=undefined)
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
