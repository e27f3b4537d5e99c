#include <algorithm>
#include <array>

#include "provider/provider.hpp"

namespace joey {
namespace {

constexpr std::array<ModelInfo, 3> models{{
    {"claude-opus-4-5", 200'000, 64'000, 5, 25, 0.5, 6.25},
    {"claude-sonnet-4", 200'000, 64'000, 3, 15, 0.3, 3.75},
    {"gpt-4.1", 1'047'576, 32'768, 2, 8, 0.5, 0},
}};

}  // namespace

ModelInfo model_info(std::string_view model) {
  const ModelInfo* best = nullptr;
  for (const ModelInfo& info : models) {
    if (model.starts_with(info.id) && (!best || info.id.size() > best->id.size())) best = &info;
  }
  return best ? *best : ModelInfo{};
}

double price_usd(const ModelInfo& info, const Usage& usage) {
  return (static_cast<double>(usage.input) * info.price_input + static_cast<double>(usage.output) * info.price_output +
          static_cast<double>(usage.cache_read) * info.price_cache_read +
          static_cast<double>(usage.cache_write) * info.price_cache_write) /
         1e6;
}

}  // namespace joey
