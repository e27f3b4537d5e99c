# How every target of joey is built: the language, the warnings, the sanitizers, and one target per folder whose include
# path holds only what that folder may use.

include(GNUInstallDirs)
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()
# -O3 makes nothing of ours faster, and builds half as long again.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 99)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
# Several files in one: what they include is compiled once, which makes a fresh build four times as fast. A file whose
# private names are also another's stands alone (joey_alone). CMAKE_UNITY_BUILD=OFF compiles each file by itself, which
# shows whether it includes what it uses.
if(NOT DEFINED CMAKE_UNITY_BUILD AND PROJECT_IS_TOP_LEVEL)
  set(CMAKE_UNITY_BUILD ON)
  set(CMAKE_UNITY_BUILD_BATCH_SIZE 6)
endif()
function(joey_alone)
  set_source_files_properties(${ARGN} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()

set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)

find_program(JOEY_CCACHE ccache)
if(JOEY_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${JOEY_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${JOEY_CCACHE})
endif()

# What every target of ours is compiled with.
add_library(joey_options INTERFACE)
target_compile_options(joey_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Woverloaded-virtual>
  $<$<BOOL:${JOEY_WERROR}>:-Werror>)
if(JOEY_SANITIZE)
  set(CMAKE_CXX_FLAGS_RELEASE "-O1 -g1")
  # GCC 12 sees uninitialized reads in instrumented code where there are none (in moved-from results, above all).
  target_compile_options(joey_options INTERFACE
    -fsanitize=${JOEY_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all -Wno-maybe-uninitialized)
  target_link_options(joey_options INTERFACE -fsanitize=${JOEY_SANITIZE})
endif()

# joey_folder(NAME sources... USES folders... LIBRARIES targets... PRIVATE_LIBRARIES targets...)
#
# The target joey_NAME of the folder src/NAME. Sources say #include "NAME/file.hpp"; the folder sees the headers of
# itself, of the folders in USES and of what those use, and nothing else: each folder's headers are reached through a
# directory that holds only a link to it.
function(joey_folder name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "USES;LIBRARIES;PRIVATE_LIBRARIES")
  set(view ${PROJECT_BINARY_DIR}/include/${name})
  file(MAKE_DIRECTORY ${view})
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${view}/${name} SYMBOLIC)
  set(sources ${arg_UNPARSED_ARGUMENTS})
  if(sources)
    add_library(joey_${name} STATIC ${sources})
    set(scope PUBLIC)
    target_link_libraries(joey_${name} PRIVATE joey_options ${arg_PRIVATE_LIBRARIES})
  else()
    add_library(joey_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(joey_${name} ${scope} ${view})
  list(TRANSFORM arg_USES PREPEND joey_)
  target_link_libraries(joey_${name} ${scope} ${arg_USES} ${arg_LIBRARIES})
endfunction()
