//! Names of models in which `*` stands for any text.

/// A model's name, or a pattern of names; case does not matter in ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ModelPattern {
    /// In lower case.
    text: String,
}

impl ModelPattern {
    /// Takes a name or a pattern.
    pub(crate) fn new(text: &str) -> Self {
        Self {
            text: text.to_ascii_lowercase(),
        }
    }

    /// Returns the pattern in lower case.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns how specific the pattern is: a plain name is more so than any pattern, and a
    /// pattern the more, the more of it is no `*`.
    pub(crate) fn specificity(&self) -> (bool, usize) {
        let stars = self.text.bytes().filter(|byte| *byte == b'*').count();
        (stars == 0, self.text.len() - stars)
    }

    /// Returns whether the whole name fits.
    ///
    /// Each part between stars is taken at its first place behind the part before it, which finds
    /// a fit wherever there is one, in time that is linear in the name for each part.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let Some((head, rest)) = self.text.split_once('*') else {
            return self.text.eq_ignore_ascii_case(name);
        };
        let starts_with_head = name
            .get(..head.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(head));
        if !starts_with_head {
            return false;
        }
        let lower = name[head.len()..].to_ascii_lowercase();
        let mut left = lower.as_str();
        let mut parts = rest.split('*').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return left.ends_with(part);
            }
            let Some(at) = left.find(part) else {
                return false;
            };
            left = &left[at + part.len()..];
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, expected) in [
            ("gpt-4o", "gpt-4o", true),
            ("gpt-4o", "GPT-4o", true),
            ("gpt-4o", "gpt-4o-mini", false),
            ("gpt-4o-*", "gpt-4o-mini", true),
            ("gpt-4o-*", "gpt-4o", false),
            ("*", "", true),
            ("*", "ü", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("a*ab", "ab", false),
            ("a*ab", "aab", true),
            ("*-latest", "x-LATEST", true),
            ("ab*", "ü", false),
        ] {
            assert_eq!(
                ModelPattern::new(pattern).matches(name),
                expected,
                "{pattern} {name}"
            );
        }
    }
}
