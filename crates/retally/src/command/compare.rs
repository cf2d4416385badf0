use crate::cli::Compare;
use crate::comparison_json::ComparisonJson;
use crate::comparison_sheets::{differences_sheet, figures_sheet, groups_sheet, whole_sheet};
use crate::condition::{Answer, Condition};
use crate::exit::{Exit, wrong_usage};
use crate::run_reading::read_runs;
use crate::setting::{Setting, short_name};
use crate::sheet::{Format, Sheet, escaped_for_markdown};
use crate::terminal::{print_data, printable};
use crate::verdict::{shown_name, verdicts};
use anyhow::{Result, bail};
use retally_log::RunDir;
use retally_stats::{Bootstrap, Comparison, Confidence, Group, Grouping, IssueWork};
use std::collections::BTreeMap;
use std::io::Write;

/// The most groups that are compared: those of most issues.
const GROUPS_MAX: usize = 50;

pub(crate) fn run(setting: &Setting, options: &Compare) -> Result<Exit> {
    let bootstrap = Bootstrap {
        confidence: Confidence::USUAL,
        seed: options.seed,
    };
    let (groups, failed) = match options.against.is_empty() {
        true => groups_by(setting, options)?,
        false => two_sets(setting, options)?,
    };
    if groups.is_empty() {
        setting.say("no runs to compare (start one with `retally start --project P`)");
    }
    let comparison = Comparison::of(&groups, bootstrap);
    let format = setting.format.unwrap_or(Format::Table);
    if format != Format::Table || !groups.is_empty() {
        print_data(format, |out| print(&comparison, options, format, out))?;
    }
    let is_found = holds_any(setting, options, &comparison);
    if failed > 0 {
        bail!("{failed} runs could not be read");
    }
    Ok(if is_found { Exit::Found } else { Exit::Done })
}

fn grouping(options: &Compare) -> Grouping {
    options.by.clone().unwrap_or(Grouping::Model)
}

/// What a run did, by group.
struct Parts {
    /// The group that the run belongs to, also where it did nothing.
    own: Option<Option<String>>,
    work: Vec<(Option<String>, IssueWork)>,
}

/// Returns the groups, the baseline first, and how many runs could not be read.
fn groups_by(setting: &Setting, options: &Compare) -> Result<(Vec<Group>, usize)> {
    let runs = setting.find_runs(&options.runs)?;
    let (parts, failed) = read(setting, options, &runs, &grouping(options))?;
    let mut by_name: BTreeMap<Option<String>, Group> = BTreeMap::new();
    for parts in parts {
        let mut of_run: BTreeMap<Option<String>, Vec<IssueWork>> = BTreeMap::new();
        if let Some(own) = parts.own {
            of_run.entry(own).or_default();
        }
        for (name, work) in parts.work {
            of_run.entry(name).or_default().push(work);
        }
        for (name, work) in of_run {
            let group = by_name.entry(name.clone()).or_default();
            group.name = name;
            group.runs += 1;
            group.work.extend(work);
        }
    }
    let mut groups: Vec<Group> = by_name.into_values().collect();
    let is_baseline = |group: &Group| group.name.is_some() && group.name == options.baseline;
    if options.baseline.is_some() && !groups.iter().any(is_baseline) {
        let name = short_name(options.baseline.as_deref().unwrap_or_default());
        let names: Vec<&str> = groups
            .iter()
            .filter_map(|it| it.name.as_deref())
            .take(10)
            .collect();
        let names = names
            .into_iter()
            .map(short_name)
            .collect::<Vec<_>>()
            .join(", ");
        return Err(wrong_usage(format!(
            "no group is `{name}` (there are: {names})"
        )));
    }
    // Stable, so that of equally many the first by name comes first.
    let ended = |group: &Group| group.work.iter().filter(|work| !work.is_open()).count();
    groups.sort_by_cached_key(|group| {
        (
            !is_baseline(group),
            group.name.is_none(),
            std::cmp::Reverse(ended(group)),
        )
    });
    if groups.len() > GROUPS_MAX {
        let more = groups.len() - GROUPS_MAX;
        setting.say(&format!(
            "note: {more} groups of the fewest issues are left out"
        ));
        groups.truncate(GROUPS_MAX);
    }
    Ok((groups, failed))
}

