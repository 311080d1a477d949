# Shared build rules: tool detection, warnings, and one function per kind of target.
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()

find_package(GTest REQUIRED)
find_package(Threads REQUIRED)
include(GoogleTest)

add_library(kvorum_flags INTERFACE)
target_compile_options(kvorum_flags INTERFACE -Wall -Wextra -Wshadow -Wconversion
                       -Wno-sign-conversion -Wnon-virtual-dtor -Werror)
target_include_directories(kvorum_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)

set(KVORUM_SANITIZE "" CACHE STRING "sanitizers, for example address,undefined or thread")
if(KVORUM_SANITIZE)
  add_compile_options(-fsanitize=${KVORUM_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${KVORUM_SANITIZE})
endif()

# kvorum_library(FOLDER SOURCES ... [DEPS folders...] [LIBS external...] [TESTS ...])
#
# The library kvorum_FOLDER from SOURCES, and one test program FOLDER_test from TESTS. DEPS are the
# folders that it may include; tools/tidy.py reads them here and compares them with #include lines.
function(kvorum_library folder)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LIBS;TESTS;TEST_DEPS;TEST_LIBS" ${ARGN})
  set(target kvorum_${folder})
  list(TRANSFORM ARG_DEPS PREPEND kvorum_)
  list(TRANSFORM ARG_TEST_DEPS PREPEND kvorum_)
  if(ARG_SOURCES)
    add_library(${target} STATIC ${ARG_SOURCES})
    target_link_libraries(${target} PUBLIC kvorum_flags ${ARG_DEPS} ${ARG_LIBS})
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE kvorum_flags ${ARG_DEPS} ${ARG_LIBS})
  endif()
  if(ARG_TESTS)
    add_executable(${folder}_test ${ARG_TESTS})
    target_link_libraries(${folder}_test PRIVATE ${target} ${ARG_TEST_DEPS} ${ARG_TEST_LIBS}
                          GTest::gmock GTest::gtest GTest::gtest_main)
    gtest_discover_tests(${folder}_test TEST_PREFIX "${folder}/" DISCOVERY_TIMEOUT 60
                         PROPERTIES TIMEOUT 300)
  endif()
endfunction()
