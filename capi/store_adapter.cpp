// Store of the host.
#include <atomic>
#include <utility>

#include "capi/handles.hpp"

// One request, from the vtable's function to joey_store_done(). What it lends to the host lives in it.
struct joey_store_request {
  std::shared_ptr<joey::Postbox> postbox;
  joey::Append append;
  std::string name;   // of the stream, digest, parent or task
  std::string other;  // the summary or cursor
  std::vector<joey_bytes> entries;
  std::vector<joey_bytes> blobs;
  std::vector<joey::StoredEntry> answer;
  joey::UniqueFunction<void(joey::Status, std::vector<joey::StoredEntry>)> done;
  std::atomic<bool> finished{false};
};

namespace joey::capi {
namespace {

joey_bytes lend(const std::string& text) { return {text.data(), text.size()}; }

class HostStore final : public Store {
 public:
  HostStore(const joey_store_vtable& vtable, std::shared_ptr<UserData> user, Scheduler& scheduler,
            std::shared_ptr<Postbox> postbox)
      : vtable_(vtable), user_(std::move(user)), scheduler_(scheduler), postbox_(std::move(postbox)) {}

  void append(Append append, Completion<Seq> done) override {
    const Seq last = append.expected + append.entries.size();
    auto* request = make([last, done = std::move(done)](Status status, std::vector<StoredEntry>) {
      if (!status) return done(tl::unexpected(status.error()));
      done(last);
    });
    request->append = std::move(append);
    for (const EntryBytes& entry : request->append.entries) request->entries.push_back(lend(*entry));
    for (const Blob& blob : request->append.blobs) {
      request->blobs.push_back(lend(blob.digest));
      request->blobs.push_back(lend(blob.bytes));
    }
    if (request->append.summary) request->other = summary_json(*request->append.summary);
    vtable_.append(user_->get(), request, lend(request->append.stream), request->append.expected, request->entries.data(),
                   request->entries.size(), request->blobs.data(), request->blobs.size() / 2, lend(request->other));
  }

  void read(ReadQuery query, Completion<std::vector<StoredEntry>> done) override {
    auto* request = make([done = std::move(done)](Status status, std::vector<StoredEntry> entries) {
      if (!status) return done(tl::unexpected(status.error()));
      done(std::move(entries));
    });
    request->name = std::move(query.stream);
    vtable_.read(user_->get(), request, lend(request->name), query.from, query.entries_max, query.bytes_max);
  }

  void get_blob(Digest digest, Completion<std::shared_ptr<const std::string>> done) override {
    auto* request = make([done = std::move(done)](Status status, std::vector<StoredEntry> entries) {
      if (!status) return done(tl::unexpected(status.error()));
      if (entries.empty()) return done(failure(ErrorCode::not_found, "the host's store has no such blob"));
      done(entries[0].bytes);
    });
    request->name = std::move(digest);
    vtable_.get_blob(user_->get(), request, lend(request->name));
  }

  void list(ListQuery query, Completion<ListPage> done) override {
    auto* request = make([max = query.tasks_max, done = std::move(done)](Status status, std::vector<StoredEntry> entries) {
      if (!status) return done(tl::unexpected(status.error()));
      ListPage page;
      for (const StoredEntry& entry : entries) {
        auto summary = parse_summary(*entry.bytes);
        if (!summary) return done(tl::unexpected(summary.error()));
        page.tasks.push_back(*std::move(summary));
      }
      if (page.tasks.size() >= max) page.next = page.tasks.back().task;
      done(std::move(page));
    });
    request->name = std::move(query.parent);
    request->other = std::move(query.before);
    vtable_.list(user_->get(), request, lend(request->name), lend(request->other), query.tasks_max);
  }

  void get_summary(std::string task, Completion<TaskSummary> done) override {
    auto* request = make([task, done = std::move(done)](Status status, std::vector<StoredEntry> entries) {
      if (!status) return done(tl::unexpected(status.error()));
      if (entries.empty()) return done(failure(ErrorCode::not_found, "there is no task \"" + task + "\" in this store"));
      done(parse_summary(*entries[0].bytes));
    });
    request->name = std::move(task);
    vtable_.get_summary(user_->get(), request, lend(request->name));
  }

  void acquire_lease(std::string stream, Completion<void> done) override {
    if (vtable_.acquire_lease == nullptr) {
      scheduler_.post([done = std::move(done)] { done({}); });
      return;
    }
    auto* request = make([done = std::move(done)](Status status, std::vector<StoredEntry>) { done(std::move(status)); });
    request->name = std::move(stream);
    vtable_.acquire_lease(user_->get(), request, lend(request->name));
  }

  void release_lease(const std::string& stream) override {
    if (vtable_.release_lease != nullptr) vtable_.release_lease(user_->get(), lend(stream));
  }

 private:
  joey_store_request* make(UniqueFunction<void(Status, std::vector<StoredEntry>)> done) {
    auto request = std::make_unique<joey_store_request>();
    request->postbox = postbox_;
    request->done = std::move(done);
    return request.release();  // back in joey_store_done()
  }

  joey_store_vtable vtable_;
  std::shared_ptr<UserData> user_;
  Scheduler& scheduler_;
  std::shared_ptr<Postbox> postbox_;
};

}  // namespace

std::unique_ptr<Store> make_host_store(const joey_store_vtable& vtable, std::shared_ptr<UserData> user,
                                       Scheduler& scheduler, std::shared_ptr<Postbox> postbox) {
  return std::make_unique<HostStore>(vtable, std::move(user), scheduler, std::move(postbox));
}

}  // namespace joey::capi

using namespace joey;
using namespace joey::capi;

void joey_store_entry(joey_store_request* request, uint64_t seq, const char* bytes, size_t size) {
  quietly([&] {
    if (request == nullptr || request->finished) return;
    request->answer.push_back({seq, std::make_shared<const std::string>(view_or_empty(bytes, size))});
  });
}

void joey_store_done(joey_store_request* request, joey_status status, const char* message, size_t message_size) {
  quietly([&] {
    if (request == nullptr || request->finished.exchange(true)) return;
    const std::shared_ptr<joey_store_request> owned(request);
    Status end;
    if (status != JOEY_OK) end = failure(static_cast<ErrorCode>(status), std::string(view_or_empty(message, message_size)));
    owned->postbox->post([owned, end = std::move(end)]() mutable {
      owned->done(std::move(end), std::move(owned->answer));
    });
  });
}
