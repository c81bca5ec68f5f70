# ingot_room(<name> DEPS <rooms...> LIBS <external targets...>)
#   One static library ingot_<name> from every source file below src/<name>, in sorted order.
# ingot_shelf(<room> <folder> <suffix> <type> [HEADER <contract header>] [NAMESPACE <ns>]
#             [EXTENSION <ext>] [LIST <name>] [EXCLUDE ...])
#   The file's name is the registration: <folder>/<stem>.cc must define
#       const <type>& <ns>::<stem>_<suffix>();
#   and this writes generated/<room>_<suffix>_list.cc, which calls each one. A missing or duplicate
#   definition is a link error. Files whose stem starts with an underscore do not exist; machinery
#   of a shelf room lives in its contract/ folder.
function(ingot_room name)
  cmake_parse_arguments(R "" "" "DEPS;LIBS;EXCLUDE" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cc)
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
  add_library(ingot_${name} STATIC ${sources} ${generated})
  target_link_libraries(ingot_${name} PUBLIC ingot_flags ${R_LIBS})
  foreach(dep IN LISTS R_DEPS)
    target_link_libraries(ingot_${name} PUBLIC ingot_${dep})
  endforeach()
endfunction()

function(ingot_shelf room folder suffix type)
  cmake_parse_arguments(S "" "HEADER;NAMESPACE;EXTENSION;LIST" "EXCLUDE" ${ARGN})
  if(NOT EXISTS ${CMAKE_SOURCE_DIR}/src/${S_HEADER})
    return()  # the room has no contract yet
  endif()
  if(NOT S_NAMESPACE)
    set(S_NAMESPACE ingot)
  endif()
  if(NOT S_EXTENSION)
    set(S_EXTENSION cc)
  endif()
  if(NOT S_LIST)
    set(S_LIST ${room}_${suffix})
  endif()
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
    if(S_EXTENSION STREQUAL "h")
      string(APPEND includes "#include \"${folder}/${stem}.h\"\n")
    else()
      string(APPEND decls "namespace ${S_NAMESPACE} {\nconst ${type}& ${stem}_${suffix}();\n}\n")
    endif()
    string(APPEND entries "      &${S_NAMESPACE}::${stem}_${suffix}(),\n")
  endforeach()
  set(out ${CMAKE_BINARY_DIR}/generated/${S_LIST}_list.cc)
  file(CONFIGURE OUTPUT ${out} CONTENT
"// Generated from the file names in src/${folder}.
#include <vector>
#include \"${S_HEADER}\"
${includes}
${decls}
namespace ingot {
const std::vector<const ${type}*>& ${S_LIST}_list() {
  static const std::vector<const ${type}*> list = {
${entries}  };
  return list;
}
}  // namespace ingot
" @ONLY)
  set_property(GLOBAL APPEND PROPERTY INGOT_GENERATED_${room} ${out})
endfunction()
