#include "symbols/grammar.hpp"

#include "queries.inc"

extern "C" {
const TSLanguage* tree_sitter_bash();
const TSLanguage* tree_sitter_c();
const TSLanguage* tree_sitter_c_sharp();
const TSLanguage* tree_sitter_cpp();
const TSLanguage* tree_sitter_css();
const TSLanguage* tree_sitter_go();
const TSLanguage* tree_sitter_html();
const TSLanguage* tree_sitter_java();
const TSLanguage* tree_sitter_javascript();
const TSLanguage* tree_sitter_json();
const TSLanguage* tree_sitter_kotlin();
const TSLanguage* tree_sitter_lua();
const TSLanguage* tree_sitter_php();
const TSLanguage* tree_sitter_python();
const TSLanguage* tree_sitter_ruby();
const TSLanguage* tree_sitter_rust();
const TSLanguage* tree_sitter_scala();
const TSLanguage* tree_sitter_swift();
const TSLanguage* tree_sitter_tsx();
const TSLanguage* tree_sitter_typescript();
}

namespace joey {

Grammar grammar_of(Language language) {
  switch (language) {
    case Language::bash: return {tree_sitter_bash(), bash_query};
    case Language::c: return {tree_sitter_c(), c_query};
    case Language::cpp: return {tree_sitter_cpp(), cpp_query};
    case Language::csharp: return {tree_sitter_c_sharp(), csharp_query};
    case Language::css: return {tree_sitter_css(), css_query};
    case Language::go: return {tree_sitter_go(), go_query};
    case Language::html: return {tree_sitter_html(), html_query};
    case Language::java: return {tree_sitter_java(), java_query};
    case Language::javascript: return {tree_sitter_javascript(), javascript_query};
    case Language::json: return {tree_sitter_json(), json_query};
    case Language::kotlin: return {tree_sitter_kotlin(), kotlin_query};
    case Language::lua: return {tree_sitter_lua(), lua_query};
    case Language::markdown: break;
    case Language::php: return {tree_sitter_php(), php_query};
    case Language::python: return {tree_sitter_python(), python_query};
    case Language::ruby: return {tree_sitter_ruby(), ruby_query};
    case Language::rust: return {tree_sitter_rust(), rust_query};
    case Language::scala: return {tree_sitter_scala(), scala_query};
    case Language::swift: return {tree_sitter_swift(), swift_query};
    case Language::tsx: return {tree_sitter_tsx(), typescript_query};
    case Language::typescript: return {tree_sitter_typescript(), typescript_query};
  }
  return {};
}

}  // namespace joey
