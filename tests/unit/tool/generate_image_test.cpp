#include <algorithm>

#include "../../support/random.hpp"
#include "core/mode.hpp"
#include "tool/common.hpp"
#include "base/base64.hpp"
#include "tool/image_model.hpp"
#include "tool_world.hpp"

using namespace joey;

namespace {

// As small as they can be and still have a beginning and an end.
const std::string png("\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR\0\0\0\1\0\0\0\1\x8\0\0\0\0....\0\0\0\0IEND\xAE\x42\x60\x82", 45);
const std::string jpeg("\xFF\xD8\xFF\xE0\0\x10JFIF\0....\xFF\xD9", 17);
const std::string webp("RIFF\x0C\0\0\0WEBPVP8 ....", 20);
const std::string gif("GIF89a\1\0\1\0\0\0\0;", 14);

// Answers when the test says so.
class Painter final : public ImageModel {
 public:
  void generate(ImageRequest request, CancelToken token, Completion<Image> done) override {
    requests.push_back(std::move(request));
    cancel = token;
    waiting = std::move(done);
    if (on_request) on_request();
  }

  std::vector<ImageRequest> requests;
  CancelToken cancel;
  Completion<Image> waiting;
  UniqueFunction<void()> on_request;
};

class Studio : public ToolWorld {
 public:
  Studio() {
    painter->on_request = [this] {
      loop.post([this] { painter->waiting(answer); });
    };
  }
  ~Studio() { painter->waiting = nullptr; }  // which holds the call, and with it the painter

  std::shared_ptr<ToolContext> context() {
    auto context = ToolWorld::context();
    context->images = painter;
    return context;
  }
  ToolOutcome run(std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
    return ToolWorld::run(*tool, arguments_of(fields), context());
  }
  void sends(std::string_view bytes, std::string media_type = "image/png") {
    answer = Image{std::move(media_type), encode_base64(bytes)};
  }

  std::shared_ptr<const Tool> tool = generate_image_tool();
  std::shared_ptr<Painter> painter = std::make_shared<Painter>();
  Result<Image> answer = Image{"image/png", encode_base64(png)};
};

std::vector<std::string> files_in(const std::string& root) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.is_regular_file()) files.push_back(std::filesystem::relative(entry.path(), root).string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> written_paths(const ToolSpec& spec, std::string_view path) {
  std::vector<std::string> paths;
  for (const PathUse& use : spec.paths(arguments_of({{"prompt", "x"}, {"path", path}}))) {
    CHECK(use.writes);
    paths.push_back(use.path);
  }
  return paths;
}

}  // namespace

TEST_CASE("generate_image writes the image and shows it") {
  Studio studio;
  const auto outcome = studio.run({{"prompt", "a red fox"}, {"path", "assets/fox.png"}});
  CHECK(outcome.ok);
  CHECK(outcome.text ==
        R"({"path":"assets/fox.png","operation":"created","notice":"The image is saved, and shown to you here."})");
  CHECK(outcome.paths == std::vector<std::string>{"assets/fox.png"});
  CHECK(outcome.images == std::vector<Image>{{"image/png", encode_base64(png)}});
  CHECK(studio.bytes("assets/fox.png") == png);
  REQUIRE(studio.painter->requests.size() == 1);
  CHECK(studio.painter->requests[0].prompt == "a red fox");
  CHECK_FALSE(studio.painter->requests[0].input);
  CHECK(holds(studio.run({{"prompt", "another"}, {"path", "assets/fox.png"}}).text, R"("operation":"modified")"));
}

TEST_CASE("generate_image without an image model says how one is set up") {
  ToolWorld world;
  const auto outcome = world.run("generate_image", arguments_of({{"prompt", "x"}, {"path", "x.png"}}));
  CHECK_FALSE(outcome.ok);
  CHECK(is_one_line(outcome.text));
  CHECK(holds(outcome.text, "image_model and image_api_key of joey_session_options"));
}

