; As in C, and classes with the members they declare, namespaces, concepts, aliases. A template begins with its parameters.
(compound_statement) @body

(function_definition
  declarator: [
    (function_declarator declarator: (_) @name)
    (_ (function_declarator declarator: (_) @name))
    (_ (_ (function_declarator declarator: (_) @name)))
  ]) @function
; A conversion, as operator bool().
(function_definition declarator: (operator_cast) @name) @function
(function_definition declarator: (qualified_identifier name: (operator_cast)) @name) @function

(template_declaration
  (function_definition
    declarator: [
      (function_declarator declarator: (_) @name)
      (_ (function_declarator declarator: (_) @name))
      (_ (_ (function_declarator declarator: (_) @name)))
    ])) @function

; A declarator in parentheses is a variable that holds a function.
(declaration
  declarator: [
    (function_declarator declarator: [(identifier) (destructor_name) (operator_name)] @name)
    (_ (function_declarator declarator: [(identifier) (operator_name)] @name))
    (_ (_ (function_declarator declarator: (identifier) @name)))
    (operator_cast) @name
  ]) @declaration
(field_declaration
  declarator: [
    (function_declarator declarator: [(field_identifier) (operator_name)] @name)
    (_ (function_declarator declarator: [(field_identifier) (operator_name)] @name))
    (_ (_ (function_declarator declarator: (field_identifier) @name)))
  ]) @declaration
(template_declaration
  [(declaration
     declarator: [
       (function_declarator declarator: [(identifier) (operator_name)] @name)
       (_ (function_declarator declarator: [(identifier) (operator_name)] @name))
     ])
   (field_declaration
     declarator: [
       (function_declarator declarator: [(field_identifier) (operator_name)] @name)
       (_ (function_declarator declarator: [(field_identifier) (operator_name)] @name))
     ])]) @declaration

(class_specifier name: (_) @name body: (_)) @class
(struct_specifier name: (_) @name body: (_)) @struct
(union_specifier name: (_) @name body: (_)) @union
(enum_specifier name: (_) @name body: (_)) @enum
(template_declaration (class_specifier name: (_) @name body: (_))) @class
(template_declaration (struct_specifier name: (_) @name body: (_))) @struct
(namespace_definition name: (_) @name) @namespace
(concept_definition name: (_) @name) @concept
(template_declaration (concept_definition name: (_) @name)) @concept
(alias_declaration name: (_) @name) @type
(template_declaration (alias_declaration name: (_) @name)) @type
(type_definition declarator: (_) @name) @type

(preproc_function_def name: (_) @name) @macro
