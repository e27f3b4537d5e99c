// A workspace in which other things happen between a tool's steps.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "workspace/workspace.hpp"

namespace joey {

// Passes everything on to another. Before a change of a file `before_change` is asked; its failure is the change's.
class InterferingWorkspace final : public Workspace {
 public:
  using Interference = std::function<Status(std::string_view path)>;

  InterferingWorkspace(std::shared_ptr<Workspace> real, Interference before_change)
      : real_(std::move(real)), before_change_(std::move(before_change)) {}

  const std::string& root() const override { return real_->root(); }
  Result<std::string> relative(std::string_view path) const override { return real_->relative(path); }
  Result<FileInfo> info(std::string_view path) const override { return real_->info(path); }
  Result<std::string> read(std::string_view path, std::size_t size_max) const override {
    if (on_read) on_read();
    return real_->read(path, size_max);
  }
  Result<std::string> read_range(std::string_view path, std::uint64_t offset, std::size_t size) const override {
    return real_->read_range(path, offset, size);
  }
  Result<std::vector<DirectoryEntry>> list(std::string_view path) const override { return real_->list(path); }

  Status write(std::string_view path, std::string_view bytes, const ChangeOptions& options) override {
    if (Status may = before_change_(path); !may) return may;
    return real_->write(path, bytes, options);
  }
  Status remove(std::string_view path, const ChangeOptions& options) override {
    if (Status may = before_change_(path); !may) return may;
    return real_->remove(path, options);
  }
  Status rename(std::string_view from, std::string_view to, const ChangeOptions& options) override {
    if (Status may = before_change_(from); !may) return may;
    return real_->rename(from, to, options);
  }
  Result<std::unique_ptr<Command>> start(CommandSpec spec, CommandSink& sink) override {
    return real_->start(std::move(spec), sink);
  }

  std::function<void()> on_read;  // may be empty

 private:
  std::shared_ptr<Workspace> real_;
  Interference before_change_;
};

}  // namespace joey
