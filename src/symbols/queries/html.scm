; What a page is found by: elements with an id, headings, landmarks, scripts, styles, templates.
(element
  [(start_tag
     (attribute
       (attribute_name) @_id
       [(quoted_attribute_value (attribute_value) @name) (attribute_value) @name]))
   (self_closing_tag
     (attribute
       (attribute_name) @_id
       [(quoted_attribute_value (attribute_value) @name) (attribute_value) @name]))]
  (#any-of? @_id "id")) @element

(element (start_tag (tag_name) @name)
  (#any-of? @name "h1" "h2" "h3" "h4" "h5" "h6")) @heading

(element (start_tag (tag_name) @name)
  (#any-of? @name "head" "body" "header" "nav" "main" "section" "article" "aside" "footer" "form" "table" "dialog" "template"))
  @element

(script_element (start_tag (tag_name) @name)) @script
(style_element (start_tag (tag_name) @name)) @style
