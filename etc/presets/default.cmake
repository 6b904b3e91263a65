# cmake -G Ninja -C etc/presets/default.cmake -B build-default; or sh etc/build.sh default
set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "")
