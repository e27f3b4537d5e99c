// The parts of a ZIP archive, from memory. One that would grow beyond a limit is not read to its end.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/cancel.hpp"
#include "base/function.hpp"
#include "base/result.hpp"

struct zip;

namespace joey {

// Errors are worded for the office documents that such archives are; they are to follow the file's path.
class Archive {
 public:
  // `bytes` and `cancel` outlive it.
  [[nodiscard]] static Result<Archive> open(std::string_view bytes, const CancelToken& cancel);

  [[nodiscard]] bool has(const std::string& part) const;

  // Hands over the bytes of a part, piece by piece, until `take` returns false. `not_found` when there is no such part.
  // `limit` when all that was read from this archive exceeds archive_read_max.
  [[nodiscard]] Status read(const std::string& part, UniqueFunction<bool(std::string_view)> take);

 private:
  struct Close {
    void operator()(zip* archive) const;
  };
  Archive(zip* archive, const CancelToken& cancel) : archive_(archive), cancel_(&cancel) {}

  std::unique_ptr<zip, Close> archive_;
  const CancelToken* cancel_;
  std::size_t read_{0};
};

// A part's name as it may stand in a message: short, and of one line.
[[nodiscard]] std::string part_name(std::string_view part);

constexpr std::size_t archive_read_max = 256U << 20;  // bytes, unpacked

}  // namespace joey
