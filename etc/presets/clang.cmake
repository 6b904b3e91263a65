# cmake -G Ninja -C etc/presets/clang.cmake -B build-clang; or sh etc/build.sh clang
set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "")
set(CMAKE_C_COMPILER clang CACHE STRING "")
