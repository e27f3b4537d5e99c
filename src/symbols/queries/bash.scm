; Functions.
(function_definition body: (_) @body)
(function_definition name: (word) @name) @function
