#include <doctest/doctest.h>

#include "provider/effort.hpp"

using namespace joey;

TEST_CASE("a level that a model lacks is the nearest it has, and of two the one that thinks more") {
  CHECK(effort_of("gpt-5", "minimal").level == "minimal");
  CHECK(effort_of("gpt-5", "none").level == "minimal");
  CHECK(effort_of("gpt-5", "max").level == "high");
  CHECK(effort_of("gpt-5.1", "minimal").level == "low");
  CHECK(effort_of("gpt-5.2-2026-01-01", "max").level == "xhigh");
  CHECK(effort_of("gpt-6.1-sol", "max").level == "max");
  CHECK(effort_of("o3-mini", "none").level == "low");
  CHECK(effort_of("gpt-5-pro", "low").level == "high");
  CHECK(effort_of("grok-3-mini", "medium").level == "high");
  CHECK(effort_of("z-ai/glm-5.3", "none").level == "low");
  CHECK(effort_of("kimi-k2.6", "none").level == "off");
  CHECK(effort_of("kimi-k2.6", "low").level == "on");
  CHECK(nearest_level("", "high") == "");
}

TEST_CASE("what was not asked for, or is not known to be taken, is not said") {
  for (const char* model : {"gpt-6.1-sol", "o3", "glm-5", "kimi-k3"}) CHECK(effort_of(model, "").level == "");
  for (const char* model : {"gpt-4o", "gpt-5-chat-latest", "grok-4", "grok-code-fast-1", "llama3", "", "/"}) {
    CAPTURE(model);
    CHECK(effort_of(model, "high").level == "");
    CHECK_FALSE(effort_of(model, "high").thinks);
  }
  CHECK(effort_of("gpt-9-new", "high").level == "");
  CHECK(effort_of("gpt-9-new", "").thinks);
}
