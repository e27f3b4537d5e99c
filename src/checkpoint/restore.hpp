// Making a workspace what a tree says.
#pragma once

#include "base/cancel.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/files.hpp"
#include "checkpoint/objects.hpp"

namespace joey::shadow {

// `present` is what the workspace was just now. On an error nothing has changed; otherwise `result` says what has and
// what was left.
//
// In order: what is to be written is written to a directory beside, which finds a full disk and damaged objects; files
// in the way of others are removed, directories made, the new files moved to their places; then the rest is removed and
// modes are set. Each file to be replaced or removed is first compared, by its bytes, with what `present` holds.
[[nodiscard]] Status restore_tree(const Root& root, const Objects& objects, const Id& present, const Id& wanted,
                                  RestoredCheckpoint& result, const CancelToken& cancel);

}  // namespace joey::shadow
