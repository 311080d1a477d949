# Shared build rules: tool detection, warnings, and one function per kind of target.
option(KVORUM_FUZZ "build the libFuzzer targets (needs clang)" OFF)
option(KVORUM_UNIT_ONLY "leave out tests/ and bench/, which need the release program" OFF)
option(KVORUM_MUTANTS "plant the bugs of base/mutants.def, asleep until one is picked" OFF)
set(KVORUM_SANITIZE "" CACHE STRING "sanitizers, for example address,undefined or thread")

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
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 warns of what its own inlining made up, and under a sanitizer of fences, too.
  target_compile_options(kvorum_flags INTERFACE -Wno-maybe-uninitialized -Wno-restrict
                         -Wno-stringop-overread -Wno-tsan)
endif()
target_include_directories(kvorum_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)

if(KVORUM_SANITIZE)
  add_compile_options(-fsanitize=${KVORUM_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${KVORUM_SANITIZE})
endif()
if(KVORUM_FUZZ)
  # Everything reports its coverage; only the fuzz targets link the fuzzer, which has a main().
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(KVORUM_MUTANTS)
  add_compile_definitions(KVORUM_MUTANTS)
endif()

add_custom_target(unit_tests)  # every FOLDER_test
add_custom_target(fuzzers)     # every kvorum_fuzz

# kvorum_library(FOLDER SOURCES ... [DEPS folders...] [LIBS external...]
#                [TESTS ... [TEST_DEPS folders...] [TEST_LIBS external...]])
#
# The library kvorum_FOLDER from SOURCES, and one test program FOLDER_test from TESTS. DEPS are the
# folders that it may include, TEST_DEPS those that only its tests may; tools/tidy.py reads them
# here and compares them with #include lines.
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
    add_dependencies(unit_tests ${folder}_test)
  endif()
endfunction()

# kvorum_page(FOLDER NAME.html CONSTANT)
#
# The page becomes the string CONSTANT in FOLDER/NAME_html.h, which the library kvorum_FOLDER may
# include. A line `@include FOLDER/FILE@` in it stands for that file.
function(kvorum_page folder source constant)
  file(READ ${source} page)
  set(read ${source})
  string(REGEX MATCHALL "@include [a-z_./]+@" marks "${page}")
  foreach(mark IN LISTS marks)
    string(REGEX REPLACE "@include (.*)@" "${CMAKE_SOURCE_DIR}/src/\\1" file "${mark}")
    file(READ ${file} text)
    string(REPLACE "${mark}\n" "${text}" page "${page}")
    list(APPEND read ${file})
  endforeach()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${read})
  get_filename_component(name ${source} NAME_WE)
  set(generated ${CMAKE_CURRENT_BINARY_DIR}/generated)
  configure_file(${CMAKE_SOURCE_DIR}/cmake/page.h.in ${generated}/${folder}/${name}_html.h @ONLY)
  target_include_directories(kvorum_${folder} PRIVATE ${generated})
endfunction()

# kvorum_fuzz(NAME SOURCE [folders...])
#
# The libFuzzer program NAME from SOURCE, linked with the folders' libraries. Its seeds live in
# tests/corpus/NAME/. Does nothing unless KVORUM_FUZZ is on.
function(kvorum_fuzz name source)
  if(NOT KVORUM_FUZZ)
    return()
  endif()
  set(deps ${ARGN})
  list(TRANSFORM deps PREPEND kvorum_)
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE kvorum_flags ${deps})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzzers)
  add_dependencies(fuzzers ${name})
endfunction()
