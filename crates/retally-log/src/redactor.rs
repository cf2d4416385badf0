use std::borrow::Cow;

/// Takes secrets out of texts before they reach the disk.
///
/// A writer hands it every string that came from its caller, and writes what it returns.
pub trait Redactor: Send + Sync {
    /// Returns the text without its secrets.
    fn redact<'t>(&self, text: &'t str) -> Cow<'t, str>;
}
