#include "base/path.hpp"

#include <doctest/doctest.h>

using namespace joey;

TEST_CASE("the shortest form of a path") {
  CHECK(shortest_path("a/./b//c/").value() == "a/b/c");
  CHECK(shortest_path("/a/../b").value() == "b");
  CHECK(shortest_path("").value().empty());
  CHECK_FALSE(shortest_path("a/../.."));
}

TEST_CASE("a path beneath a root, whether it is given relative or absolute") {
  CHECK(path_beneath("/w", "a/../b").value() == "b");
  CHECK(path_beneath("/w", "/w/a").value() == "a");
  CHECK(path_beneath("/w", "/w//x/../a/").value() == "a");
  CHECK(path_beneath("/w", "/w").value() == ".");
  CHECK(path_beneath("/w", ".").value() == ".");
  CHECK(path_beneath("/", "/etc").value() == "etc");
  for (const char* path : {"..", "a/../../b", "/w/../x", "/wider/a", "/", "/x/w/a"}) {
    CAPTURE(path);
    CHECK_FALSE(path_beneath("/w", path));
  }
}
