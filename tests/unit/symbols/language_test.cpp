#include "symbols/language.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace joey;

TEST_CASE("a file's language is known by its extension, whatever the case") {
  CHECK(language_of("src/main.cpp") == Language::cpp);
  CHECK(language_of("a/b.test.TSX") == Language::tsx);
  CHECK(language_of("x.c") == Language::c);
  CHECK(language_of("x.C") == Language::cpp);
  CHECK(language_of("build.sbt") == Language::scala);
  CHECK(language_of("README.Markdown") == Language::markdown);
}

TEST_CASE("a C header is read as C++") { CHECK(language_of("include/joey.h") == Language::cpp); }

TEST_CASE("some files are known by their whole name") {
  CHECK(language_of("Rakefile") == Language::ruby);
  CHECK(language_of("home/.bashrc") == Language::bash);
  CHECK(language_of("composer.lock") == Language::json);
}

TEST_CASE("htm is HTML, which had no parser in the reference") { CHECK(language_of("index.htm") == Language::html); }

TEST_CASE("what has no grammar has no language: elm, vb, ejs and erb are not taken for something that fails later") {
  for (const char* path : {"Main.elm", "Module.vb", "page.ejs", "page.html.erb", "x.tla", "x.unknown"}) {
    CAPTURE(path);
    CHECK_FALSE(language_of(path));
  }
}

TEST_CASE("what is no extension gives no language") {
  const std::string long_name = std::string(100'000, 'a') + ".c";
  for (const std::string_view path : {std::string_view(""), std::string_view("/"), std::string_view("cpp"),
                                      std::string_view(".c"), std::string_view("x."), std::string_view("dir.py/"),
                                      std::string_view("dir.py/file"), std::string_view(long_name)}) {
    CAPTURE(std::string(path.substr(0, 20)));
    CHECK_FALSE(language_of(path));
  }
}

TEST_CASE("every language has a name of its own") {
  for (std::size_t i = 0; i < languages_count; ++i) {
    CHECK_FALSE(name_of(static_cast<Language>(i)).empty());
    for (std::size_t j = 0; j < i; ++j) CHECK(name_of(static_cast<Language>(i)) != name_of(static_cast<Language>(j)));
  }
}
