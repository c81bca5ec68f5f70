# xgrammar_core: XGrammar's C++ core, a static library from the source archive that the setup step
# unpacks. Only src/text/grammar.cc includes its headers.
set(INGOT_XGRAMMAR ${CMAKE_SOURCE_DIR}/build/third_party/xgrammar CACHE PATH
    "C++ core of the xgrammar archive pinned in tools/pypi-archives.txt")
if(NOT EXISTS ${INGOT_XGRAMMAR}/include/xgrammar/xgrammar.h)
  message(FATAL_ERROR
    "${INGOT_XGRAMMAR} is missing: run tools/fetch_onnx_proto.sh (quickstart and test do)")
endif()
file(GLOB_RECURSE xgrammar_sources ${INGOT_XGRAMMAR}/cpp/*.cc)
add_library(xgrammar_core STATIC ${xgrammar_sources})
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
                           PRIVATE ${INGOT_XGRAMMAR}/3rdparty/picojson)
target_link_libraries(xgrammar_core PRIVATE ingot_flags Threads::Threads)
