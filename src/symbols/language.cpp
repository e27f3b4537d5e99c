#include "symbols/language.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace joey {
namespace {

struct NamedLanguage {
  std::string_view text;
  Language language;
};

constexpr NamedLanguage extensions[] = {
    {"sh", Language::bash},        {"bash", Language::bash},       {"ksh", Language::bash},
    {"zsh", Language::bash},       {"bats", Language::bash},       {"c", Language::c},
    {"h", Language::cpp},          {"cc", Language::cpp},          {"cpp", Language::cpp},
    {"cxx", Language::cpp},        {"c++", Language::cpp},         {"hh", Language::cpp},
    {"hpp", Language::cpp},        {"hxx", Language::cpp},         {"h++", Language::cpp},
    {"ipp", Language::cpp},        {"inl", Language::cpp},         {"tpp", Language::cpp},
    {"ixx", Language::cpp},        {"cppm", Language::cpp},        {"cu", Language::cpp},
    {"cuh", Language::cpp},        {"ino", Language::cpp},         {"cs", Language::csharp},
    {"csx", Language::csharp},     {"css", Language::css},         {"go", Language::go},
    {"html", Language::html},      {"htm", Language::html},        {"xhtml", Language::html},
    {"java", Language::java},      {"js", Language::javascript},   {"jsx", Language::javascript},
    {"mjs", Language::javascript}, {"cjs", Language::javascript},  {"json", Language::json},
    {"jsonc", Language::json},     {"webmanifest", Language::json}, {"kt", Language::kotlin},
    {"kts", Language::kotlin},     {"lua", Language::lua},         {"md", Language::markdown},
    {"markdown", Language::markdown}, {"mdx", Language::markdown}, {"php", Language::php},
    {"phtml", Language::php},      {"py", Language::python},       {"pyi", Language::python},
    {"pyw", Language::python},     {"rb", Language::ruby},         {"rake", Language::ruby},
    {"gemspec", Language::ruby},   {"ru", Language::ruby},         {"rs", Language::rust},
    {"scala", Language::scala},    {"sc", Language::scala},        {"sbt", Language::scala},
    {"swift", Language::swift},    {"tsx", Language::tsx},         {"ts", Language::typescript},
    {"mts", Language::typescript}, {"cts", Language::typescript},
};

constexpr NamedLanguage names[] = {
    {".bashrc", Language::bash},      {".bash_profile", Language::bash}, {".bash_aliases", Language::bash},
    {".profile", Language::bash},     {".zshrc", Language::bash},        {"pkgbuild", Language::bash},
    {".babelrc", Language::json},     {".eslintrc", Language::json},     {"composer.lock", Language::json},
    {"sconstruct", Language::python}, {"sconscript", Language::python},  {"wscript", Language::python},
    {"brewfile", Language::ruby},     {"fastfile", Language::ruby},      {"gemfile", Language::ruby},
    {"guardfile", Language::ruby},    {"podfile", Language::ruby},       {"rakefile", Language::ruby},
    {"vagrantfile", Language::ruby},
};

constexpr std::array<std::string_view, languages_count> language_names = {
    "Bash",       "C",    "C++",    "C#",  "CSS",      "Go",  "HTML",   "Java", "JavaScript", "JSON",  "Kotlin",
    "Lua",        "Markdown", "PHP", "Python", "Ruby", "Rust", "Scala", "Swift", "TSX",       "TypeScript"};

template <std::size_t Count>
std::optional<Language> look_up(const NamedLanguage (&table)[Count], std::string_view text) {
  const auto* const found = std::find_if(std::begin(table), std::end(table), [&](const NamedLanguage& row) {
    return row.text == text;
  });
  if (found == std::end(table)) return std::nullopt;
  return found->language;
}

}  // namespace

std::optional<Language> language_of(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const std::size_t dot = name.rfind('.');
  constexpr std::size_t name_size_max = 255;
  if (name.size() > name_size_max) return std::nullopt;
  if (name.ends_with(".C") || name.ends_with(".H")) return Language::cpp;
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
  if (const auto language = look_up(names, lower)) return language;
  if (dot == std::string_view::npos || dot == 0) return std::nullopt;
  return look_up(extensions, std::string_view(lower).substr(dot + 1));
}

std::string_view name_of(Language language) { return language_names.at(static_cast<std::size_t>(language)); }

}  // namespace joey
