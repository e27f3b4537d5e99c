; Types and their extensions, functions, initializers, properties whose code takes lines.
(function_body) @body

(class_declaration "class" name: (_) @name) @class
(class_declaration "struct" name: (_) @name) @struct
(class_declaration "enum" name: (_) @name) @enum
(class_declaration "actor" name: (_) @name) @actor
(class_declaration "extension" name: (_) @name) @extension
(protocol_declaration name: (_) @name) @protocol
(function_declaration name: (_) @name) @function
(protocol_function_declaration name: (_) @name) @declaration
(init_declaration "init" @name) @initializer
(deinit_declaration "deinit" @name) @deinitializer
(subscript_declaration "subscript" @name) @subscript
(typealias_declaration name: (_) @name) @type
((property_declaration name: (_) @name computed_value: (_)) @property (#set! lines-min 2))
