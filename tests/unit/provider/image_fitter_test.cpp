#include "provider/image_fitter.hpp"

#include <doctest/doctest.h>

#include <string>

#include "base/base64.hpp"
#include "provider/provider.hpp"

using namespace joey;

namespace {

std::string big16(int number) { return {static_cast<char>(number >> 8), static_cast<char>(number & 0xff)}; }

// As large as it says, and no more than its beginning and its end.
Image png(int width, int height, std::size_t bytes = 100) {
  std::string image("\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR", 16);
  image += std::string(2, '\0') + big16(width) + std::string(2, '\0') + big16(height);
  image.resize(std::max(bytes, image.size() + 12), 'x');
  image.replace(image.size() - 8, 4, "IEND");
  return {"image/png", encode_base64(image)};
}

Message said(std::vector<Image> images) {
  Message message;
  message.role = Role::user;
  message.blocks.emplace_back(Text{"look"});
  for (Image& image : images) message.blocks.emplace_back(std::move(image));
  return message;
}

// Of the first image that is not shown; empty: all are.
std::string note(ImageFitter& fitter, const Message& message) {
  const auto fitted = fitter.fitted(message);
  if (!fitted) return {};
  REQUIRE(fitted->blocks.size() == message.blocks.size());
  for (std::size_t i = 1; i < fitted->blocks.size(); ++i) {
    if (const auto* text = std::get_if<Text>(&fitted->blocks[i])) return text->text;
  }
  return {};
}

}  // namespace

TEST_CASE("Images stay as they are where nothing is known of limits") {
  ImageFitter fitter({});
  for (int i = 0; i < 300; ++i) CHECK_FALSE(fitter.fitted(said({png(60'000, 1)})).has_value());
}

TEST_CASE("A model that sees nothing gets notes") {
  ImageFitter fitter({.types = "none"});
  CHECK(note(fitter, said({png(10, 10)})) == "[An image (png) is not shown: this model sees none.]");
}

TEST_CASE("Images of another type, too large or too wide are not shown") {
  ImageFitter fitter({.types = "jpeg,png", .bytes_max = 1'000, .side_max = 500});
  CHECK(note(fitter, said({png(500, 500, 1'000)})).empty());
  CHECK(note(fitter, said({{"image/gif", "R0lGODlhAQABAAAAACw="}})) ==
        "[An image (gif) is not shown: this model sees jpeg,png alone; a copy of that type can be made with a command.]");
  CHECK(note(fitter, said({png(10, 10, 1'001)})) ==
        "[An image (png) is not shown: it has 1001 bytes, and this model sees up to 1000; a smaller copy can be made with a command.]");
  CHECK(note(fitter, said({png(10, 501)})) ==
        "[An image (png) is not shown: it has 501 pixels a side, and this model sees up to 500; a smaller copy can be made with a command.]");
}

TEST_CASE("Of a tool's result the images that can stay do") {
  ImageFitter fitter({.side_max = 500});
  Message message;
  message.blocks.emplace_back(ToolResult{"c", false, "Two images.", {png(600, 1), png(5, 5)}});
  const auto fitted = fitter.fitted(message);
  REQUIRE(fitted.has_value());
  const auto& result = std::get<ToolResult>(fitted->blocks[0]);
  CHECK(result.images == std::vector<Image>{png(5, 5)});
  CHECK(result.text.starts_with("Two images.\n[An image (png) is not shown: it has 600 pixels"));
}

TEST_CASE("No more images than a request may have") {
  ImageFitter fitter({.count_max = 2});
  CHECK(note(fitter, said({png(1, 1)})).empty());
  CHECK(note(fitter, said({png(1, 1), png(2, 2)})) == "[An image (png) is not shown: there are 2 in this conversation, as many as the model sees at once.]");
}

TEST_CASE("Where there are many, none is large") {
  const ImageLimits limits{.many = 2, .many_side_max = 100};
  SUBCASE("a large one among the first keeps out the rest") {
    ImageFitter fitter(limits);
    CHECK(note(fitter, said({png(200, 1), png(1, 1)})).empty());
    CHECK(note(fitter, said({png(1, 1)})) ==
          "[An image (png) is not shown: there are 2 in this conversation, and of more than that none may have over 100 pixels a side; the "
          "largest has 200.]");
  }
  SUBCASE("small ones go on, a large one among them does not") {
    ImageFitter fitter(limits);
    CHECK(note(fitter, said({png(1, 1), png(1, 1), png(100, 100)})).empty());
    CHECK(note(fitter, said({png(101, 1)})).find("the largest has 101") != std::string::npos);
    CHECK(note(fitter, said({png(1, 1)})).empty());
  }
}

TEST_CASE("Each wire and model has its limits") {
  CHECK(image_limits("anthropic", model_info("claude-sonnet-4-5")).side_max == 8'000);
  CHECK(image_limits("gemini", model_info("gemini-2.5-pro")).types == "png,jpeg,webp");
  CHECK(image_limits("openai", model_info("something-new")) == ImageLimits());
  CHECK(image_limits("openai", {.id = "blind", .images = false}).types == "none");
}
