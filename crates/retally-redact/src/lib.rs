//! Takes secrets out of texts before they reach a log, and out of logs in which they stand.
//!
//! A [`SecretRedactor`] is handed to a writer. It knows the shapes of the keys of many services, the
//! values that it is told are secret, and the patterns of the file `redact.toml`. What it finds it
//! replaces by `[redacted:kind]`. It is a net and no wall: a secret without a known shape passes.
#![forbid(unsafe_code)]

mod allowed;
mod anchors;
mod mark;
mod redacted_copy;
mod secret_patterns;
mod secret_redactor;
mod secret_values;
mod segment_files;
mod shapes;
mod survey;
mod value;

pub use redacted_copy::{CopyError, RedactedCopy, copy_redacted};
pub use secret_patterns::{PatternsError, REDACT_FILE, SecretPatterns};
pub use secret_redactor::SecretRedactor;
