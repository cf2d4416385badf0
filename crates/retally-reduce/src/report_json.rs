//! How reports become JSON.

use serde::ser::{Serialize, Serializer};

/// What most reports take.
const MOST_BYTES: usize = 4096;

/// Writes a report as it stands in its file: two spaces, UTF-8, a final LF.
pub fn to_json_bytes(report: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(MOST_BYTES);
    serde_json::to_writer_pretty(&mut bytes, report)
        .expect("a report is plain data with string keys");
    bytes.push(b'\n');
    bytes
}

/// Writes pairs as an object in their order.
pub(crate) fn pairs<S: Serializer, V: Serialize>(
    pairs: &[(String, V)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
}

#[cfg(test)]
mod tests {
    use crate::test_helpers::{fold, log, reports};

    /// Returns the keys that stand in printed reports.
    fn keys(text: &str) -> Vec<&str> {
        text.lines()
            .filter_map(|line| line.trim_start().strip_prefix('"')?.split_once("\":"))
            .map(|(key, _)| key)
            .collect()
    }

    #[test]
    fn every_key_of_the_reports_is_documented() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
        let documentation = std::fs::read_to_string(path).expect("docs/metrics.md");
        let text = reports(&fold(&log(&[
            r#"1 "run.started","project_id":"p","llm":{"model":"m"}"#,
            r#"2 "agent.finished","issue":1,"agent":"agent","success":true"#,
            r#"3 "pipeline.recorded","issue":1,"pipeline_id":1,"status":"failed""#,
            r#"4 "debug.started","issue":1,"agent":"agent","error_type":"e","error_message":"m""#,
            r#"5 "tool.called","issue":1,"tool":"tools""#,
            r#"6 "error.recorded","issue":1,"error_type":"e","message":"m""#,
            r#"7 "note.added","issue":1,"text":"t""#,
            r#"8 "issue.finished","issue":1,"status":"completed""#,
        ])));
        for key in keys(&text) {
            assert!(
                documentation.contains(&format!("`{key}`")),
                "`{key}` is not documented"
            );
        }
    }
}
