#include "sim/disk.hpp"

#include <algorithm>
#include <utility>

namespace joey::sim {
namespace {

class FaultyStore final : public Store {
 public:
  FaultyStore(Setting& setting, std::shared_ptr<Process> process, std::unique_ptr<Store> inner, Timestamp& full_until)
      : setting_(setting), process_(std::move(process)), inner_(std::move(inner)), full_until_(full_until) {}

  void append(Append append, Completion<Seq> done) override {
    const std::string stream = append.stream;
    setting_.auditor.append_begins(stream);
    done = [this, stream, done = std::move(done)](Result<Seq> result) {
      setting_.auditor.append_ends(stream);
      done(std::move(result));
    };
    if (setting_.happens(setting_.faults.disk_full)) full_until_ = setting_.scheduler.now() + setting_.random.between(100, 60'000);
    const bool full = !setting_.calm && setting_.scheduler.now() < full_until_;
    if (full || setting_.happens(setting_.faults.append_fails)) {
      setting_.trace("{}: append fails{}", stream, full ? ", the disk is full" : "");
      if (setting_.sabotage == Sabotage::failed_but_kept) forward(std::move(append), [](Result<Seq>) {});
      return later([done = std::move(done)] { done(failure(ErrorCode::io, "the disk is full")); });
    }
    if (sabotaged(append)) {
      const Seq seq = append.expected + append.entries.size();
      after(milliseconds(0), [done = std::move(done), seq] { done(seq); });
      if (setting_.sabotage == Sabotage::lost_words) return;
      return after(milliseconds(50), [this, append = std::make_shared<Append>(std::move(append))] { forward(std::move(*append), [](Result<Seq>) {}); });
    }
    if (setting_.happens(setting_.faults.append_late)) {
      return later([this, append = std::make_shared<Append>(std::move(append)), done = std::make_shared<Completion<Seq>>(std::move(done))] {
        forward(std::move(*append), std::move(*done));
      });
    }
    forward(std::move(append), std::move(done));
  }

  void read(ReadQuery query, Completion<std::vector<StoredEntry>> done) override {
    if (!setting_.happens(setting_.faults.append_late)) return inner_->read(std::move(query), std::move(done));
    inner_->read(std::move(query), [this, done = std::make_shared<Completion<std::vector<StoredEntry>>>(std::move(done))](Result<std::vector<StoredEntry>> entries) {
      later([entries = std::make_shared<Result<std::vector<StoredEntry>>>(std::move(entries)), done] { (*done)(std::move(*entries)); });
    });
  }
  void get_blob(Digest digest, Completion<std::shared_ptr<const std::string>> done) override {
    inner_->get_blob(std::move(digest), std::move(done));
  }
  void list(ListQuery query, Completion<ListPage> done) override { inner_->list(std::move(query), std::move(done)); }
  void get_summary(std::string task, Completion<TaskSummary> done) override { inner_->get_summary(std::move(task), std::move(done)); }
  void acquire_lease(std::string stream, Completion<void> done) override { inner_->acquire_lease(std::move(stream), std::move(done)); }
  void release_lease(const std::string& stream) override { inner_->release_lease(stream); }

 private:
  // Whether this append is acknowledged before its time.
  [[nodiscard]] bool sabotaged(const Append& append) const {
    const auto holds = [&](std::string_view text) {
      return std::any_of(append.entries.begin(), append.entries.end(), [&](const EntryBytes& entry) { return entry->find(text) != entry->npos; });
    };
    switch (setting_.sabotage) {
      case Sabotage::early_tool: return holds("\"tool.started\"");
      case Sabotage::early_request: return holds("\"model.requested\"");
      case Sabotage::lost_words: return holds("\"text\":\"say ");
      default: return false;
    }
  }

  void forward(Append append, Completion<Seq> done) {
    if (!process_->survives("append")) return;
    const std::string stream = append.stream;
    const Seq expected = append.expected;
    const auto entries = append.entries;
    if (setting_.sabotage == Sabotage::lost_on_disk && entries.size() > 1) append.entries.pop_back();
    inner_->append(std::move(append), [this, stream, expected, entries, done = std::make_shared<Completion<Seq>>(std::move(done))](Result<Seq> result) {
      if (!process_->alive()) return;
      if (!result) return (*done)(std::move(result));
      setting_.auditor.durable(stream, expected, entries);
      if (setting_.verbose) {
        for (const EntryBytes& entry : entries) setting_.trace("{}", entry->substr(0, 240));
      }
      if (!process_->survives("durable")) return;
      if (!setting_.happens(setting_.faults.append_late)) return (*done)(std::move(result));
      later([done, result] { (*done)(result); });
    });
  }

  // Of this process only.
  template <class F>
  auto on_process(F f) {
    return [process = process_, alive = std::weak_ptr(alive_), f = std::move(f)] {
      if (process->alive() && !alive.expired()) f();
    };
  }
  template <class F>
  void after(milliseconds delay, F f) {
    // Not a timer of the engine's: a worker's completion.
    setting_.scheduler.outside(delay, on_process(std::move(f)));
  }
  template <class F>
  void later(F f) {
    after(setting_.delay(setting_.random.chance(0.1) ? 3'000 : 40), std::move(f));
  }

  Setting& setting_;
  std::shared_ptr<Process> process_;
  std::unique_ptr<Store> inner_;
  Timestamp& full_until_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

std::unique_ptr<Store> make_faulty_store(Setting& setting, std::shared_ptr<Process> process, std::unique_ptr<Store> inner, Timestamp& full_until) {
  return std::make_unique<FaultyStore>(setting, std::move(process), std::move(inner), full_until);
}

}  // namespace joey::sim
