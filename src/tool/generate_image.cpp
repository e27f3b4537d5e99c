#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <exception>
#include <memory>
#include <optional>

#include "base/base64.hpp"
#include "base/text.hpp"
#include "tool/arguments.hpp"
#include "tool/common.hpp"
#include "tool/image_model.hpp"

namespace joey {
namespace {

constexpr std::size_t prompt_bytes_max = 32'000;  // what vendors take
constexpr std::size_t input_bytes_max = 20U << 20;
constexpr std::size_t attached_bytes_max = 5U << 20;  // of an image that is shown to the model: providers refuse larger ones
constexpr std::size_t quoted_bytes_max = 200;

// --- formats ---------------------------------------------------------------------------------------------------------

struct ImageFormat {
  std::string_view media_type;
  std::string_view name;
  std::array<std::string_view, 2> extensions;  // the first is the one that is added
};

constexpr std::array<ImageFormat, 4> image_formats{{{"image/png", "PNG", {"png", "png"}},
                                                    {"image/jpeg", "JPEG", {"jpg", "jpeg"}},
                                                    {"image/webp", "WebP", {"webp", "webp"}},
                                                    {"image/gif", "GIF", {"gif", "gif"}}}};

// By the bytes alone: image models are known to say PNG and send JPEG, and what they say is not worth an image that was
// paid for. Null: no format that models see.
const ImageFormat* format_of(std::string_view bytes) {
  if (bytes.starts_with("\x89PNG\r\n\x1A\n")) return &image_formats[0];
  if (bytes.starts_with("\xFF\xD8\xFF")) return &image_formats[1];
  if (bytes.starts_with("RIFF") && bytes.size() >= 12 && bytes.substr(8, 4) == "WEBP") return &image_formats[2];
  if (bytes.starts_with("GIF87a") || bytes.starts_with("GIF89a")) return &image_formats[3];
  return nullptr;
}

// Whether an image has its end. One without would be refused by the provider, and with it the conversation it is in.
bool is_whole(const ImageFormat& format, std::string_view bytes) {
  constexpr std::size_t tail_size = 4096;  // some programs add bytes after the end
  const std::string_view tail = bytes.substr(bytes.size() - std::min(bytes.size(), tail_size));
  if (format.name == "PNG") return bytes.find("IHDR") == 12 && tail.find("IEND") != tail.npos;
  if (format.name == "JPEG") return tail.find("\xFF\xD9") != tail.npos;
  if (format.name == "GIF") return bytes.size() > 13 && bytes.ends_with(';');
  std::size_t size = 0;  // of what follows it
  for (std::size_t i = 8; i-- > 4;) size = size << 8 | static_cast<unsigned char>(bytes[i]);
  return size >= 12 && bytes.size() >= size + 8;
}

// --- names -----------------------------------------------------------------------------------------------------------

// In one line, whatever it holds.
std::string in_quotes(std::string_view text) {
  std::string out;
  append_json_string(out, elide_middle(text, quoted_bytes_max));
  return out;
}

std::string_view last_component(std::string_view path) {
  path.remove_prefix(std::min(path.rfind('/') + 1, path.size()));
  return path;
}

bool names_a_file(std::string_view path) {
  const std::string_view name = last_component(path);
  return !name.empty() && name != "." && name != "..";
}

bool has_extension(const ImageFormat& format, std::string_view extension) {
  const auto same = [&](std::string_view known) {
    return std::equal(known.begin(), known.end(), extension.begin(), extension.end(),
                      [](char k, char c) { return k == (c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); });
  };
  return std::any_of(format.extensions.begin(), format.extensions.end(), same);
}

// Where an image of this format goes that was asked for as `path`: a name that fits is kept, the extension of another
// format is replaced, any other name gets one.
std::string path_for(const ImageFormat& format, std::string_view path) {
  const std::string_view name = last_component(path);
  if (const std::size_t dot = name.rfind('.'); dot != name.npos && dot > 0) {
    const std::string_view extension = name.substr(dot + 1);
    if (has_extension(format, extension)) return std::string(path);
    const auto fits = [&](const ImageFormat& other) { return has_extension(other, extension); };
    if (std::any_of(image_formats.begin(), image_formats.end(), fits)) path.remove_suffix(extension.size() + 1);
  }
  return fmt::format("{}.{}", path, format.extensions[0]);
}

// Every file that a call for `path` can write: which of them is known only when the image is there.
std::array<std::string, image_formats.size()> possible_paths(std::string_view path) {
  std::array<std::string, image_formats.size()> paths;
  std::transform(image_formats.begin(), image_formats.end(), paths.begin(),
                 [&](const ImageFormat& format) { return path_for(format, path); });
  return paths;
}

// Names every file that may be written, and not the argument, which may be none of them: a mode's pattern and the rules for
// protected files hold for whatever comes of the call, so a mode that allows one extension alone does not allow the call.
std::vector<PathUse> paths_of_call(std::string_view json) {
  Arguments arguments(json);
  std::vector<PathUse> uses;
  if (const auto path = arguments.optional_string("path"); path && names_a_file(*path)) {
    for (std::string& each : possible_paths(*path)) uses.push_back({std::move(each), true});
  }
  if (const auto input = arguments.optional_string("image")) uses.push_back({std::string(*input), false});
  return uses;
}

// --- a call ----------------------------------------------------------------------------------------------------------

// One call: read the input on a worker, ask the model, write its image on a worker. Whatever ends it early is its outcome.
class ImageCall : public std::enable_shared_from_this<ImageCall> {
 public:
  ImageCall(std::string arguments, std::shared_ptr<ToolContext> context, UniqueFunction<void(ToolOutcome)> done)
      : arguments_(std::move(arguments)), context_(std::move(context)), done_(std::move(done)) {}