TEST_CASE("an image goes by its bytes: a name gets the extension, or the right one") {
  struct Row {
    const char* path;
    const std::string& bytes;
    const char* written;
  };
  const Row rows[] = {{"a", png, "a.png"},
                      {"a.jpg", png, "a.png"},
                      {"a.JPG", jpeg, "a.JPG"},
                      {"a.jpeg", jpeg, "a.jpeg"},
                      {"a.png", jpeg, "a.jpg"},
                      {"a.webp", webp, "a.webp"},
                      {"a.jpeg", gif, "a.gif"},
                      {"a.v2", png, "a.v2.png"},
                      {"a.md", png, "a.md.png"},
                      {"d.png/a", webp, "d.png/a.webp"},
                      {".png", png, ".png.png"},
                      {"a.", png, "a..png"}};
  for (const Row& row : rows) {
    CAPTURE(std::string(row.path));
    Studio studio;
    studio.sends(row.bytes, "image/png");  // whatever the model says
    const auto outcome = studio.run({{"prompt", "x"}, {"path", row.path}});
    CHECK(outcome.ok);
    CHECK(outcome.paths == std::vector<std::string>{row.written});
    CHECK(files_in(studio.root) == std::vector<std::string>{row.written});
    CHECK(studio.bytes(row.written) == row.bytes);
    CHECK((outcome.text.find("so its name is not") != std::string::npos) == (std::string_view(row.path) != row.written));
  }
  Studio studio;
  studio.sends(jpeg);
  const auto outcome = studio.run({{"prompt", "x"}, {"path", "a.png"}});
  CHECK(holds(outcome.text, R"( It is a JPEG, so its name is not \"a.png\".)"));
  CHECK(outcome.images.at(0).media_type == "image/jpeg");
}

TEST_CASE("generate_image is held to the mode's file pattern, whichever file it writes (defect 27)") {
  const auto tool = generate_image_tool();
  const ToolSpec& spec = tool->spec();
  CHECK(spec.group == ToolGroup::edit);
  CHECK_FALSE(spec.read_only);
  REQUIRE(bool(spec.paths != nullptr));
  CHECK(written_paths(spec, "docs/plan.md") ==
        std::vector<std::string>{"docs/plan.md.png", "docs/plan.md.jpg", "docs/plan.md.webp", "docs/plan.md.gif"});
  CHECK(written_paths(spec, "a.jpeg") == std::vector<std::string>{"a.png", "a.jpeg", "a.webp", "a.gif"});
  CHECK(written_paths(spec, "dir/").empty());

  // What a mode for documents allows is no way to write images, and what allows some images is none to write others.
  const auto may = [&](std::string pattern, std::string_view path) {
    Mode mode;
    mode.edit_pattern = std::move(pattern);
    const auto paths = written_paths(spec, path);
    return !paths.empty() && std::all_of(paths.begin(), paths.end(), [&](auto& each) { return allows_edit(mode, each); });
  };
  CHECK_FALSE(may(R"(\.md$)", "docs/plan.md"));
  CHECK_FALSE(may(R"(\.png$)", "a.png"));
  CHECK(may(R"(\.(png|jpe?g|webp|gif)$)", "a.png"));
  CHECK(may(R"(^assets/)", "assets/a"));
  CHECK_FALSE(may(R"(^assets/)", "src/a"));
}

TEST_CASE("every file that generate_image writes is one that its paths name") {
  const std::vector<const std::string*> formats{&png, &jpeg, &webp, &gif};
  const std::vector<const char*> parts{"a", ".", "/", "png", "jpg", "JPEG", "gif", "webp", "..", "md", " ", "\xC3\xA9"};
  int written = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    test::Random random(seed);
    std::string path;
    for (std::size_t i = random.below(6) + 1; i > 0; --i) path += random.pick(parts);
    CAPTURE(path);
    Studio studio;
    studio.sends(*random.pick(formats));
    const auto outcome = studio.run({{"prompt", "x"}, {"path", path}});
    if (!outcome.ok) {
      CHECK(files_in(studio.root).empty());
      continue;
    }
    ++written;
    bool named = false;
    for (const std::string& each : written_paths(studio.tool->spec(), path)) {
      const auto relative = studio.workspace->relative(each);
      named |= relative && *relative == outcome.paths.at(0);
    }
    CHECK(named);
    CHECK(files_in(studio.root) == outcome.paths);
  }
  CHECK(written > 100);
}

TEST_CASE("the input is read from the workspace, whatever its name, and its path is named as read") {
  Studio studio;
  studio.file("in.dat", webp);
  CHECK(studio.run({{"prompt", "bluer"}, {"path", "out.png"}, {"image", "./in.dat"}}).ok);
  CHECK(studio.painter->requests.at(0).input == Image{"image/webp", encode_base64(webp)});
  const auto uses = studio.tool->spec().paths(arguments_of({{"prompt", "x"}, {"path", "o.png"}, {"image", "in.dat"}}));
  CHECK(uses.back() == PathUse{"in.dat", false});
  CHECK(studio.ToolWorld::run(*studio.tool, R"({"prompt":"x","path":"o.png","image":null})", studio.context()).ok);
}

