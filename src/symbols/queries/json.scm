; The keys of the outermost object, and below it those whose value takes lines.
(document (array) @body)

((pair key: (string (string_content) @name)) @key (#set! depth-max 0))
((pair key: (string (string_content) @name) value: [(object) (array)]) @key (#set! lines-min 2))
