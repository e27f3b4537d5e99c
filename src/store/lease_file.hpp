// Leases as locks of the system: they end with the process that holds them, however it ends.
#pragma once

#include <sys/types.h>

#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/result.hpp"

namespace joey {

// One byte of an empty file per stream, at an offset that is a hash of its name, under an open file description lock.
// Such a lock belongs to the descriptor: two stores of one process exclude each other as two processes do. A child that
// is forked shares it until it executes a program, which closes the descriptor.
//
// The file is never removed: whoever held it open would go on holding locks that nobody else sees.
class LeaseFile {
 public:
  // Opened with the first lease.
  explicit LeaseFile(std::string path) : path_(std::move(path)) {}
  ~LeaseFile();
  LeaseFile(const LeaseFile&) = delete;
  LeaseFile& operator=(const LeaseFile&) = delete;

  // Never waits. A stream that is held already stays so. `busy`: another store has it.
  [[nodiscard]] Status acquire(const std::string& stream);
  void release(const std::string& stream);

 private:
  Status open();

  std::string path_;
  int file_{-1};
  // By offset: two names may share one, and then the lock stays until both are released. In two stores such names
  // exclude each other for nothing; among 100,000 the chance that any two do is one in a thousand million.
  std::unordered_map<off_t, std::unordered_set<std::string>> held_;
};

}  // namespace joey
