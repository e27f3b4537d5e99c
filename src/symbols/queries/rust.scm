; Functions and their signatures, types, traits, implementations, modules, macros.
(block) @body

(function_item name: (_) @name) @function
(function_signature_item name: (_) @name) @declaration
(struct_item name: (_) @name) @struct
(union_item name: (_) @name) @union
(enum_item name: (_) @name) @enum
(trait_item name: (_) @name) @trait
(impl_item type: (_) @name) @implementation
(mod_item name: (_) @name body: (_)) @module
(type_item name: (_) @name) @type
(macro_definition name: (_) @name) @macro
