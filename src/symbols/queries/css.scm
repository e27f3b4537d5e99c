; Rules by their selectors, at-rules with a block, key frames.
(rule_set (selectors) @name) @rule
(media_statement "@media" @name) @media
(supports_statement "@supports" @name) @supports
(keyframes_statement (keyframes_name) @name) @keyframes
(at_rule (at_keyword) @name (block)) @rule
