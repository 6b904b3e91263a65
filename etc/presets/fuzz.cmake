# cmake -G Ninja -C etc/presets/fuzz.cmake -B build-fuzz; or sh etc/build.sh fuzz
set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "")
set(CMAKE_C_COMPILER clang CACHE STRING "")
set(FUZZ ON CACHE BOOL "")
set(ASAN ON CACHE BOOL "")
set(UBSAN ON CACHE BOOL "")
