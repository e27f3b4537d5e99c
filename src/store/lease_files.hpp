// Leases as locks of the system: they end with the process that holds them, however it ends.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/result.hpp"

namespace joey {

// One byte per stream in one of a directory's empty files, both chosen by a hash of its name, under an open file
// description lock. Such a lock belongs to the descriptor: two stores of one process exclude each other as two
// processes do. A child that is forked shares it until it executes a program, which closes the descriptor.
//
// Many files, because the system looks through all locks of a file for each new one: among 10,000 leases in one file
// another costs 0.2 ms, in these 5 us. They are never removed: whoever held one open would go on holding locks that
// nobody else sees.
class LeaseFiles {
 public:
  // Made with the first lease.
  explicit LeaseFiles(std::string directory) : directory_(std::move(directory)) { files_.fill(-1); }
  ~LeaseFiles();
  LeaseFiles(const LeaseFiles&) = delete;
  LeaseFiles& operator=(const LeaseFiles&) = delete;

  // Never waits. A stream that is held already stays so. `busy`: another store has it.
  [[nodiscard]] Status acquire(const std::string& stream);
  void release(const std::string& stream);

 private:
  static constexpr std::size_t files_count = 64;  // the same for every build: it chooses the file

  Result<int> open(std::size_t index);

  std::string directory_;
  std::array<int, files_count> files_;
  // By hash: two names may share one, and then the lock stays until both are released. In two stores such names exclude
  // each other for nothing; among 100,000 the chance that any two do is one in a thousand million.
  std::unordered_map<std::uint64_t, std::unordered_set<std::string>> held_;
};

}  // namespace joey
