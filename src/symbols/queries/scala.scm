; Types, objects, functions, givens, extensions.
(function_definition body: (_) @body)

(class_definition name: (_) @name) @class
(object_definition name: (_) @name) @object
(package_object name: (_) @name) @object
(trait_definition name: (_) @name) @trait
(enum_definition name: (_) @name) @enum
(function_definition name: (_) @name) @function
(function_declaration name: (_) @name) @declaration
(given_definition name: (_) @name) @given
(extension_definition "extension" @name) @extension
(type_definition name: (_) @name) @type
