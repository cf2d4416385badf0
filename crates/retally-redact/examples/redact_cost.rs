//! Measures what redacting costs: a text, and an append with and without it.
#![expect(clippy::print_stdout, reason = "it is what the example is for")]

use retally_log::{Draft, NoteAdded, Redactor, Root, RunId, Writer, WriterOptions};
use retally_redact::SecretRedactor;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

const STRETCHES: usize = 200;
const STRETCH_ROUNDS: u32 = 500;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let start = Instant::now();
    let redactor = Arc::new(redactor());
    redactor.redact("token: none");
    println!(
        "making a redactor, and its first text: {:?}",
        start.elapsed()
    );
    for (name, text) in [("200 B", prose(200)), ("5 kB", prose(5000))] {
        let cost = time(|| drop(black_box(redactor.redact(black_box(&text)))));
        let shapes = SecretRedactor::new();
        let alone = time(|| drop(black_box(shapes.redact(black_box(&text)))));
        println!("text of {name}: {cost:?}, without variables {alone:?}");
    }
    let key = format!("{} {}{}", prose(200), "ghp_", "a1B2".repeat(9));
    let cost = time(|| drop(black_box(redactor.redact(black_box(&key)))));
    println!("text of 200 B with a key: {cost:?}");
    for (name, draft) in events() {
        let plain = append(&draft, None)?;
        let redacted = append(&draft, Some(Arc::clone(&redactor) as Arc<dyn Redactor>))?;
        println!("append of {name}: {plain:?} without, {redacted:?} with");
    }
    Ok(())
}

fn redactor() -> SecretRedactor {
    let names = [
        "GITHUB_TOKEN",
        "OPENAI_API_KEY",
        "DB_PASSWORD",
        "SIGNING_KEY",
        "CI_JOB_TOKEN",
    ];
    let variables = names.map(|name| (name.to_owned(), format!("{}-value", name.to_lowercase())));
    SecretRedactor::new().with_variables(variables)
}

fn prose(bytes: usize) -> String {
    const TEXT: &str = "AssertionError in tests/test_login.py::test_session, line 128: expected 200, \
        got 401 after 3 attempts (https://ci.example.com/group/app/-/jobs/4259). The agent risked \
        a retry; see commit 2aa9dbd1f0 for what was changed in src/session.rs, and the log. ";
    TEXT.chars().cycle().take(bytes).collect()
}

fn events() -> Vec<(&'static str, Draft<'static>)> {
    let note = |bytes| {
        let text = prose(bytes).into();
        Draft::from(NoteAdded {
            text,
            issue: Some(7.into()),
            agent: Some("coding".into()),
        })
    };
    let llm = br#"{"type":"llm.called","issue":123,"agent":"coding","provider":"deepseek","model":"deepseek-chat","input_tokens":5120,"output_tokens":800,"cost_usd":0.0012,"duration_ms":4200,"success":true}"#;
    let tool = br#"{"type":"tool.called","issue":123,"agent":"coding","tool":"run_tests","success":false,"duration_ms":5300,"error":"exit code 1: 3 tests failed"}"#;
    let read = |text: &'static [u8]| Draft::from_json(text).expect("an event");
    vec![
        ("llm.called", read(llm)),
        ("tool.called", read(tool)),
        ("note.added of 200 B", note(200)),
        ("note.added of 5 kB", note(5000)),
    ]
}

fn append(
    draft: &Draft<'_>,
    redactor: Option<Arc<dyn Redactor>>,
) -> Result<Duration, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let run = Root::new(folder.path()).create_run(&RunId::new("cost")?)?;
    let options = WriterOptions {
        redactor,
        ..WriterOptions::default()
    };
    let writer = Writer::new(run, options);
    let mut result = Ok(());
    let cost = time(|| {
        if let Err(error) = writer.append(draft.clone()) {
            result = Err(error);
        }
    });
    result?;
    Ok(cost)
}

/// Returns what one round takes in the quickest of some hundred stretches: others use the machine.
fn time(mut work: impl FnMut()) -> Duration {
    let stretch = || {
        let start = Instant::now();
        for _ in 0..STRETCH_ROUNDS {
            work();
        }
        start.elapsed() / STRETCH_ROUNDS
    };
    std::iter::repeat_with(stretch)
        .take(STRETCHES)
        .min()
        .unwrap_or_default()
}
