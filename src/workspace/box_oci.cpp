// Containers: not there yet.
#include "workspace/box_parts.hpp"

namespace joey {

Result<std::shared_ptr<const PreparedBox>> prepare_oci_box(BoxRules, bool) {
  return failure(ErrorCode::unsupported, "box: containers are not supported by this version: use bubblewrap, which limits the same by cgroups");
}

}  // namespace joey
