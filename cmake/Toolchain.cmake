# Compiler and linker settings shared by every target.
find_program(TOLLGATE_CCACHE ccache)
if(TOLLGATE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${TOLLGATE_CCACHE}")
endif()
find_program(TOLLGATE_MOLD mold)
if(TOLLGATE_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")

add_library(tollgate_warnings INTERFACE)
target_compile_options(tollgate_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor
  -Woverloaded-virtual -Wold-style-cast -Wnull-dereference -Wimplicit-fallthrough -Wformat=2
  -Wswitch-enum)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports these falsely on coroutine frames and on inlined containers at -O2
  # (gcc bugs 103993, 105329, 105562).
  target_compile_options(tollgate_warnings INTERFACE
    -Wno-mismatched-new-delete -Wno-maybe-uninitialized -Wno-restrict -Wno-stringop-overflow
    -Wno-array-bounds -Wno-null-dereference)
endif()
if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # It takes every source but the one named on the command line for a header.
  target_compile_options(tollgate_warnings INTERFACE -Wno-subobject-linkage)
endif()
if(TOLLGATE_WERROR)
  target_compile_options(tollgate_warnings INTERFACE -Werror)
endif()

# tg_cold(<target>): code that runs at the start, at a reload and for operators. Its tables of
# templates take twice as long to optimise as to read.
function(tg_cold target)
  if(CMAKE_BUILD_TYPE STREQUAL "Release")
    target_compile_options(${target} PRIVATE -O1)
  endif()
endfunction()

# Hardening: costs under one per cent on the data path, removes whole bug classes.
add_compile_options(-fstack-protector-strong)
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT TOLLGATE_SANITIZE)
  add_compile_definitions(_FORTIFY_SOURCE=2)
endif()
add_link_options(-Wl,-z,relro -Wl,-z,now)

if(TOLLGATE_SANITIZE)
  add_compile_options(-fsanitize=${TOLLGATE_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${TOLLGATE_SANITIZE})
  if(TOLLGATE_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=all)
  endif()
  if(TOLLGATE_SANITIZE MATCHES "thread")
    # Asio's fences are not understood by the thread sanitizer; they are never the only
    # synchronisation between our threads.
    add_compile_options(-Wno-tsan)
  endif()
endif()
