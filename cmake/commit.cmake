# ingot_commit(<room>): writes generated/<room>_build_commit.cc, which defines build_commit() of
# cli/contract/build_commit.h, at every build and only where it changes. Before ingot_room(<room>),
# which then waits for the target build_commit. As a script (-P) this writes the file: -DFOLDER= the
# checkout, -DOUT= the file.
function(ingot_write_commit folder out)
  set(commit "")
  find_program(git git)
  # A folder that was unpacked within another checkout is not of that one's commit.
  if(git AND EXISTS ${folder}/.git)
    execute_process(COMMAND ${git} -C ${folder} rev-parse --short=12 HEAD
                    OUTPUT_VARIABLE commit ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
    # Without the lock that a commit at the same time would find taken.
    execute_process(COMMAND ${git} -C ${folder} --no-optional-locks status --porcelain
                    OUTPUT_VARIABLE changes ERROR_QUIET)
    if(commit AND changes)
      string(APPEND commit "-dirty")
    endif()
  endif()
  file(WRITE ${out}.new
"// Generated at every build.
#include \"cli/contract/build_commit.h\"

namespace ingot {
std::string_view build_commit() { return \"${commit}\"; }
}  // namespace ingot
")
  file(COPY_FILE ${out}.new ${out} ONLY_IF_DIFFERENT)
endfunction()

if(CMAKE_SCRIPT_MODE_FILE)
  ingot_write_commit(${FOLDER} ${OUT})
  return()
endif()

function(ingot_commit room)
  set(out ${CMAKE_BINARY_DIR}/generated/${room}_build_commit.cc)
  ingot_write_commit(${CMAKE_SOURCE_DIR} ${out})
  add_custom_target(build_commit
    COMMAND ${CMAKE_COMMAND} -DFOLDER=${CMAKE_SOURCE_DIR} -DOUT=${out}
            -P ${CMAKE_CURRENT_FUNCTION_LIST_FILE}
    BYPRODUCTS ${out} VERBATIM)
  set_property(GLOBAL APPEND PROPERTY INGOT_GENERATED_${room} ${out})
endfunction()