/// Returns the runs to compare with as the first group, the others as the second.
fn two_sets(setting: &Setting, options: &Compare) -> Result<(Vec<Group>, usize)> {
    let against = setting.find_runs(&options.against)?;
    let runs = setting.find_runs(&options.runs)?;
    if let Some(both) = runs
        .iter()
        .find(|run| against.iter().any(|it| it.id() == run.id()))
    {
        let id = both.id();
        return Err(wrong_usage(format!(
            "run `{id}` stands on both sides of --against"
        )));
    }
    let mut failed = 0;
    let mut group = |runs: &[RunDir], others: &str| -> Result<Group> {
        let (parts, unread) = read(setting, options, runs, &Grouping::Model)?;
        failed += unread;
        let name = match runs {
            [run] => run.id().to_string(),
            several => format!("{others} {} runs", several.len()),
        };
        Ok(Group {
            name: Some(name),
            runs: parts.len() as u64,
            work: parts
                .into_iter()
                .flat_map(|it| it.work)
                .map(|(_, work)| work)
                .collect(),
        })
    };
    let groups = vec![group(&against, "the other")?, group(&runs, "the")?];
    Ok((groups, failed))
}

fn read(
    setting: &Setting,
    options: &Compare,
    runs: &[RunDir],
    grouping: &Grouping,
) -> Result<(Vec<Parts>, usize)> {
    let as_of = options.as_of.as_deref();
    read_runs(setting, runs, as_of, |state| Parts {
        own: grouping.of_run(state),
        work: grouping.work_of(state),
    })
}

fn print(
    comparison: &Comparison,
    options: &Compare,
    format: Format,
    out: &mut dyn Write,
) -> Result<()> {
    let by = options
        .against
        .is_empty()
        .then(|| grouping(options).to_string());
    let document = || ComparisonJson::new(comparison, by, options.as_of.as_deref());
    match format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, &document())?;
            writeln!(out)?;
        }
        Format::Jsonl => {
            serde_json::to_writer(&mut *out, &document())?;
            writeln!(out)?;
        }
        Format::Csv | Format::RawCsv => whole_sheet(comparison).print(format, out)?,
        Format::Table | Format::Md => print_for_people(comparison, format, out)?,
    }
    Ok(())
}

fn print_for_people(comparison: &Comparison, format: Format, out: &mut dyn Write) -> Result<()> {
    groups_sheet(comparison).print(format, out)?;
    let print = |sheet: Sheet, out: &mut dyn Write| match sheet.is_empty() {
        true => Ok(()),
        false => {
            writeln!(out)?;
            sheet.print(format, out)
        }
    };
    print(figures_sheet(comparison), out)?;
    print(differences_sheet(comparison), out)?;
    let Some((baseline, others)) = comparison.split() else {
        return Ok(());
    };
    writeln!(out)?;
    if others.is_empty() {
        writeln!(
            out,
            "There is one group only, so nothing to compare it with."
        )?;
    }
    for group in others {
        for verdict in verdicts(comparison, group, baseline) {
            let verdict = printable(&verdict);
            match format {
                Format::Md => writeln!(out, "- {}", escaped_for_markdown(&verdict))?,
                _ => writeln!(out, "{verdict}")?,
            }
        }
    }
    Ok(())
}

/// Says which conditions hold, and of which that cannot be told; returns whether any does.
fn holds_any(setting: &Setting, options: &Compare, comparison: &Comparison) -> bool {
    let asked = match comparison.split() {
        Some((first, [])) => std::slice::from_ref(first),
        Some((_, others)) => others,
        None => &[],
    };
    let (mut is_found, mut is_unknown) = (false, asked.is_empty());
    for condition in &options.fail_if {
        for group in asked {
            let name = shown_name(group);
            match condition.ask(comparison, group) {
                Answer::Holds => {
                    is_found = true;
                    setting.say(&format!("holds: {condition} of {name}"));
                }
                Answer::Unknown => {
                    is_unknown = true;
                    setting.say(&format!("not enough evidence: {condition} of {name}"));
                }
                Answer::HoldsNot => {}
            }
        }
    }
    if is_unknown && options.fail_if.contains(&Condition::Unknown) {
        is_found = true;
        setting.say(&format!("holds: {}", Condition::Unknown));
    }
    is_found
}
