use crate::cli::Check;
use crate::exit::Exit;
use crate::progress::Progress;
use crate::setting::{Setting, complain};
use crate::sheet::{Format, Sheet};
use crate::terminal::print_data;
use anyhow::{Context, Result, bail};
use retally_log::{Audit, Finding, Problem, RunDir};
use retally_reduce::{Change, ChangeKind, PriceBook, RunFiles, RunFold};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

/// How often a run is looked at that is being written, and how long is waited in between.
const LOOKS_MAX: usize = 5;
const SETTLE_TIME: Duration = Duration::from_millis(200);

pub(crate) fn run(setting: &Setting, options: &Check) -> Result<Exit> {
    let runs = setting.find_runs(&options.runs)?;
    let prices = setting.prices();
    let progress = Progress::new(setting, runs.len(), "checking");
    let mut findings = Findings::new();
    let mut failed = 0;
    for run in &runs {
        match check(setting, run, prices.as_ref().ok()) {
            Ok(checked) => findings.add(run, checked),
            Err(error) => {
                failed += 1;
                complain(&format!("run `{}`: {error:#}", run.id()));
            }
        }
        progress.step();
    }
    progress.finish();
    let format = setting.format.unwrap_or(Format::Table);
    if format != Format::Table || !findings.sheet.is_empty() {
        print_data(format, |out| findings.sheet.print(format, out))?;
    }
    for (name, count) in &findings.unknown_types {
        setting.say(&format!(
            "note: {count} events of the unknown type `{name}` are kept"
        ));
    }
    setting.say(&findings.sentence(runs.len() - failed));
    if failed > 0 {
        bail!("{failed} of {} runs could not be checked", runs.len());
    }
    prices.context("report files were not compared, only logs verified")?;
    Ok(if findings.sheet.is_empty() {
        Exit::Done
    } else {
        Exit::Found
    })
}

/// What was found out about a run.
struct Checked {
    audit: Audit,
    changes: Vec<Change>,
    /// Why report files could not be compared.
    obstacle: Option<String>,
}

/// Looks at a run until it holds still: half a line, or reports a moment behind their events, are
/// what a run looks like that is being written.
///
/// The log is verified whatever becomes of the report files.
fn check(setting: &Setting, run: &RunDir, prices: Option<&Arc<PriceBook>>) -> Result<Checked> {
    let look = || -> Result<Checked> {
        let compared = prices
            .map(|prices| compare(setting, run, prices))
            .transpose();
        let audit = Audit::of(run.events_path())?;
        let (changes, obstacle) = match compared {
            Ok(changes) => (changes.unwrap_or_default(), None),
            Err(error) => (Vec::new(), Some(format!("{error:#}"))),
        };
        Ok(Checked {
            audit,
            changes,
            obstacle,
        })
    };
    let mut checked = look()?;
    for _ in 1..LOOKS_MAX {
        let is_pending = |finding: &Finding| finding.problem == Problem::Pending;
        let may_settle =
            !checked.changes.is_empty() || checked.audit.findings.iter().any(is_pending);
        if !may_settle {
            break;
        }
        sleep(SETTLE_TIME);
        let again = look()?;
        let holds_still =
            again.audit.segments == checked.audit.segments && again.changes == checked.changes;
        checked = again;
        if holds_still {
            break;
        }
    }
    Ok(checked)
}

/// Returns the report files that differ from a rebuild.
fn compare(setting: &Setting, run: &RunDir, prices: &Arc<PriceBook>) -> Result<Vec<Change>> {
    let root = setting.root.path();
    let mut fold = RunFold::open(root, run.id(), Arc::clone(prices))?;
    fold.catch_up()?;
    Ok(RunFiles::open(root, run.id())?.compare(fold.state())?)
}

/// All that is wrong, and how much was looked at.
struct Findings {
    sheet: Sheet,
    events: u64,
    unchecked: u64,
    lost: u64,
    damaged: u64,
    misfits: u64,
    differences: usize,
    /// Of each type that this version does not know.
    unknown_types: BTreeMap<String, u64>,
}

impl Findings {
    fn new() -> Self {
        let sheet = Sheet::new()
            .text("run", "Run")
            .text("file", "File")
            .number("offset", "At byte")
            .number("length", "Bytes")
            .text("reason", "What is wrong");
        Self {
            sheet,
            events: 0,
            unchecked: 0,
            lost: 0,
            damaged: 0,
            misfits: 0,
            differences: 0,
            unknown_types: BTreeMap::new(),
        }
    }

    fn add(&mut self, run: &RunDir, checked: Checked) {
        for segment in checked.audit.segments.values() {
            self.events += segment.events;
            self.unchecked += segment.unchecked;
            self.lost += segment.lost;
            self.damaged += segment.damaged;
            self.misfits += segment.misfits;
        }
        for Finding {
            segment,
            file,
            offset,
            length,
            problem,
        } in checked.audit.findings
        {
            let file = match file.is_empty() {
                true => format!("segment {segment}"),
                false => format!("events/{file}"),
            };
            self.push(
                run,
                &file,
                json!(offset),
                json!(length),
                &problem.to_string(),
            );
        }
        if checked.audit.omitted > 0 {
            let reason = format!("{} more findings are not listed", checked.audit.omitted);
            self.push(run, "events", Value::Null, Value::Null, &reason);
        }
        for (name, count) in checked.audit.unknown_types {
            *self.unknown_types.entry(name).or_default() += count;
        }
        if let Some(obstacle) = checked.obstacle {
            let reason = format!("report files could not be compared: {obstacle}");
            self.push(run, "", Value::Null, Value::Null, &reason);
        }
        self.differences += checked.changes.len();
        for change in checked.changes {
            let reason = match (change.kind, change.first_difference) {
                (ChangeKind::Created, _) => "missing".to_owned(),
                (ChangeKind::Removed, _) => "the log calls for no such file".to_owned(),
                (_, Some(pointer)) => format!("differs from a rebuild, first at {pointer}"),
                (_, None) => "differs from a rebuild".to_owned(),
            };
            let file = change.path.display().to_string();
            self.push(run, &file, Value::Null, Value::Null, &reason);
        }
    }

    fn push(&mut self, run: &RunDir, file: &str, offset: Value, length: Value, reason: &str) {
        self.sheet.push(vec![
            json!(run.id().as_str()),
            json!(file),
            offset,
            length,
            json!(reason),
        ]);
    }

    fn sentence(&self, runs: usize) -> String {
        let Self {
            events,
            unchecked,
            lost,
            damaged,
            misfits,
            differences,
            ..
        } = self;
        let cure = if *differences > 0 {
            " (`retally rebuild` mends them)"
        } else {
            ""
        };
        format!(
            "runs: {runs}; events: {events}, {unchecked} without a checksum; damaged: {damaged}; \
             misfits: {misfits}; lost: {lost}; report files that differ from a rebuild: \
             {differences}{cure}"
        )
    }
}
