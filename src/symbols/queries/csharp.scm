; Namespaces, types, methods, properties whose code takes lines, delegates, events with code.
(block) @body

(namespace_declaration name: (_) @name) @namespace
(file_scoped_namespace_declaration name: (_) @name) @namespace
(class_declaration name: (_) @name) @class
(struct_declaration name: (_) @name) @struct
(interface_declaration name: (_) @name) @interface
(enum_declaration name: (_) @name) @enum
(record_declaration name: (_) @name) @record
(delegate_declaration name: (_) @name) @delegate

(method_declaration name: (_) @name) @method
(constructor_declaration name: (_) @name) @constructor
(destructor_declaration name: (_) @name) @destructor
(local_function_statement name: (_) @name) @function
(operator_declaration "operator" @name) @operator
(conversion_operator_declaration "operator" @name) @operator
(indexer_declaration "this" @name) @indexer
((property_declaration name: (_) @name) @property (#set! lines-min 2))
((event_declaration name: (_) @name) @event (#set! lines-min 2))