TEST_CASE("a call that is wrong costs nothing: no image is asked for") {
  Studio studio;
  studio.file("notes.png", "no image");
  studio.file("dir.png/x", "");
  std::filesystem::create_directory(studio.root + "/taken.gif");
  studio.file(".rooignore", "secret*\n");
  studio.file("secret.png", png);
  std::filesystem::create_symlink("/etc", studio.root + "/out");
  const std::string calls[] = {
      "[]",
      "{}",
      R"({"prompt":"x"})",
      R"({"path":"x.png"})",
      R"({"prompt":7,"path":"x.png"})",
      R"({"prompt":"x","path":"x.png","image":7})",
      arguments_of({{"prompt", " \n"}, {"path", "x.png"}}),
      arguments_of({{"prompt", std::string(32'001, 'x')}, {"path", "x.png"}}),
      arguments_of({{"prompt", "x"}, {"path", ""}}),
      arguments_of({{"prompt", "x"}, {"path", "."}}),
      arguments_of({{"prompt", "x"}, {"path", "a/.."}}),
      arguments_of({{"prompt", "x"}, {"path", "new/"}}),
      arguments_of({{"prompt", "x"}, {"path", "../x.png"}}),
      arguments_of({{"prompt", "x"}, {"path", "/etc/x.png"}}),
      arguments_of({{"prompt", "x"}, {"path", "out/x.png"}}),
      arguments_of({{"prompt", "x"}, {"path", std::string("x\0.png", 6)}}),
      arguments_of({{"prompt", "x"}, {"path", "dir.png"}}),
      arguments_of({{"prompt", "x"}, {"path", "taken.png"}}),
      arguments_of({{"prompt", "x"}, {"path", "secret.png"}}),
      arguments_of({{"prompt", "x"}, {"path", "secret"}}),
      arguments_of({{"prompt", "x"}, {"path", "x.png"}, {"image", "none.png"}}),
      arguments_of({{"prompt", "x"}, {"path", "x.png"}, {"image", "notes.png"}}),
      arguments_of({{"prompt", "x"}, {"path", "x.png"}, {"image", "dir.png"}}),
      arguments_of({{"prompt", "x"}, {"path", "x.png"}, {"image", "secret.png"}}),
      arguments_of({{"prompt", "x"}, {"path", "x.png"}, {"image", "out/passwd"}}),
      arguments_of({{"prompt", "x"}, {"path", "x.png"}, {"image", "../x.png"}}),
  };
  for (const std::string& arguments : calls) {
    CAPTURE(arguments.substr(0, 200));
    const auto outcome = studio.ToolWorld::run(*studio.tool, arguments, studio.context());
    CHECK_FALSE(outcome.ok);
    CHECK(is_one_line(outcome.text));
    CHECK(outcome.text.size() < 1'000);
    CHECK(outcome.paths.empty());
    CHECK(outcome.images.empty());
  }
  CHECK(studio.painter->requests.empty());
}

TEST_CASE("an input may have 20 MB and no more") {
  Studio studio;
  std::string large = gif;
  large.resize((20U << 20) + 1);
  studio.file("large.gif", large);
  const auto outcome = studio.run({{"prompt", "x"}, {"path", "x.png"}, {"image", "large.gif"}});
  CHECK_FALSE(outcome.ok);
  CHECK(holds(outcome.text, "large.gif"));
  studio.file("large.gif", large.substr(1));
  CHECK_FALSE(studio.run({{"prompt", "x"}, {"path", "x.png"}, {"image", "large.gif"}}).ok);  // it is none any more
  large.pop_back();
  studio.file("large.gif", large);
  CHECK(studio.run({{"prompt", "x"}, {"path", "x.png"}, {"image", "large.gif"}}).ok);
}

TEST_CASE("what is no whole image is not written") {
  struct Row {
    Image image;
    const char* text;
  };
  const Row rows[] = {
      {{"image/png", "%%%"}, "what the image model sent is not base64"},
      {{"image/png", encode_base64(png) + "\n"}, "what the image model sent is not base64"},
      {{"image/png", ""}, "the image model sent \"image/png\", and not a PNG, JPEG, WebP or GIF"},
      {{"image/svg+xml", encode_base64("<svg/>")}, "the image model sent \"image/svg+xml\", and not a PNG, JPEG, WebP or GIF"},
      {{"", encode_base64("#!/bin/sh")}, "the image model sent something else, and not a PNG, JPEG, WebP or GIF"},
      {{"a\nb", encode_base64("x")}, "the image model sent \"a\\nb\", and not a PNG, JPEG, WebP or GIF"},
      {{"image/png", encode_base64(png.substr(0, 8))}, "the PNG that the image model sent is cut short"},
      {{"image/png", encode_base64(png.substr(0, 30))}, "the PNG that the image model sent is cut short"},
      {{"image/png", encode_base64(jpeg.substr(0, 15))}, "the JPEG that the image model sent is cut short"},
      {{"image/png", encode_base64(webp.substr(0, 19))}, "the WebP that the image model sent is cut short"},
      {{"image/png", encode_base64(webp.substr(0, 12))}, "the WebP that the image model sent is cut short"},
      {{"image/png", encode_base64(gif.substr(0, 13))}, "the GIF that the image model sent is cut short"},
  };
  for (const Row& row : rows) {
    Studio studio;
    studio.answer = row.image;
    const auto outcome = studio.run({{"prompt", "x"}, {"path", "x.png"}});
    CHECK_FALSE(outcome.ok);
    CHECK(outcome.text == std::string("no image was made: ") + row.text);
    CHECK(outcome.images.empty());
    CHECK(files_in(studio.root).empty());
  }
  Studio studio;
  for (std::size_t size = 0; size < webp.size(); ++size) {
    for (const std::string* whole : {&png, &jpeg, &webp, &gif}) {
      studio.sends(std::string_view(*whole).substr(0, std::min(size, whole->size() - 1)));
      CHECK_FALSE(studio.run({{"prompt", "x"}, {"path", "x.png"}}).ok);
    }
  }
  CHECK(files_in(studio.root).empty());
}

TEST_CASE("what the image model refuses is told in its words") {
  Studio studio;
  studio.answer = failure(ErrorCode::denied, "Insufficient credits (HTTP 402); check the account's credit and limits");
  CHECK(studio.run({{"prompt", "x"}, {"path", "x.png"}}).text ==
        "no image was made: Insufficient credits (HTTP 402); check the account's credit and limits");
  CHECK(files_in(studio.root).empty());
}

TEST_CASE("an image that is too large to be shown is written all the same") {
  Studio studio;
  const std::string large = png.substr(0, 33) + std::string(5U << 20, 'x') + png.substr(33);
  studio.sends(large);
  const auto outcome = studio.run({{"prompt", "x"}, {"path", "x.png"}});
  CHECK(outcome.ok);
  CHECK(outcome.images.empty());
  CHECK(holds(outcome.text, "With 5 MB it is too large to be shown to you."));
  CHECK(studio.bytes("x.png") == large);
}

TEST_CASE("a protected file is an image only where protected files may be changed") {
  Studio studio;
  auto guarded = open_local_workspace(
      studio.root, {.loop = studio.loop.handle(), .scheduler = &studio.loop,
                    .is_protected = [](std::string_view path) { return path.starts_with(".roo/"); }});
  REQUIRE(guarded);
  studio.workspace = *guarded;
  CHECK_FALSE(studio.run({{"prompt", "x"}, {"path", ".roo/x.png"}}).ok);
  CHECK(files_in(studio.root).empty());
  auto context = studio.context();
  context->protected_files = true;
  CHECK(studio.ToolWorld::run(*studio.tool, arguments_of({{"prompt", "x"}, {"path", ".roo/x.png"}}), context).ok);
}

TEST_CASE("the model knows what an image that it was shown holds") {
  Studio studio;
  auto context = studio.context();
  context->files = std::make_shared<FileLedger>();
  CHECK(studio.ToolWorld::run(*studio.tool, arguments_of({{"prompt", "x"}, {"path", "./x"}}), context).ok);
  CHECK(context->files->knowledge("x.png", png) == FileLedger::Knowledge::current);
}

TEST_CASE("a cancel reaches the image model, and nothing is written after it") {
  SUBCASE("before the call") {
    Studio studio;
    auto context = studio.context();
    context->cancel.cancel();
    const auto outcome = studio.ToolWorld::run(*studio.tool, arguments_of({{"prompt", "x"}, {"path", "x.png"}}), context);
    CHECK(outcome.text == "generate_image was cancelled");
    CHECK(studio.painter->requests.empty());
  }
  SUBCASE("while the image is made") {
    Studio studio;
    auto context = studio.context();
    studio.painter->on_request = [&] {
      studio.loop.post([&, cancel = context->cancel] {
        cancel.cancel();
        CHECK(studio.painter->cancel.cancelled());
        studio.painter->waiting(failure(ErrorCode::cancelled, "the image was cancelled"));
      });
    };
    const auto outcome = studio.ToolWorld::run(*studio.tool, arguments_of({{"prompt", "x"}, {"path", "x.png"}}), context);
    CHECK_FALSE(outcome.ok);
    CHECK(outcome.text == "generate_image was cancelled");
  }
  SUBCASE("as the image comes") {
    Studio studio;
    auto context = studio.context();
    studio.painter->on_request = [&] {
      studio.loop.post([&, cancel = context->cancel] {
        studio.painter->waiting(studio.answer);
        cancel.cancel();
      });
    };
    const auto outcome = studio.ToolWorld::run(*studio.tool, arguments_of({{"prompt", "x"}, {"path", "x.png"}}), context);
    CHECK_FALSE(outcome.ok);
    CHECK(files_in(studio.root).empty());
  }
}
