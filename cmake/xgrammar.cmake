# xgrammar_core: XGrammar's C++ core, a static library from the source archive that the setup step
# unpacks. Only src/text/grammar.cc includes its headers.
set(INGOT_XGRAMMAR ${CMAKE_SOURCE_DIR}/build/third_party/xgrammar CACHE PATH
    "C++ core of the xgrammar archive pinned in tools/pypi-archives.txt")
if(NOT EXISTS ${INGOT_XGRAMMAR}/include/xgrammar/xgrammar.h)
  message(FATAL_ERROR
    "${INGOT_XGRAMMAR} is missing: run tools/fetch_onnx_proto.sh (quickstart and test do)")
endif()
file(GLOB_RECURSE xgrammar_sources ${INGOT_XGRAMMAR}/cpp/*.cc)
# Its parser has no bound of its own, and ambiguous rules make it do more with every token. A copy
# of it tells src/text/grammar.cc what it is about to do, which throws when that is too much.
set(xgrammar_parser ${INGOT_XGRAMMAR}/cpp/earley_parser.cc)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${xgrammar_parser})
file(READ ${xgrammar_parser} xgrammar_text)
function(ingot_tell before call)
  string(REPLACE "${before}" "${call} ${before}" told "${xgrammar_text}")
  if(told STREQUAL xgrammar_text)
    message(FATAL_ERROR "${xgrammar_parser} has no '${before}'")
  endif()
  set(xgrammar_text "${told}" PARENT_SCOPE)
endfunction()
set(row "scanable_state_history_[scanable_state_history_.size() - 1]")
ingot_tell("const auto& latest_states = ${row};" "IngotParserWork(1 + ${row}.size());")
ingot_tell("tmp_process_state_queue_.pop();" "IngotParserWork(1);")
ingot_tell("const auto& parent_states_map = rule_id_to_completable_states_[state.rule_start_pos];"
           "IngotParserWork(rule_id_to_completable_states_[state.rule_start_pos].size());")
ingot_tell("if (!in_vec(parent_state))"
           "IngotParserWork(rule_id_to_completable_states_.Back().size());")
ingot_tell("scanable_state_history_.PushBack(tmp_states_to_be_added_);"
           "IngotParserRow(tmp_states_to_be_added_.size(), \
rule_id_to_completable_states_.Back().size());")
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/xgrammar/earley_parser.cc @ONLY CONTENT
"#include <cstddef>
namespace xgrammar {
void IngotParserWork(size_t steps);
void IngotParserRow(size_t states, size_t parents);
}
${xgrammar_text}")
list(REMOVE_ITEM xgrammar_sources ${xgrammar_parser})
add_library(xgrammar_core STATIC ${xgrammar_sources}
            ${CMAKE_BINARY_DIR}/xgrammar/earley_parser.cc)
# It reports by functions that src/text/grammar.cc defines (XGRAMMAR_LOG_CUSTOMIZE).
# Its code is not ours to warn about, nor to cover by our fuzz targets; UBSan doubles its compile
# time.
set_target_properties(xgrammar_core PROPERTIES INGOT_NO_UBSAN ON INGOT_NO_COVERAGE ON
                      CXX_STANDARD 17)
target_compile_options(xgrammar_core PRIVATE -w -g0)
target_compile_definitions(xgrammar_core PRIVATE XGRAMMAR_LOG_CUSTOMIZE=1
                           XGRAMMAR_ENABLE_CPPTRACE=0 XGRAMMAR_ENABLE_INTERNAL_CHECK=0)
target_include_directories(xgrammar_core SYSTEM PUBLIC ${INGOT_XGRAMMAR}/include
                           ${INGOT_XGRAMMAR}/3rdparty/dlpack/include
                           PRIVATE ${INGOT_XGRAMMAR}/3rdparty/picojson ${INGOT_XGRAMMAR}/cpp)
target_link_libraries(xgrammar_core PRIVATE ingot_flags Threads::Threads)
