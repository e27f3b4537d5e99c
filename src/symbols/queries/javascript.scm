; Functions however they are written: declared, assigned, in objects and classes; classes.
(function_declaration body: (_) @body)
(generator_function_declaration body: (_) @body)
(method_definition body: (_) @body)
(arrow_function body: (_) @body)
(function_expression body: (_) @body)

(function_declaration name: (_) @name) @function
(generator_function_declaration name: (_) @name) @function
(class_declaration name: (_) @name) @class
(method_definition name: (_) @name) @method

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
(field_definition property: (_) @name value: [(arrow_function) (function_expression)]) @method

(export_statement "default" @name value: [(arrow_function) (function_expression)]) @function
(export_statement "default" @name value: (class)) @class
