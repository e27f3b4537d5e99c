#include "workspace/box_parts.hpp"
namespace joey {
Result<std::shared_ptr<const PreparedBox>> prepare_oci_box(BoxRules, bool) {
  return failure(ErrorCode::unsupported, "box: oci is not there yet");
}
}  // namespace joey
