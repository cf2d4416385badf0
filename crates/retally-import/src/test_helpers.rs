//! What the tests of several files need.

use crate::{Format, ImportError, Parsed, Source};
use retally_log::{Draft, Event};
use std::path::{Path, PathBuf};

/// Parses a text as the file `dump.json` of a format.
pub(crate) fn parse<'a>(format: &str, text: &'a [u8]) -> Result<Parsed<'a>, ImportError> {
    let source = Source {
        path: Path::new("some/dump.json"),
        bytes: text,
        run: None,
    };
    Format::find(format).expect("a known format").parse(&source)
}

/// Returns the path of a file below the project's `fixtures/imports/`.
pub(crate) fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/imports");
    folder.join(name)
}

/// Returns the two days of a public repository's history, which overlap.
pub(crate) fn sample_days() -> [(PathBuf, Vec<u8>); 2] {
    ["inspect_ci_2026-08-04.json", "inspect_ci_2026-08-05.json"].map(|name| {
        let path = fixture("github-actions").join(name);
        let bytes = std::fs::read(&path).expect("the fixture is readable");
        (path, bytes)
    })
}

/// Shows an event in lines of `field: value`, as far as its fields are there.
pub(crate) fn shown(draft: &Draft<'_>) -> String {
    let mut lines = vec![draft.event.type_name().to_owned()];
    let mut show = |name: &str, value: Option<String>| {
        lines.extend(value.map(|value| format!("  {name}: {value}")));
    };
    show("ts", draft.ts.map(|ts| ts.to_string()));
    show("key", draft.key.as_ref().map(ToString::to_string));
    show("issue", draft.event.issue().map(ToString::to_string));
    match &draft.event {
        Event::RunStarted(started) => {
            show("project_id", Some(started.project_id.to_string()));
            show(
                "tags",
                started.tags.as_ref().map(|tags| format!("{tags:?}")),
            );
        }
        Event::PipelineRecorded(pipeline) => {
            let text = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().map(String::from);
            let count = |count: Option<u64>| count.map(|count| count.to_string());
            show("pipeline_id", Some(pipeline.pipeline_id.to_string()));
            show("status", Some(pipeline.status.to_string()));
            show("commit_sha", text(&pipeline.commit_sha));
            show("name", text(&pipeline.name));
            show("ref", text(&pipeline.git_ref));
            show("attempt", count(pipeline.attempt));
            show("started_at", pipeline.started_at.map(|ts| ts.to_string()));
            show("triggered_by", text(&pipeline.triggered_by));
            show(
                "failed_jobs",
                pipeline.failed_jobs.as_ref().map(|jobs| jobs.join(", ")),
            );
            show("queue_ms", count(pipeline.queue_ms));
            show("duration_ms", count(pipeline.duration_ms));
            show("url", text(&pipeline.url));
        }
        _ => {}
    }
    lines.join("\n")
}
