; Functions and classes, from their first decorator on.
(function_definition body: (_) @body)

(function_definition name: (_) @name) @function
(class_definition name: (_) @name) @class
(decorated_definition definition: (function_definition name: (_) @name)) @function
(decorated_definition definition: (class_definition name: (_) @name)) @class