  void begin() {
    on_worker([](ImageCall& call) { return call.prepare(); }, [](ImageCall& call) { call.ask(); });
  }

 private:
  using End = std::optional<ToolOutcome>;  // nothing: go on

  // Runs `work` on a worker, and then, on the loop, `next`, unless the work ended the call.
  void on_worker(End (*work)(ImageCall&), void (*next)(ImageCall&)) {
    const auto self = shared_from_this();
    context_->scheduler->work(
        [self, work] {
          // A worker has nobody above it to catch.
          try {
            self->end_ = self->context_->cancel.cancelled() ? tool_failure("generate_image was cancelled") : work(*self);
          } catch (const std::exception& error) {
            self->end_ = tool_failure(fmt::format("generate_image failed: {}", error.what()));
          }
        },
        [self, next] {
          if (!self->end_) return next(*self);
          self->done_(*std::move(self->end_));
        });
  }

  End prepare() {
    Arguments arguments(arguments_);
    request_.prompt = arguments.string("prompt");
    path_ = arguments.string("path");
    const auto input = arguments.optional_string("image");
    if (arguments.ok() && trim(request_.prompt).empty()) arguments.reject("prompt", "a description of the image");
    if (arguments.ok() && request_.prompt.size() > prompt_bytes_max) {
      return tool_failure(fmt::format("argument \"prompt\" has {} bytes: it may have {}", request_.prompt.size(),
                                      prompt_bytes_max));
    }
    if (arguments.ok() && !names_a_file(path_)) arguments.reject("path", "the path of a file, as assets/logo.png");
    if (!arguments.ok()) return tool_failure(arguments.problem());
    if (End end = refuse_paths()) return end;
    return input ? read_input(*input) : End();
  }

  // What cannot be written is found before the image is paid for.
  End refuse_paths() const {
    for (const std::string& path : possible_paths(path_)) {
      if (const auto relative = context_->workspace->relative(path); !relative) return tool_failure(relative.error());
      const auto info = context_->workspace->info(path);
      if (!info && info.error().code != ErrorCode::not_found) return tool_failure(info.error());
      if (info && info->kind != FileKind::file) {
        return tool_failure(fmt::format("{} is not a file: give another path", in_quotes(path)));
      }
    }
    return {};
  }

  End read_input(std::string_view path) {
    const auto relative = context_->workspace->relative(path);
    if (!relative) return tool_failure(relative.error());
    const auto bytes = context_->workspace->read(*relative, input_bytes_max);
    if (!bytes) return tool_failure(bytes.error());
    const ImageFormat* format = format_of(*bytes);
    if (format == nullptr) {
      return tool_failure(fmt::format("{} is no image that an image model takes: give a PNG, JPEG, WebP or GIF",
                                      in_quotes(*relative)));
    }
    request_.input = Image{std::string(format->media_type), encode_base64(*bytes)};
    return {};
  }

