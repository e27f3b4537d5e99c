// A temporary directory for a test, and plain ways to fill and look at it.
#pragma once

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace joey::test {

class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(const std::string& where = "/tmp") {
    std::string name = where + "/joey-test-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

  // Writes a file and makes its directories.
  void put(const std::string& name, const std::string& bytes) const {
    std::filesystem::create_directories(std::filesystem::path(*this / name).parent_path());
    std::ofstream file(*this / name, std::ios::binary);
    file << bytes;
    REQUIRE(file.good());
  }
  [[nodiscard]] std::string get(const std::string& name) const {
    std::ifstream file(*this / name, std::ios::binary);
    REQUIRE(file.good());
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void link(const std::string& target, const std::string& name) const {
    REQUIRE(::symlink(target.c_str(), (*this / name).c_str()) == 0);
  }
  void make(const std::string& name) const { std::filesystem::create_directories(*this / name); }
  [[nodiscard]] bool exists(const std::string& name) const {
    struct stat status = {};
    return ::lstat((*this / name).c_str(), &status) == 0;
  }
  // Names in the directory `name`, of temporary files too.
  [[nodiscard]] std::size_t count(const std::string& name) const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(*this / name), {}));
  }

 private:
  std::string path_;
};

}  // namespace joey::test
