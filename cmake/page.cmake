# ingot_page(<folder>)
#   Writes generated/server_page_files.cc: the files of the folder as text (page_files() of
#   server/page_files.h), and a hash of them all, which also replaces @PAGE_HASH@ in index.html.
function(ingot_page folder)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.*)
  list(SORT files)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${files})
  set(hashes "")
  foreach(file IN LISTS files)
    file(SHA256 ${file} hash)
    string(APPEND hashes ${hash})
  endforeach()
  string(SHA256 hash "${hashes}")
  string(SUBSTRING ${hash} 0 16 hash)
  set(entries "")
  foreach(file IN LISTS files)
    get_filename_component(name ${file} NAME)
    file(READ ${file} text)
    string(REPLACE "@PAGE_HASH@" ${hash} text "${text}")
    string(APPEND entries "      {\"${name}\", R\"ingot-page(${text})ingot-page\"},\n")
  endforeach()
  set(out ${CMAKE_BINARY_DIR}/generated/server_page_files.cc)
  file(WRITE ${out}.new
"// Generated from ${folder}.
#include \"server/page_files.h\"

namespace ingot {
std::string_view page_hash() { return \"${hash}\"; }
const std::vector<PageFile>& page_files() {
  static const std::vector<PageFile> files = {
${entries}  };
  return files;
}
}  // namespace ingot
")
  file(COPY_FILE ${out}.new ${out} ONLY_IF_DIFFERENT)
  set_property(GLOBAL APPEND PROPERTY INGOT_GENERATED_server ${out})
endfunction()
