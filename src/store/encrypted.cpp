#include "store/encrypted.hpp"

#include <sodium.h>

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/base64.hpp"
#include "store/check.hpp"

namespace joey {
namespace {

using Key = std::array<unsigned char, crypto_aead_xchacha20poly1305_ietf_KEYBYTES>;
static_assert(sizeof(Key) == sizeof(StoreKey::bytes));

constexpr std::size_t nonce_size = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t tag_size = crypto_aead_xchacha20poly1305_ietf_ABYTES;
constexpr std::size_t data_key_id_size = 8;
constexpr char version = '\x01';  // of a record: no JSON begins with it
constexpr std::size_t header_size = 1 + data_key_id_size;
constexpr std::size_t overhead = header_size + nonce_size + tag_size;  // bytes of a record besides its text
constexpr std::string_view envelopes = "joey/keys";  // a stream; no task's id has a '/' before a name of its own

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::string random_bytes(std::size_t size) {
  std::string bytes(size, '\0');
  randombytes_buf(bytes.data(), bytes.size());
  return bytes;
}

// nonce, ciphertext and tag.
std::string seal(const Key& key, std::string_view text, std::string_view place) {
  std::string out = random_bytes(nonce_size);
  out.resize(nonce_size + text.size() + tag_size);
  crypto_aead_xchacha20poly1305_ietf_encrypt(reinterpret_cast<unsigned char*>(out.data()) + nonce_size, nullptr, bytes_of(text),
                                             text.size(), bytes_of(place), place.size(), nullptr, bytes_of(out), key.data());
  return out;
}

std::optional<std::string> unseal(const Key& key, std::string_view sealed, std::string_view place) {
  if (sealed.size() < nonce_size + tag_size) return std::nullopt;
  const std::string_view nonce = sealed.substr(0, nonce_size);
  const std::string_view rest = sealed.substr(nonce_size);
  std::string text(rest.size() - tag_size, '\0');
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(reinterpret_cast<unsigned char*>(text.data()), nullptr, nullptr, bytes_of(rest),
                                                 rest.size(), bytes_of(place), place.size(), bytes_of(nonce), key.data()) != 0) {
    return std::nullopt;
  }
  return text;
}

// A kind and names that cannot run into one another.
std::string place_of(char kind, std::string_view name, std::uint64_t number = 0) {
  return std::string(1, kind) + std::to_string(number) + ':' + std::string(name);
}

// id '\n' data key's id, and the data key sealed with the host's.
struct Envelope {
  std::string key_id;
  std::string data_key_id;
  std::string sealed;

  [[nodiscard]] std::string text() const { return key_id + '\n' + data_key_id + sealed; }
  [[nodiscard]] std::string place() const { return place_of('k', key_id + '\n' + data_key_id); }
};

std::optional<Envelope> parse_envelope(std::string_view text) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos || text.size() < end + 1 + data_key_id_size) return std::nullopt;
  return Envelope{std::string(text.substr(0, end)), std::string(text.substr(end + 1, data_key_id_size)),
                  std::string(text.substr(end + 1 + data_key_id_size))};
}

// The texts of a summary, which no list looks at.
constexpr std::string TaskSummary::*summary_texts[] = {&TaskSummary::session, &TaskSummary::title,    &TaskSummary::status,
                                                       &TaskSummary::mode,    &TaskSummary::provider, &TaskSummary::model};

std::string pack(const TaskSummary& summary) {
  std::string out;
  for (const auto text : summary_texts) out += std::to_string((summary.*text).size()) + ':' + summary.*text;
  return out;
}

bool unpack(std::string_view packed, TaskSummary& summary) {
  for (const auto text : summary_texts) {
    const std::size_t colon = packed.find(':');
    if (colon == std::string_view::npos || colon == 0 || colon > 10) return false;
    const std::size_t size = std::stoul(std::string(packed.substr(0, colon)));
    packed.remove_prefix(colon + 1);
    if (size > packed.size()) return false;
    summary.*text = packed.substr(0, size);
    packed.remove_prefix(size);
  }
  return packed.empty();
}

