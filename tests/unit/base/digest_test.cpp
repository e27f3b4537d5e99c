#include "base/digest.hpp"

#include <doctest/doctest.h>

#include "base/ids.hpp"

using namespace joey;

TEST_CASE("the digest is BLAKE2b-256") {
  CHECK(digest("abc") == "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
}

TEST_CASE("a digest goes on from a copied prefix") {
  Digester common;
  common.update("hello ");
  Digester one = common;
  one.update("world");
  Digester two = common;
  two.update("there");
  CHECK(one.finish() == digest("hello world"));
  CHECK(two.finish() == digest("hello there"));
  CHECK(common.finish() == digest("hello "));
}

TEST_CASE("ids sort by age") {
  CHECK(make_id("task", 0x123, 0xABC) == "task_000000000123000000000abc");
  CHECK(make_id("task", 5, 9) < make_id("task", 6, 0));
}
