; Types, functions, constructors, type aliases.
(function_body) @body

(class_declaration "class" (type_identifier) @name) @class
(class_declaration "interface" (type_identifier) @name) @interface
(object_declaration (type_identifier) @name) @object
(companion_object "companion" @name) @object
(function_declaration (simple_identifier) @name) @function
(secondary_constructor "constructor" @name) @constructor
(type_alias (type_identifier) @name) @type
