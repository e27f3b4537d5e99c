#include "runtime/session_secrets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>
#include <utility>

namespace joey {

std::shared_ptr<const Redactor> RedactorPool::get(const std::vector<KnownSecret>& known, bool key_shapes) {
  std::erase_if(entries_, [](const Entry& entry) { return entry.redactor.expired(); });
  for (const Entry& entry : entries_) {
    if (entry.key_shapes != key_shapes || entry.known != known) continue;
    if (auto redactor = entry.redactor.lock()) return redactor;
  }
  auto redactor = std::make_shared<const Redactor>(key_, known, key_shapes);
  entries_.push_back({known, key_shapes, redactor});
  return redactor;
}

Status SessionSecrets::add(KnownSecret secret) {
  constexpr std::ptrdiff_t values_max = 4;  // of one name
  if (Status checked = check_secret(secret); !checked) return checked;
  if (std::find(known_.begin(), known_.end(), secret) != known_.end()) return {};
  const auto is_namesake = [&](const KnownSecret& known) { return known.name == secret.name; };
  std::vector<KnownSecret> known = known_;
  if (std::count_if(known.begin(), known.end(), is_namesake) == values_max) {
    known.erase(std::find_if(known.begin(), known.end(), is_namesake));
  }
  std::size_t size = secret.value.size();
  for (const KnownSecret& other : known) size += other.value.size();
  if (size > known_secrets_size_max) {
    return failure(ErrorCode::limit, fmt::format("secret \"{}\": the secrets of a session have more than {} bytes",
                                                 secret.name, known_secrets_size_max));
  }
  known.push_back(std::move(secret));
  known_ = std::move(known);
  redactor_.reset();
  return {};
}

const std::shared_ptr<const Redactor>& SessionSecrets::redactor() {
  if (!redactor_) redactor_ = pool_->get(known_, key_shapes_);
  return redactor_;
}

void redact(Input& input, const Redactor& redactor) {
  const auto clean = [&redactor](std::string& text) {
    if (!text.empty()) text = redactor.redact(text);
  };
  std::visit(
      [&clean](auto& in) {
        using In = std::remove_cvref_t<decltype(in)>;
        if constexpr (std::is_same_v<In, input::Start> || std::is_same_v<In, input::Say>) {
          clean(in.text);
          clean(in.for_model);
        } else if constexpr (std::is_same_v<In, input::Decide>) {
          clean(in.feedback);
          clean(in.edited);
        } else if constexpr (std::is_same_v<In, input::HostDecided>) {
          clean(in.reason);
        } else if constexpr (std::is_same_v<In, input::Answer> || std::is_same_v<In, input::SubtaskDone>) {
          clean(in.text);
        } else if constexpr (std::is_same_v<In, input::Cancel> || std::is_same_v<In, input::CheckpointTaken>) {
          clean(in.message);
        } else if constexpr (std::is_same_v<In, input::ModelFailed>) {
          clean(in.error.message);
        } else if constexpr (std::is_same_v<In, input::ToolDone>) {
          clean(in.outcome.text);
        }
      },
      input);
}

}  // namespace joey
