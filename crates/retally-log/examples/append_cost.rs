//! Measures what an append costs, beside a bare `write(2)` of the same bytes.
#![expect(clippy::print_stdout, reason = "it is what the example is for")]

use retally_log::{AgentFinished, Root, RunId, Writer, WriterOptions};
use std::io::Write as _;
use std::time::Instant;

const EVENTS: u32 = 200_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let run = Root::new(folder.path()).create_run(&RunId::new("cost")?)?;
    let writer = Writer::new(run.clone(), WriterOptions::default());
    let start = Instant::now();
    for issue in 0..EVENTS {
        writer.append(AgentFinished {
            issue: u64::from(issue).into(),
            agent: "testing".into(),
            span: None,
            success: true,
            error: None,
        })?;
    }
    let append = start.elapsed() / EVENTS;

    let path = run.events_path().read_dir()?.next().ok_or("a segment")??;
    let content = std::fs::read(path.path())?;
    let mut bare = std::fs::File::options()
        .append(true)
        .create(true)
        .open(folder.path().join("bare"))?;
    let start = Instant::now();
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        bare.write_all(line)?;
    }
    let write = start.elapsed() / EVENTS;
    println!("append: {append:?}, write(2) alone: {write:?}");
    Ok(())
}
