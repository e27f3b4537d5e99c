; As in JavaScript, and interfaces, types, enums, namespaces, signatures. For .ts and .tsx.
(function_declaration body: (_) @body)
(generator_function_declaration body: (_) @body)
(method_definition body: (_) @body)
(arrow_function body: (_) @body)
(function_expression body: (_) @body)

(function_declaration name: (_) @name) @function
(generator_function_declaration name: (_) @name) @function
(function_signature name: (_) @name) @declaration
(class_declaration name: (_) @name) @class
(abstract_class_declaration name: (_) @name) @class
(interface_declaration name: (_) @name) @interface
(type_alias_declaration name: (_) @name) @type
(enum_declaration name: (_) @name) @enum
(internal_module name: (_) @name) @namespace
(module name: (_) @name) @module
(method_definition name: (_) @name) @method
(abstract_method_signature name: (_) @name) @declaration

(variable_declarator name: (identifier) @name
  value: [(arrow_function) (function_expression) (generator_function)]) @function
; A function wrapped by another, as in memo(() => ...).
((variable_declarator name: (identifier) @name
  value: (call_expression arguments: (arguments [(arrow_function) (function_expression)])))
  @function (#set! lines-min 2))
(variable_declarator name: (identifier) @name value: (class)) @class
(assignment_expression left: (_) @name
  right: [(arrow_function) (function_expression) (generator_function)]) @function
(assignment_expression left: (_) @name right: (class)) @class
(pair key: (_) @name
  value: [(arrow_function) (function_expression) (generator_function)]) @method
(public_field_definition name: (_) @name value: [(arrow_function) (function_expression)]) @method

(export_statement "default" @name value: [(arrow_function) (function_expression)]) @function
(export_statement "default" @name value: (class)) @class
