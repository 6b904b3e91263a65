# cmake -G Ninja -C etc/presets/coverage.cmake -B build-coverage; or sh etc/build.sh coverage
set(CMAKE_BUILD_TYPE Debug CACHE STRING "")
set(COVERAGE ON CACHE BOOL "")