  void ask() {
    context_->images->generate(std::move(request_), context_->cancel, [self = shared_from_this()](Result<Image> image) {
      if (!image) {
        const bool cancelled = image.error().code == ErrorCode::cancelled;
        return self->done_(tool_failure(cancelled ? "generate_image was cancelled"
                                                  : fmt::format("no image was made: {}", image.error().message)));
      }
      self->image_ = *std::move(image);
      self->on_worker([](ImageCall& call) { return call.save(); }, [](ImageCall&) {});
    });
  }

  End save() {
    const auto bytes = decode_base64(image_.base64);
    if (!bytes) return tool_failure("no image was made: what the image model sent is not base64");
    const ImageFormat* format = format_of(*bytes);
    if (format == nullptr) {
      return tool_failure(fmt::format("no image was made: the image model sent {}, and not a PNG, JPEG, WebP or GIF",
                                      image_.media_type.empty() ? "something else" : in_quotes(image_.media_type)));
    }
    if (!is_whole(*format, *bytes)) {
      return tool_failure(fmt::format("no image was made: the {} that the image model sent is cut short", format->name));
    }
    image_.media_type = format->media_type;
    return write(path_for(*format, path_), *format, *bytes);
  }

  ToolOutcome write(const std::string& path, const ImageFormat& format, std::string_view bytes) {
    Workspace& workspace = *context_->workspace;
    const auto relative = workspace.relative(path);
    if (!relative) return tool_failure(relative.error());
    const bool present = workspace.info(*relative).has_value();
    const ChangeOptions change{.creates = !present, .protected_files = context_->protected_files};
    if (const auto written = workspace.write(*relative, bytes, change); !written) return tool_failure(written.error());
    if (context_->files != nullptr) context_->files->saw(*relative, bytes);

    std::string notice = "The image is saved";
    std::vector<Image> shown;
    if (bytes.size() <= attached_bytes_max) {
      notice += ", and shown to you here.";
      shown.push_back(std::move(image_));
    } else {
      notice += fmt::format(". With {} MB it is too large to be shown to you.", bytes.size() >> 20);
    }
    if (path != path_) notice += fmt::format(" It is a {}, so its name is not {}.", format.name, in_quotes(path_));
    return {true, write_report(*relative, present ? "modified" : "created", notice), std::move(shown), {*relative}};
  }

  const std::string arguments_;
  const std::shared_ptr<ToolContext> context_;
  const UniqueFunction<void(ToolOutcome)> done_;
  std::string path_;  // as the call has it
  ImageRequest request_;
  Image image_;
  End end_;
};

constexpr const char* not_set_up =
    "generate_image is not set up: go on without it, or ask the person, who names an image model and its key where the "
    "session is made (image_model and image_api_key of joey_session_options)";

class GenerateImage final : public Tool {
 public:
  [[nodiscard]] const ToolSpec& spec() const override { return spec_; }

  void run(std::string arguments, std::shared_ptr<ToolContext> context,
           UniqueFunction<void(ToolOutcome)> done) const override {
    if (context->images == nullptr) {
      return context->scheduler->post([done = std::move(done)] { done(tool_failure(not_set_up)); });
    }
    std::make_shared<ImageCall>(std::move(arguments), std::move(context), std::move(done))->begin();
  }

 private:
  const ToolSpec spec_{
      .name = "generate_image",
      .description =
          "Has an image model make an image of what you describe, or change one that you name, and writes it to a file. "
          "The model sees nothing but the prompt and that image, so describe all that matters. The file gets the extension "
          "of the format that the model makes (png, jpg, webp or gif), whatever extension you give; the result says which, "
          "and shows you the image.",
      .parameters = compact_json(R"json({
        "type": "object",
        "properties": {
          "prompt": {"type": "string", "description": "What the image is to show, or what is to change in it"},
          "path": {"type": "string", "description": "The file to write, relative to the workspace, as assets/logo.png"},
          "image": {
            "type": ["string", "null"],
            "description": "An image in the workspace to change or go by (png, jpg, jpeg, gif, webp); leave out for a new one"
          }
        },
        "required": ["prompt", "path"],
        "additionalProperties": false
      })json"),
      .group = ToolGroup::edit,
      .read_only = false,
      .paths = paths_of_call,
  };
};

}  // namespace

std::shared_ptr<const Tool> generate_image_tool() { return std::make_shared<GenerateImage>(); }

}  // namespace joey
