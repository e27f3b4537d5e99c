// Checkpoints: snapshots of a workspace's files, whoever changed them, kept outside of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/cancel.hpp"
#include "base/result.hpp"
#include "base/scheduler.hpp"

namespace joey {

// Whose checkpoint, and what it is tied to.
struct CheckpointRequest {
  std::string task;      // letters, digits, '_', '-' and single '.' inside, at most 200 bytes
  std::uint64_t seq{0};  // of the task's journal
  std::string label;     // for a person; kept as one line of at most 200 bytes
};

struct Checkpoint {
  std::string id;  // 40 hexadecimal digits
  std::string task;
  std::uint64_t seq{0};
  std::string label;
  Timestamp created_at{0};
  std::size_t changed{0};  // paths that differ from the task's checkpoint before; of its first, all files
};

// What a checkpoint knows of but does not hold.
struct NotKept {
  enum class Reason : std::uint8_t { too_large, unreadable, special };  // special: a pipe, socket or device
  std::string path;
  Reason reason{Reason::too_large};
  std::uint64_t size{0};  // bytes; 0 when it is not known
};

struct TakenCheckpoint {
  Checkpoint checkpoint;
  bool unchanged{false};  // nothing differs from the task's last checkpoint: that one again, and nothing was written
  std::vector<NotKept> not_kept;  // the first 100
  std::size_t not_kept_count{0};
};

struct ChangedFile {
  enum class Kind : std::uint8_t { added, modified, deleted, type, mode };
  std::string path;  // relative to the root, bytes as the disk has them; a directory's ends in '/'
  Kind kind{Kind::modified};
  std::uint32_t mode_before{0};  // as st_mode, 0 when it did not exist; 0160000 for what was not kept
  std::uint32_t mode_after{0};
  bool binary{false};
  std::string patch;        // unified; empty where there is no text to show
  bool patch_cut{false};    // a limit of CheckpointDiffLimits shortened it or left it out
};

struct CheckpointDiff {
  std::vector<ChangedFile> files;  // by path
  std::size_t files_count{0};     // all of them, those past files_max too
};

struct CheckpointDiffLimits {
  std::size_t files_max{1'000};
  std::size_t text_size_max{1U << 20};    // bytes of a file's text, before or after: larger ones have no patch
  std::size_t patch_size_max{64U << 10};  // bytes of one file's patch
  std::size_t bytes_max{1U << 20};        // bytes of all patches
};

// What a restore did not touch although the checkpoint says otherwise, and why.
struct LeftAsItIs {
  std::string path;
  std::string why;
};

struct RestoredCheckpoint {
  std::string before;        // the checkpoint taken first: restoring it undoes this
  std::size_t written{0};    // files and links written or given their modes, directories made
  std::size_t removed{0};    // files, links and directories
  std::vector<LeftAsItIs> left;  // the first 100
  std::size_t left_count{0};
};

struct CheckpointOptions {
  std::uint64_t file_size_max{64U << 20};         // bytes; larger files are recorded by size and time, not kept
  std::uint64_t added_bytes_max{4ULL << 30};      // content that one checkpoint may add
  std::uint64_t repository_bytes_max{8ULL << 30}; // then the oldest checkpoints of all tasks are dropped
  std::uint64_t disk_free_min{512ULL << 20};      // bytes a checkpoint leaves free on its disk
  std::size_t entries_max{1'000'000};             // names in the workspace, ignored ones too
  std::size_t per_task_max{100};                  // checkpoints of a task; then the oldest but the first are dropped
  std::chrono::milliseconds time_max{120'000};    // of one look at the workspace
  std::chrono::milliseconds lock_wait_max{60'000};  // for another engine at work on the same workspace
  std::size_t threads{0};                         // that look at files; 0: one a core, at most 4
};

// The checkpoints of one workspace.
//
// A checkpoint holds every file beneath the root with its bytes and permission bits, symlinks as links, and empty
// directories; files that .rooignore hides from the model too, because a command may change them. It does not hold
// - what the .gitignore files beneath the root ignore (a .gitignore itself is kept),
// - anything named ".git", at any depth: not read, not written, not removed (the files of nested repositories are kept),
// - files above file_size_max, unreadable ones, pipes, sockets, devices: these are reported,
// - owners, times, hard links, extended attributes, and the mode of the root itself.
// No attribute, filter, hook, configuration or index of git plays a part.
//
// Threads: every function blocks and may be called from any thread at once. They wait for each other, also for those
// of another process on the same workspace; `busy` after lock_wait_max. Files may change meanwhile: each is seen whole
// as it was at some moment, unless it changes all the time.
// Failures: nothing was recorded, but for the checkpoint that a restore takes first, and no file changed. `limit`: entries_max, time_max (`timeout`),
// added_bytes_max or the disk. `corrupt`: stored bytes were lost, as by a loss of power.
class Checkpoints {
 public:
  virtual ~Checkpoints() = default;

  // Durable against the end of the process, not against a loss of power: that can cost the last checkpoints, which
  // are then `corrupt` and never restored in part.
  [[nodiscard]] virtual Result<TakenCheckpoint> take(const CheckpointRequest& request, const CancelToken& cancel) = 0;

  // Oldest first; none for a task that has none.
  [[nodiscard]] virtual Result<std::vector<Checkpoint>> list(const std::string& task) = 0;

  // From one checkpoint to another, of any task; with an empty `to`, to the files as they are now.
  [[nodiscard]] virtual Result<CheckpointDiff> diff(const std::string& from, const std::string& to,
                                                    const CheckpointDiffLimits& limits, const CancelToken& cancel) = 0;

  // Makes the workspace what it was, after taking a checkpoint for `before`. Touches only what differs, and never
  // replaces or removes what the checkpoint taken first does not hold: that is left, and listed. Left without a word is
  // what the rules of the restored .gitignore files ignore. All new content is written beside first, so that a full
  // disk or a damaged object changes nothing; when a later step fails it goes on with the others and lists what is
  // left. Cancelling has no effect once files are being changed.
  [[nodiscard]] virtual Result<RestoredCheckpoint> restore(const std::string& id, const CheckpointRequest& before,
                                                           const CancelToken& cancel) = 0;

  // Forgets a task's checkpoints and frees their space; the whole repository with the last of them.
  [[nodiscard]] virtual Status drop(const std::string& task) = 0;
};

// Keeps the checkpoints of the workspace `root` in a git repository of their own beneath `directory`, which is made when
// missing (mode 0700) and may serve many workspaces. The user's own git is not involved; `git -C` there works for a
// person who looks. `denied` for roots nobody means: "/", system directories, the user's home and what is above it,
// its Desktop, Documents and Downloads, and for a `directory` inside the workspace.
[[nodiscard]] Result<std::unique_ptr<Checkpoints>> open_git_checkpoints(const std::string& directory,
                                                                        const std::string& root,
                                                                        CheckpointOptions options = {});

}  // namespace joey
