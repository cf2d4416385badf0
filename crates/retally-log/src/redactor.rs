use std::borrow::Cow;

/// Takes secrets out of texts before they reach the disk.
///
/// A writer hands it every string that came from its caller, keys of free objects included, and
/// writes what it returns. Numbers, times and words of the format are not handed to it, nor the ids
/// of segments that `run.finished` states.
pub trait Redactor: Send + Sync {
    /// Returns the text without its secrets.
    fn redact<'t>(&self, text: &'t str) -> Cow<'t, str>;

    /// Returns a name without its secrets: a text that tells things apart, such as the id of an
    /// issue, an agent, an idempotency key, or the key of an object's member.
    ///
    /// It should return the same in every process, and another text for another name as far as
    /// that gives no secret away. The default is [`redact`](Self::redact).
    fn redact_name<'t>(&self, name: &'t str) -> Cow<'t, str> {
        self.redact(name)
    }

    /// Returns the text of an object's member without its secrets; `key` is the member's key as
    /// its caller wrote it. Of a list in that place each text is such a member. The default is
    /// [`redact`](Self::redact).
    fn redact_member<'t>(&self, key: &str, text: &'t str) -> Cow<'t, str> {
        let _ = key;
        self.redact(text)
    }
}
