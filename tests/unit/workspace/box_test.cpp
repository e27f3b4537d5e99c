#include "workspace/box.hpp"

#include "box_support.hpp"

namespace joey {
namespace {
using namespace test;
TEST_CASE("a box runs commands") {
  BoxWorld world;
  for (const BoxKind kind : {BoxKind::landlock, BoxKind::bubblewrap}) {
    const auto box = try_box(kind, world.plain_rules());
    if (!box) continue;
    for (auto& l : box->report().reduced) MESSAGE(l);
    for (auto& l : box->report().restricted) MESSAGE(l);
    const BoxRun run = world.run(box, "echo hello; pwd; id; ls; exit 3");
    MESSAGE(run.output);
    CHECK(run.exit.code == 3);
  }
}
}  // namespace
}  // namespace joey
