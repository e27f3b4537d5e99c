#include "checkpoint/rules.hpp"

#include <utility>

#include "checkpoint/objects.hpp"

namespace joey::shadow {

Rules::Rules(std::shared_ptr<const Rules> above, std::string_view base, const Id& blob,
             std::function<std::string()> text)
    : above_(std::move(above)), base_size_(base.empty() ? 0 : base.size() + 1), text_(std::move(text)) {
  const Id above_id = id_of(above_.get());
  std::string both(reinterpret_cast<const char*>(above_id.bytes.data()), above_id.bytes.size());
  both.append(reinterpret_cast<const char*>(blob.bytes.data()), blob.bytes.size());
  id_ = Objects::id_of(ObjectType::blob, both.append(base));
}

bool Rules::ignores(const Rules* rules, std::string_view path, bool is_directory) {
  if (!is_directory && path.substr(path.rfind('/') + 1) == ignore_file_name) return false;
  for (; rules != nullptr; rules = rules->above_.get()) {
    if (!rules->patterns_) rules->patterns_ = IgnorePatterns(rules->text_());
    const auto verdict = rules->patterns_->match(path.substr(rules->base_size_), is_directory);
    if (verdict != IgnorePatterns::Verdict::none) return verdict == IgnorePatterns::Verdict::ignored;
  }
  return false;
}

}  // namespace joey::shadow
