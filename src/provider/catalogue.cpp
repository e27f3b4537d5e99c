#include "base/json.hpp"
#include "provider/provider.hpp"

namespace joey {

std::string catalogue_json() {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("providers").begin_array();
  for (const ProviderPreset& preset : provider_presets()) {
    json.begin_object().field("name", preset.name).field("wire", preset.wire).field("base_url", preset.base_url);
    json.field("key_variable", preset.key_variable).field("model", preset.model).end_object();
  }
  json.end_array().key("models").begin_array();
  for (const ModelInfo& info : known_models()) {
    json.begin_object().field("id", info.id).field("context_window", info.context_window);
    json.field("output_tokens_max", info.output_tokens_max).field("images", info.images).field("temperature", info.temperature);
    json.field("price_input", info.price_input).field("price_output", info.price_output);
    json.field("price_cache_read", info.price_cache_read).field("price_cache_write", info.price_cache_write).end_object();
  }
  json.end_array().end_object();
  return out;
}

}  // namespace joey
