# cmake -G Ninja -C etc/presets/tsan.cmake -B build-tsan; or sh etc/build.sh tsan
set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "")
set(TSAN ON CACHE BOOL "")
