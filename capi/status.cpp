// Versions, statuses and texts.
#include "capi/handles.hpp"

namespace joey::capi {

std::string& last_error() noexcept {
  thread_local std::string message;
  return message;
}

joey_status fail(joey_status status, std::string_view message) noexcept {
  quietly([&] { last_error() = message; });
  return status;
}

}  // namespace joey::capi

using namespace joey::capi;

int32_t joey_version(void) { return JOEY_VERSION; }

const char* joey_status_name(joey_status status) {
  switch (status) {
    case JOEY_OK: return "ok";
    case JOEY_ERR_INVALID_ARGUMENT: return "invalid_argument";
    case JOEY_ERR_NOT_FOUND: return "not_found";
    case JOEY_ERR_CONFLICT: return "conflict";
    case JOEY_ERR_LIMIT: return "limit";
    case JOEY_ERR_UNSUPPORTED: return "unsupported";
    case JOEY_ERR_DENIED: return "denied";
    case JOEY_ERR_IO: return "io";
    case JOEY_ERR_CORRUPT: return "corrupt";
    case JOEY_ERR_CANCELLED: return "cancelled";
    case JOEY_ERR_TIMEOUT: return "timeout";
    case JOEY_ERR_CLOSED: return "closed";
    case JOEY_ERR_OUT_OF_MEMORY: return "out_of_memory";
    case JOEY_ERR_INTERNAL: return "internal";
    case JOEY_ERR_BUSY: return "busy";
    case JOEY_ERR_MISUSE: return "misuse";
    default: return "unknown";
  }
}

int32_t joey_status_retryable(joey_status status) {
  switch (status) {
    case JOEY_ERR_CONFLICT:
    case JOEY_ERR_LIMIT:
    case JOEY_ERR_IO:
    case JOEY_ERR_TIMEOUT:
    case JOEY_ERR_OUT_OF_MEMORY:
    case JOEY_ERR_BUSY: return 1;
    default: return 0;
  }
}

const char* joey_last_error_message(void) { return last_error().c_str(); }

const char* joey_text_data(const joey_text* text) { return text == nullptr ? "" : text->bytes.c_str(); }
size_t joey_text_size(const joey_text* text) { return text == nullptr ? 0 : text->bytes.size(); }
void joey_text_destroy(joey_text* text) { delete text; }
