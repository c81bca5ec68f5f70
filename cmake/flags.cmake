# Compiler flags shared by every target. Development builds keep assertions and line tables only:
# full debug information doubles the time to compile and link.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")
if(INGOT_SANITIZE)
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1")
endif()
set(CMAKE_CUDA_FLAGS_RELWITHDEBINFO "-O2 -DNDEBUG")  # nvcc knows -g alone, for the host's part
add_library(ingot_flags INTERFACE)
set(host_flags -Wall -Wextra -Wno-missing-field-initializers -fno-math-errno
  -fstack-protector-strong)
target_compile_options(ingot_flags INTERFACE "$<$<COMPILE_LANGUAGE:CXX,C>:${host_flags}>"
  # Constexpr host functions (formats, dtype numerics) are used in kernels.
  $<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr>)
# nvcc cannot digest fmt 9's consteval format strings.
target_compile_definitions(ingot_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CUDA>:FMT_USE_CONSTEXPR=1> $<$<COMPILE_LANGUAGE:CUDA>:FMT_CONSTEVAL=>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # -Wrestrict: GCC 12 reports std::string concatenations that cannot overlap (GCC bug 105651).
  # SIMD pragmas: not with clang 16, whose OpenMP mode refuses to capture structured bindings.
  set(gnu_flags -ffp-contract=off -Wno-restrict -fopenmp-simd
    --param=ggc-min-heapsize=1048576)  # KiB: collecting garbage costs 7 % of compile time
  target_compile_options(ingot_flags INTERFACE "$<$<COMPILE_LANGUAGE:CXX,C>:${gnu_flags}>")
endif()
# Rooms that no token waits for: optimising them fully buys nothing and doubles their compile time.
set(INGOT_COLD_ROOMS loaders models passes graph compiler capi cli)
target_include_directories(ingot_flags INTERFACE
  ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include ${CMAKE_BINARY_DIR}/generated)
target_compile_definitions(ingot_flags INTERFACE INGOT_VERSION="${PROJECT_VERSION}"
  $<$<CONFIG:Release>:_FORTIFY_SOURCE=2>)

if(INGOT_SANITIZE)
  target_compile_definitions(ingot_flags INTERFACE INGOT_SANITIZED)
endif()
if(INGOT_SANITIZE STREQUAL "address")
  # A target with INGOT_NO_UBSAN is under AddressSanitizer alone. (Its own -fno-sanitize would stand
  # before the flags it inherits, and the last one counts.)
  target_compile_options(ingot_flags INTERFACE -fsanitize=address
    $<$<NOT:$<BOOL:$<TARGET_PROPERTY:INGOT_NO_UBSAN>>>:-fsanitize=undefined>
    -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  target_link_options(ingot_flags INTERFACE -fsanitize=address,undefined)
elseif(INGOT_SANITIZE STREQUAL "thread")
  target_compile_options(ingot_flags INTERFACE -fsanitize=thread -fno-omit-frame-pointer)
  target_link_options(ingot_flags INTERFACE -fsanitize=thread)
endif()

find_program(MOLD mold)
if(MOLD)
  target_link_options(ingot_flags INTERFACE -fuse-ld=mold)
endif()

if(INGOT_FUZZ)
  # Coverage for libFuzzer in every room below a target; the driver itself is linked by the targets.
  # Targets with INGOT_NO_COVERAGE are none of a fuzzer's business.
  target_compile_options(ingot_flags INTERFACE
    $<$<NOT:$<BOOL:$<TARGET_PROPERTY:INGOT_NO_COVERAGE>>>:-fsanitize=fuzzer-no-link>)
  target_link_options(ingot_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