bool is_key_id(std::string_view id) {
  constexpr std::size_t size_max = 64;
  return !id.empty() && id.size() <= size_max && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

class Encrypted final : public EncryptedStore {
 public:
  Encrypted(std::unique_ptr<Store> inner, std::vector<StoreKey> keys, Scheduler& scheduler)
      : keys_(std::move(keys)), scheduler_(scheduler), inner_(std::move(inner)) {
    read_envelopes();
  }
  ~Encrypted() override {
    inner_.reset();  // whose completions may still come
    for (StoreKey& key : keys_) sodium_memzero(key.bytes.data(), key.bytes.size());
    for (auto& [id, key] : data_keys_) sodium_memzero(key.data(), key.size());
  }

  void append(Append append, Completion<Seq> done) override {
    when_open<Seq>(std::move(done), [this, append = std::move(append)](Completion<Seq> then) mutable {
      if (Status status = check(append); !status) return answer<Seq>(std::move(then), tl::unexpected(status.error()));
      Seq seq = append.expected;
      for (EntryBytes& entry : append.entries) {
        entry = std::make_shared<const std::string>(record(*entry, place_of('e', append.stream, ++seq)));
      }
      for (Blob& blob : append.blobs) {
        blob.digest = blob_name(blob.digest);
        blob.bytes = record(blob.bytes, place_of('b', blob.digest));
      }
      if (append.summary) hide(*append.summary);
      inner_->append(std::move(append), std::move(then));
    });
  }

  void read(ReadQuery query, Completion<std::vector<StoredEntry>> done) override {
    when_open<std::vector<StoredEntry>>(std::move(done), [this, query = std::move(query)](
                                                            Completion<std::vector<StoredEntry>> then) mutable {
      std::string stream = query.stream;
      const std::size_t bytes_max = query.bytes_max;
      // Sealed entries are longer: the page that is asked for is one of plain text.
      query.bytes_max += std::min(query.entries_max, bytes_max / overhead + 1) * overhead;
      inner_->read(std::move(query), [this, stream = std::move(stream), bytes_max, then = std::move(then)](
                                         Result<std::vector<StoredEntry>> entries) {
        if (!entries) return then(std::move(entries));
        std::vector<StoredEntry> page;
        std::size_t bytes = 0;
        for (StoredEntry& entry : *entries) {
          auto text = plain(*entry.bytes, place_of('e', stream, entry.seq), stream);
          if (!text) return then(tl::unexpected(std::move(text.error())));
          bytes += text->size();
          if (!page.empty() && bytes > bytes_max) break;
          page.push_back({entry.seq, std::make_shared<const std::string>(*std::move(text))});
        }
        then(std::move(page));
      });
    });
  }

  void get_blob(Digest digest, Completion<std::shared_ptr<const std::string>> done) override {
    when_open<std::shared_ptr<const std::string>>(
        std::move(done), [this, digest = std::move(digest)](Completion<std::shared_ptr<const std::string>> then) {
          const Digest name = blob_name(digest);
          inner_->get_blob(name, [this, digest, name, then = std::move(then)](Result<std::shared_ptr<const std::string>> blob) {
            if (!blob && blob.error().code == ErrorCode::not_found) return then(failure(ErrorCode::not_found, "no blob " + digest));
            if (!blob) return then(std::move(blob));
            auto text = plain(**blob, place_of('b', name), "blob " + digest);
            if (!text) return then(tl::unexpected(std::move(text.error())));
            then(std::make_shared<const std::string>(*std::move(text)));
          });
        });
  }

  void list(ListQuery query, Completion<ListPage> done) override {
    when_open<ListPage>(std::move(done), [this, query = std::move(query)](Completion<ListPage> then) {
      inner_->list(query, [this, then = std::move(then)](Result<ListPage> page) {
        if (!page) return then(std::move(page));
        for (TaskSummary& summary : page->tasks) {
          if (Status shown = show(summary); !shown) return then(tl::unexpected(std::move(shown.error())));
        }
        then(std::move(page));
      });
    });
  }

  void get_summary(std::string task, Completion<TaskSummary> done) override {
    when_open<TaskSummary>(std::move(done), [this, task = std::move(task)](Completion<TaskSummary> then) {
      inner_->get_summary(task, [this, then = std::move(then)](Result<TaskSummary> summary) {
        if (!summary) return then(std::move(summary));
        if (Status shown = show(*summary); !shown) return then(tl::unexpected(std::move(shown.error())));
        then(std::move(summary));
      });
    });
  }

  void acquire_lease(std::string stream, Completion<void> done) override {
    inner_->acquire_lease(std::move(stream), std::move(done));
  }
  void release_lease(const std::string& stream) override { inner_->release_lease(stream); }

  void rewrap(Completion<void> done) override {
    when_open<void>(std::move(done), [this](Completion<void> then) {
      Append append;
      for (const auto& [id, key] : data_keys_) {
        if (!current_.contains(id)) append.entries.push_back(envelope(id, key));
      }
      if (append.entries.empty()) return answer<void>(std::move(then), {});
      append.stream = envelopes;
      append.expected = envelopes_count_;
      inner_->append(std::move(append), [this, then = std::move(then)](Result<Seq> appended) {
        if (!appended) return then(tl::unexpected(std::move(appended.error())));
        envelopes_count_ = *appended;
        for (const auto& [id, key] : data_keys_) current_.insert(id);
        then({});
      });
    });
  }

 private:
  // ---- Opening ----

  template <class T, class Call>
  void when_open(Completion<T> done, Call call) {
    auto run = [this, done = std::move(done), call = std::move(call)]() mutable {
      if (problem_) return answer<T>(std::move(done), tl::unexpected(*problem_));
      call(std::move(done));
    };
    if (is_open_) return run();
    waiting_.push_back(std::move(run));
  }

  template <class T>
  void answer(Completion<T> done, Result<T> result) {
    scheduler_.post([alive = std::weak_ptr(alive_), done = std::move(done), result = std::move(result)]() mutable {
      if (!alive.expired()) done(std::move(result));
    });
  }

  void open(std::optional<Error> problem = std::nullopt) {
    problem_ = std::move(problem);
    is_open_ = true;
    for (; !waiting_.empty(); waiting_.pop_front()) waiting_.front()();
  }

  void read_envelopes() {
    inner_->read({.stream = std::string(envelopes), .from = envelopes_count_ + 1},
                 [this](Result<std::vector<StoredEntry>> entries) {
                   if (!entries) return open(entries.error());
                   if (entries->empty()) return take_envelopes();
                   for (const StoredEntry& entry : *entries) envelopes_read_.push_back(*entry.bytes);
                   envelopes_count_ = entries->back().seq;
                   read_envelopes();
                 });
  }

  void take_envelopes() {
    std::map<std::string, std::string> sealed_with;  // ids of data keys that are not open yet, and of their last key
    for (const std::string& text : std::exchange(envelopes_read_, {})) {
      const auto envelope = parse_envelope(text);
      if (!envelope) return open(Error{ErrorCode::corrupt, "the store's keys are damaged"});
      if (first_data_key_.empty()) first_data_key_ = envelope->data_key_id;
      sealed_with.try_emplace(envelope->data_key_id).first->second = envelope->key_id;
      const auto key = std::find_if(keys_.begin(), keys_.end(), [&](const StoreKey& k) { return k.id == envelope->key_id; });
      if (key == keys_.end()) continue;
      const auto data_key = unseal(key->bytes, envelope->sealed, envelope->place());
      if (!data_key || data_key->size() != sizeof(Key)) {
        return open(Error{ErrorCode::denied, "key \"" + key->id + "\" is not the one that the store was encrypted with"});
      }
      std::copy(data_key->begin(), data_key->end(), data_keys_[envelope->data_key_id].begin());
      if (key == keys_.begin()) {
        current_.insert(envelope->data_key_id);
        active_ = envelope->data_key_id;
      }
    }
    for (const auto& [data_key, key_id] : sealed_with) {
      if (data_keys_.contains(data_key)) continue;
      return open(Error{ErrorCode::denied, "the store is encrypted with key \"" + key_id + "\", which was not given"});
    }
    if (active_.empty()) return add_data_key();
    open();
  }

  // Of two stores that begin at once one is refused, and takes what the other has written.
  void add_data_key() {
    Key key{};
    randombytes_buf(key.data(), key.size());
    const std::string id = random_bytes(data_key_id_size);
    Append append;
    append.stream = envelopes;
    append.expected = envelopes_count_;
    append.entries.push_back(envelope(id, key));
    inner_->append(std::move(append), [this, id, key](Result<Seq> appended) {
      if (!appended && appended.error().code == ErrorCode::conflict) {
        envelopes_count_ = 0;
        first_data_key_.clear();
        return read_envelopes();
      }
      if (!appended) return open(appended.error());
      envelopes_count_ = *appended;
      if (first_data_key_.empty()) first_data_key_ = id;
      data_keys_[id] = key;
      current_.insert(id);
      active_ = id;
      open();
    });
  }

  [[nodiscard]] EntryBytes envelope(const std::string& id, const Key& key) const {
    Envelope envelope{keys_.front().id, id, {}};
    envelope.sealed =
        seal(keys_.front().bytes, std::string_view(reinterpret_cast<const char*>(key.data()), key.size()), envelope.place());
    return std::make_shared<const std::string>(envelope.text());
  }

  // ---- Records ----

  [[nodiscard]] std::string record(std::string_view text, std::string_view place) const {
    return version + active_ + seal(data_keys_.at(active_), text, place);
  }

  [[nodiscard]] Result<std::string> plain(std::string_view record, std::string_view place, const std::string& what) const {
    if (record.size() < header_size || record.front() != version) {
      return failure(ErrorCode::corrupt, what + ": it is not encrypted: it was written without the store's key");
    }
    const auto key = data_keys_.find(std::string(record.substr(1, data_key_id_size)));
    auto text = key == data_keys_.end() ? std::nullopt : unseal(key->second, record.substr(header_size), place);
    if (!text) return failure(ErrorCode::corrupt, what + ": what is stored is not what was written there");
    return *std::move(text);
  }

  // The same for as long as the store is: otherwise a blob would be stored anew with every key.
  [[nodiscard]] Digest blob_name(const Digest& digest) const {
    const Key& key = data_keys_.at(first_data_key_);
    return keyed_digest(std::string_view(reinterpret_cast<const char*>(key.data()), key.size()), "blob " + digest);
  }

  void hide(TaskSummary& summary) const {
    std::string sealed = encode_base64(record(pack(summary), place_of('s', summary.task)));
    for (const auto text : summary_texts) (summary.*text).clear();
    summary.title = std::move(sealed);
  }

  [[nodiscard]] Status show(TaskSummary& summary) const {
    const auto sealed = decode_base64(summary.title);
    if (!sealed) return failure(ErrorCode::corrupt, summary.task + ": its summary was written without the store's key");
    const auto packed = plain(*sealed, place_of('s', summary.task), summary.task);
    if (!packed) return tl::unexpected(packed.error());
    if (!unpack(*packed, summary)) return failure(ErrorCode::corrupt, summary.task + ": its summary is damaged");
    return {};
  }

  std::vector<StoreKey> keys_;
  Scheduler& scheduler_;
  std::map<std::string, Key> data_keys_;  // by id
  std::set<std::string> current_;         // those in an envelope of the first key
  std::string active_;                    // the one for new records
  std::string first_data_key_;            // the one that names blobs
  std::vector<std::string> envelopes_read_;
  Seq envelopes_count_{0};
  bool is_open_{false};
  std::optional<Error> problem_;
  std::deque<UniqueFunction<void()>> waiting_;
  std::shared_ptr<bool> alive_{std::make_shared<bool>(true)};
  std::unique_ptr<Store> inner_;  // ends first
};

}  // namespace

Result<std::unique_ptr<EncryptedStore>> make_encrypted_store(std::unique_ptr<Store> inner, std::vector<StoreKey> keys,
                                                             Scheduler& scheduler) {
  if (sodium_init() < 0) return failure(ErrorCode::unsupported, "libsodium has no source of random numbers here");
  if (keys.empty()) return failure(ErrorCode::invalid_argument, "an encrypted store needs a key");
  std::set<std::string> ids;
  for (const StoreKey& key : keys) {
    if (!is_key_id(key.id)) return failure(ErrorCode::invalid_argument, "a key's id is 1 to 64 letters, digits, '.', '_' and '-'");
    if (!ids.insert(key.id).second) return failure(ErrorCode::invalid_argument, "there are two keys \"" + key.id + "\"");
  }
  return std::make_unique<Encrypted>(std::move(inner), std::move(keys), scheduler);
}

}  // namespace joey
