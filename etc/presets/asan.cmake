# cmake -G Ninja -C etc/presets/asan.cmake -B build-asan; or sh etc/build.sh asan
set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "")
set(ASAN ON CACHE BOOL "")
set(UBSAN ON CACHE BOOL "")
