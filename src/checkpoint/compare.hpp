// What differs between two trees.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.hpp"
#include "base/function.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/objects.hpp"

namespace joey::shadow {

struct Difference {
  std::string path;
  TreeEntry before;  // mode 0: there was none
  TreeEntry after;   // mode 0: there is none
};

enum class Descend : std::uint8_t { into, over };

// Gives each entry that differs, directories before what is in them and otherwise in the order of names; of a directory
// on both sides that differs only in what is in it, just that. Of one that `visit` answers with `over`, nothing more.
[[nodiscard]] Status compare(const Objects& objects, const Id& before, const Id& after,
                             const UniqueFunction<Descend(const Difference&)>& visit, const CancelToken& cancel);

// Whether a person would call it a change: directories show by what is in them, unless they are empty or their own
// mode changed.
[[nodiscard]] bool is_change(const Difference& difference);

// The differences for a person, with patches.
[[nodiscard]] Result<CheckpointDiff> describe(const Objects& objects, const Id& before, const Id& after,
                                              const CheckpointDiffLimits& limits, const CancelToken& cancel);

}  // namespace joey::shadow
