use crate::alert_history::{ReadRun, alerts_of, told};
use crate::alert_sheet::print_alerts;
use crate::cli::Alerts;
use crate::command::report::parse_as_of;
use crate::exit::{Exit, wrong_usage};
use crate::progress::Progress;
use crate::setting::{Setting, complain};
use crate::sheet::Format;
use crate::terminal::print_data;
use anyhow::{Result, bail};
use rayon::prelude::*;
use retally_alerts::{Alert, Finding, Fleet, Rules};
use retally_log::{RunDir, Timestamp};
use retally_reduce::AsOf;
use std::path::Path;

pub(crate) fn run(setting: &Setting, options: &Alerts) -> Result<Exit> {
    let rules = rules_of(setting, options.rules.as_deref())?;
    let until = match options.as_of.as_deref().map(parse_as_of).transpose()? {
        None => None,
        Some(AsOf::Time(time)) => Some(time),
        Some(AsOf::Line { .. }) => {
            return Err(wrong_usage(
                "--as-of: want a time, for a line is of one run",
            ));
        }
    };
    let runs = setting.find_runs(&options.runs)?;
    let (alerts, failed) = find(setting, &runs, &rules, until)?;
    let format = setting.format.unwrap_or(Format::Table);
    if format != Format::Table || !alerts.is_empty() {
        print_data(format, |out| print_alerts(&alerts, format, out))?;
    }
    if alerts.is_empty() {
        setting.say(&format!("runs: {}; nothing to tell", runs.len()));
    }
    if failed > 0 {
        bail!("{failed} runs could not be read");
    }
    let fails = |limit| alerts.iter().any(|alert| alert.severity >= limit);
    let is_found = options.fail_if.is_some_and(fails);
    Ok(if is_found { Exit::Found } else { Exit::Done })
}

/// Returns the rules of the file that is named, else those of the root.
pub(crate) fn rules_of(setting: &Setting, file: Option<&Path>) -> Result<Rules> {
    Ok(match file {
        Some(file) => Rules::from_file(file)?,
        None => Rules::for_root(&setting.root)?,
    })
}

/// Returns what the rules find, and how many runs could not be read.
fn find(
    setting: &Setting,
    runs: &[RunDir],
    rules: &Rules,
    until: Option<Timestamp>,
) -> Result<(Vec<Alert>, usize)> {
    let prices = setting.prices()?;
    let now = until.unwrap_or_else(|| setting.clock.now());
    let progress = Progress::new(setting, runs.len(), "reading");
    let read = |run: &RunDir| -> Result<Vec<Finding>> {
        let mut read = ReadRun::read(run, rules, &prices, until)?;
        let overdue = read.watch.overdue(now, rules).into_iter();
        let mut findings = read.findings;
        findings.extend(overdue.map(|alert| Finding::Alert(Box::new(alert))));
        progress.step();
        Ok(findings)
    };
    let results: Vec<Result<Vec<Finding>>> = runs.par_iter().map(read).collect();
    progress.finish();
    let (mut findings, mut failed) = (Vec::new(), 0);
    for (run, result) in runs.iter().zip(results) {
        match result {
            Ok(found) => findings.extend(found),
            Err(error) => {
                failed += 1;
                complain(&format!("run `{}`: {error:#}", run.id()));
            }
        }
    }
    let mut alerts = alerts_of(findings, &mut Fleet::default(), rules);
    let redactor = setting.redactor()?;
    for alert in &mut alerts {
        told(alert, &redactor);
    }
    Ok((alerts, failed))
}
