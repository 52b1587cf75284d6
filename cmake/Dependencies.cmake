# Debian 12 packages only; nothing is downloaded. Third-party headers are SYSTEM (no warnings).
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(date REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(ZLIB REQUIRED)
pkg_check_modules(SIMDJSON REQUIRED IMPORTED_TARGET simdjson)
pkg_check_modules(SQLITE3 REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
find_path(BOOST_INCLUDE boost/asio.hpp REQUIRED)

# Vectorscan: the static archive, so that the binary runs on any CPU without the package.
find_library(HS_LIBRARY NAMES libhs.a hs REQUIRED)
find_path(HS_INCLUDE hs/hs.h REQUIRED)
add_library(tollgate_hs INTERFACE)
target_include_directories(tollgate_hs SYSTEM INTERFACE "${HS_INCLUDE}/hs")
target_link_libraries(tollgate_hs INTERFACE "${HS_LIBRARY}" m)

add_library(tollgate_boost INTERFACE)
target_include_directories(tollgate_boost SYSTEM INTERFACE "${BOOST_INCLUDE}")
target_compile_definitions(tollgate_boost INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED
  BOOST_ASIO_RECYCLING_ALLOCATOR_CACHE_SIZE=8)
target_link_libraries(tollgate_boost INTERFACE Threads::Threads)
