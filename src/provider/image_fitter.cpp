#include "provider/image_fitter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/base64.hpp"
#include "base/image_info.hpp"
#include "provider/provider.hpp"

namespace joey {
namespace {

constexpr std::int64_t megabyte = 1 << 20;

// "png" of "image/png".
std::string_view subtype(std::string_view media_type) {
  const std::size_t slash = media_type.find('/');
  return slash == media_type.npos ? media_type : media_type.substr(slash + 1);
}

bool is_listed(std::string_view list, std::string_view item) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (list.substr(0, comma) == item) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

bool has_image(const Message& message) {
  return std::any_of(message.blocks.begin(), message.blocks.end(), [](const Block& block) {
    const auto* result = std::get_if<ToolResult>(&block);
    return std::holds_alternative<Image>(block) || (result != nullptr && !result->images.empty());
  });
}

}  // namespace

ImageLimits image_limits(std::string_view wire, const ModelInfo& model) {
  ImageLimits limits;
  if (!model.images) {
    limits.types = "none";
  } else if (wire == "anthropic" || wire == "vertex-anthropic" || wire.starts_with("bedrock")) {
    limits.types = "jpeg,png,gif,webp";
    limits.bytes_max = megabyte * (wire == "anthropic" ? 30 : 15) / 4;  // 10 and 5 MB in base64
    limits.side_max = 8'000;
    limits.count_max = wire.starts_with("bedrock") ? 20 : model.context_window >= 1'000'000 ? 600 : 100;
    limits.many = 20;
    limits.many_side_max = 2'000;
  } else if (wire == "gemini" || wire == "vertex") {
    limits.types = "png,jpeg,webp";
    limits.bytes_max = 7 * megabyte;
  } else if (wire == "ollama") {
    limits.types = "png,jpeg,webp";
  }
  return limits;
}

std::optional<Message> ImageFitter::fitted(const Message& message) {
  if (limits_ == ImageLimits() || !has_image(message)) return std::nullopt;
  Message out = message;
  bool changed = false;
  for (Block& block : out.blocks) {
    if (const auto* image = std::get_if<Image>(&block)) {
      if (auto note = note_instead_of(*image)) {
        block = Text{*std::move(note)};
        changed = true;
      }
    } else if (auto* result = std::get_if<ToolResult>(&block)) {
      std::vector<Image> kept;
      for (Image& shown : result->images) {
        if (auto note = note_instead_of(shown)) {
          result->text += fmt::format("{}{}", result->text.empty() ? "" : "\n", *note);
          changed = true;
        } else {
          kept.push_back(std::move(shown));
        }
      }
      result->images = std::move(kept);
    }
  }
  if (!changed) return std::nullopt;
  return out;
}

std::optional<std::string> ImageFitter::note_instead_of(const Image& image) {
  const std::string problem = problem_of(image);
  if (problem.empty()) return std::nullopt;
  return fmt::format("[An image ({}) is not shown: {}.]", subtype(image.media_type), problem);
}

// Empty: it stays, and is counted.
std::string ImageFitter::problem_of(const Image& image) {
  if (limits_.types == "none") return "this model sees none";
  if (!limits_.types.empty() && !is_listed(limits_.types, subtype(image.media_type))) {
    return fmt::format("this model sees {} alone; a copy of that type can be made with a command", limits_.types);
  }
  const auto bytes = static_cast<std::int64_t>(base64_decoded_size(image.base64));
  if (limits_.bytes_max > 0 && bytes > limits_.bytes_max) {
    return fmt::format("it has {} bytes, and this model sees up to {}; a smaller copy can be made with a command", bytes, limits_.bytes_max);
  }
  const auto info = image_info_of_base64(image.base64);
  const std::int64_t side = info ? std::max(info->width, info->height) : 0;
  if (limits_.side_max > 0 && side > limits_.side_max) {
    return fmt::format("it has {} pixels a side, and this model sees up to {}; a smaller copy can be made with a command", side, limits_.side_max);
  }
  if (limits_.count_max > 0 && count_ >= limits_.count_max) {
    return fmt::format("there are {} in this conversation, as many as the model sees at once", count_);
  }
  const std::int64_t largest = std::max(side, largest_);
  if (limits_.many > 0 && count_ >= limits_.many && largest > limits_.many_side_max) {
    return fmt::format("there are {} in this conversation, and of more than that none may have over {} pixels a side; the largest has {}", count_,
                       limits_.many_side_max, largest);
  }
  ++count_;
  largest_ = largest;
  return {};
}

}  // namespace joey
