//! GitHub Actions: the history of a repository's workflow runs.
//!
//! A file holds the answer of GitHub's REST API to "list workflow runs" (an object with
//! `workflow_runs`), or a dump of it (an object with `repo` and `runs`). Several such objects may
//! stand behind each other or in an array, as `gh api --paginate` writes them. The runs may bear
//! their `jobs`, as the API lists them.
//!
//! Each repository becomes one run of retally, with a `run.started` that bears the project and the
//! tag `source` (each file states the start that it knows of, the earliest counts), and one `pipeline.recorded` per workflow run, attempt and status:
//!
//! | field | is | absent when |
//! |---|---|---|
//! | `ts` | `updated_at`: the end of what ended | never |
//! | `key` | `github-actions:<id>:<run_attempt>:<status>` | never |
//! | `issue` | the number in a branch of which a part begins with `issue-` and digits, else the branch | there is no `head_branch` |
//! | `pipeline_id`, `name`, `ref` | `id`, `name`, `head_branch` | they are |
//! | `status` | `conclusion` of what is completed, else `status`, in retally's words | never |
//! | `commit_sha`, `url`, `attempt` | `head_sha`, `html_url`, `run_attempt` | they are |
//! | `started_at` | `run_started_at`, for a first attempt else `created_at` | both are |
//! | `triggered_by` | `triggering_actor.login`, else `actor.login`, else `event` | all are |
//! | `failed_jobs` | the names of the jobs that failed or timed out | none is known |
//! | `queue_ms` | from `started_at` to the first start of a job | no job proves it |
//! | `duration_ms` | from the first start of a job to the end: as at GitLab, without the queue | the same, or not ended |
//!
//! A job proves its start unless it was skipped, is not begun, belongs to an earlier attempt, or
//! was cancelled without having had a runner: GitHub gives all of those a `started_at` too. Where
//! such a cancelled job may have been the first, the first start is not known.
//!
//! Issues and agents are neither started nor finished: workflow runs do not prove that.
//!
//! ```json
//! {"ts":"2026-08-04T20:04:32Z","type":"pipeline.recorded","key":"github-actions:30946035499:1:success",
//! "issue":"fix/sync-models-skip-curated","pipeline_id":"30946035499","status":"success",
//! "name":"Validate Embedded Viewer","ref":"fix/sync-models-skip-curated","attempt":1,
//! "started_at":"2026-08-04T20:02:37Z","queue_ms":10000,"duration_ms":105000}
//! ```

use crate::error::ImportError;
use crate::format::Format;
use crate::json_file::JsonFile;
use crate::parsed::{ImportedRun, Parsed};
use crate::problem::Problem;
use crate::record::{IDENTIFIER, Record, RecordError, TEXT, TIME, parse_object};
use crate::source::Source;
use retally_log::{
    Draft, Identifier, IssueId, PipelineRecorded, RunId, RunStarted, Times, Timestamp,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

const NAME: &str = "github-actions";

pub(crate) const FORMAT: Format = Format {
    name: NAME,
    summary: "workflow runs of GitHub Actions: answers of its REST API, or dumps of them",
    parse,
};

fn parse<'a>(source: &Source<'a>) -> Result<Parsed<'a>, ImportError> {
    let file = JsonFile::new(source)?;
    let mut parsed = Parsed::default();
    let mut by_repo: BTreeMap<String, Vec<Draft<'static>>> = BTreeMap::new();
    let mut record = 0;
    for page in read_pages(&file)? {
        for run in page.workflow_runs.into_iter().chain(page.runs).flatten() {
            record += 1;
            match read_run(run, page.repo.as_deref()) {
                Ok((repo, draft)) => by_repo.entry(repo).or_default().push(draft),
                Err(error) => parsed.problems.push(Problem {
                    record,
                    offset: file.offset(run),
                    reason: error.to_string(),
                }),
            }
        }
    }
    parsed.runs = by_repo
        .into_iter()
        .map(|(repo, pipelines)| imported_run(&repo, pipelines))
        .collect();
    parsed.runs.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(parsed)
}

/// What one request answers, as far as it is the same for all its runs.
#[derive(Deserialize)]
struct Page<'a> {
    repo: Option<String>,
    #[serde(borrow)]
    runs: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    workflow_runs: Option<Vec<&'a RawValue>>,
}

const PAGE: &str = "an object with `workflow_runs`, or with `repo` and `runs`";

fn read_pages<'a>(file: &JsonFile<'a>) -> Result<Vec<Page<'a>>, ImportError> {
    let mut values = Vec::new();
    for value in file.values()? {
        if value.get().starts_with('[') {
            values.extend(file.read::<Vec<&RawValue>>(value)?);
        } else {
            values.push(value);
        }
    }
    if values.is_empty() {
        return Err(file.unlike(None, PAGE));
    }
    values
        .into_iter()
        .map(|value| read_page(file, value))
        .collect()
}

fn read_page<'a>(file: &JsonFile<'a>, value: &'a RawValue) -> Result<Page<'a>, ImportError> {
    if !value.get().starts_with('{') {
        return Err(file.unlike(Some(value), PAGE));
    }
    let page: Page<'_> = file.read(value)?;
    if page.runs.is_none() && page.workflow_runs.is_none() {
        return Err(file.unlike(Some(value), PAGE));
    }
    Ok(page)
}

/// Puts the start of the run before its pipelines, and these in the order of their times, so that
/// log order is the same whatever files they come from.
fn imported_run(repo: &str, mut pipelines: Vec<Draft<'static>>) -> ImportedRun<'static> {
    pipelines.sort_by(|a, b| (a.ts, &a.key).cmp(&(b.ts, &b.key)));
    let started = RunStarted {
        project_id: Identifier::from(repo.to_owned()),
        llm: None,
        mode: None,
        specific_issue: None,
        config: None,
        tags: Some(BTreeMap::from([("source".into(), NAME.into())])),
    };
    // Each file states the start that it knows of; the earliest counts, whatever came first.
    let ts = pipelines.first().and_then(|first| first.ts);
    let key = ts.map(|ts| format!("{NAME}:run.started:{ts}").into());
    let mut drafts = vec![Draft {
        ts,
        key,
        ..Draft::from(started)
    }];
    drafts.append(&mut pipelines);
    ImportedRun {
        id: RunId::for_import(NAME, repo),
        times: Times::Given,
        drafts,
    }
}

/// Reads a workflow run and returns it with its repository.
fn read_run(
    run: &RawValue,
    page_repo: Option<&str>,
) -> Result<(String, Draft<'static>), RecordError> {
    let object = parse_object(run.get())?;
    let run = Record::new(&object);
    let own_repo = match run.record("repository")? {
        Some(repository) => repository.text("full_name")?,
        None => None,
    };
    let repo = run.require(own_repo.or(page_repo), "repository.full_name", TEXT)?;
    Ok((repo.to_owned(), read_pipeline(&run)?))
}

fn read_pipeline(run: &Record<'_>) -> Result<Draft<'static>, RecordError> {
    let id = run.require(run.identifier("id")?, "id", IDENTIFIER)?;
    let attempt = run.ordinal("run_attempt")?;
    let (status, has_ended) = read_status(run)?;
    let updated_at = run.require(run.time("updated_at")?, "updated_at", TIME)?;
    let started_at = match run.time("run_started_at")? {
        None if attempt.unwrap_or(1) == 1 => run.time("created_at")?,
        started_at => started_at,
    };
    let branch = run.text("head_branch")?;
    let jobs = read_jobs(run, attempt.unwrap_or(1))?;
    let first_start = started_at.and_then(|began| first_start(&jobs, began));
    let failed_jobs: Vec<_> = jobs.iter().filter_map(|job| job.failed.clone()).collect();
    let owned = |text: Option<&str>| text.map(|text| text.to_owned().into());
    let pipeline = PipelineRecorded {
        issue: branch.map(issue_of),
        pipeline_id: Identifier::from(id.to_owned()),
        status: status.to_owned().into(),
        commit_sha: owned(run.text("head_sha")?),
        name: owned(run.text("name")?),
        git_ref: owned(branch),
        attempt,
        started_at,
        triggered_by: owned(read_trigger(run)?),
        failed_jobs: Some(failed_jobs)
            .filter(|names| !names.is_empty())
            .map(|names| names.into_iter().map(Into::into).collect()),
        error_type: None,
        queue_ms: started_at.zip(first_start).and_then(milliseconds),
        duration_ms: first_start
            .filter(|_| has_ended)
            .and_then(|start| milliseconds((start, updated_at))),
        url: owned(run.text("html_url")?),
    };
    let key = format!("{NAME}:{id}:{}:{status}", attempt.unwrap_or(1));
    Ok(Draft {
        ts: Some(updated_at),
        key: Some(key.into()),
        ..Draft::from(pipeline)
    })
}

/// Returns the status in retally's words, and whether the workflow run has ended.
fn read_status<'r>(run: &Record<'r>) -> Result<(&'r str, bool), RecordError> {
    const WANT: &str = "how the run ended, or a `status` before its end";
    let (status, has_ended) = match run.text("status")? {
        Some("completed") | None => {
            let conclusion = run.text("conclusion")?;
            (run.require(conclusion, "conclusion", WANT)?, true)
        }
        Some(status) => (status, false),
    };
    let status = match status {
        "failure" => "failed",
        "cancelled" => "canceled",
        "in_progress" | "requested" => "running",
        other => other,
    };
    Ok((status, has_ended))
}

fn read_trigger<'r>(run: &Record<'r>) -> Result<Option<&'r str>, RecordError> {
    for name in ["triggering_actor", "actor"] {
        if let Some(actor) = run.record(name)?
            && let Some(login) = actor.text("login")?
        {
            return Ok(Some(login));
        }
    }
    run.text("event")
}

/// Returns the number of `(^|/)issue-([0-9]+)` in a branch, without leading zeros, else the branch.
fn issue_of(branch: &str) -> IssueId<'static> {
    let number = branch.split('/').find_map(|part| {
        let text = part.strip_prefix("issue-")?;
        let end = text.find(|sign: char| !sign.is_ascii_digit());
        let digits = &text[..end.unwrap_or(text.len())];
        let without_zeros = digits.trim_start_matches('0');
        match (digits, without_zeros) {
            ("", _) => None,
            (_, "") => Some("0"),
            (_, number) => Some(number),
        }
    });
    IssueId::from(number.unwrap_or(branch).to_owned())
}

/// What a job says about its attempt.
struct Job {
    start: Start,
    /// Its name, if it failed or timed out.
    failed: Option<String>,
}

#[derive(Clone, Copy)]
enum Start {
    /// It did not begin in this attempt.
    Never,
    /// It may have begun, not before the time given.
    Maybe(Option<Timestamp>),
    /// It began.
    At(Timestamp),
}

fn read_jobs(run: &Record<'_>, attempt: u64) -> Result<Vec<Job>, RecordError> {
    let jobs = run.records("jobs")?;
    jobs.iter().map(|job| read_job(job, attempt)).collect()
}

fn read_job(job: &Record<'_>, attempt: u64) -> Result<Job, RecordError> {
    let name = job.text("name")?;
    let conclusion = job.text("conclusion")?;
    let failed = match conclusion {
        Some("failure" | "timed_out") => Some(job.require(name, "name", TEXT)?.to_owned()),
        _ => None,
    };
    let is_of_attempt = job.ordinal("run_attempt")?.is_none_or(|own| own == attempt);
    let has_runner = job.text("runner_name")?.is_some();
    let is_begun = match (conclusion, job.text("status")?) {
        (Some("skipped"), _) => Some(false),
        (Some("cancelled"), _) => has_runner.then_some(true),
        (Some(_), _) | (None, Some("in_progress")) => Some(true),
        (None, Some(_)) => Some(false),
        (None, None) => None,
    };
    let start = match (is_begun, job.time("started_at")?) {
        (Some(false), _) => Start::Never,
        (Some(true), Some(time)) => Start::At(time),
        (_, time) => Start::Maybe(time),
    };
    let start = if is_of_attempt { start } else { Start::Never };
    Ok(Job { start, failed })
}

/// Returns when the first job of an attempt began, where the jobs prove it.
///
/// What began before the attempt did was carried over from an earlier one.
fn first_start(jobs: &[Job], attempt_began: Timestamp) -> Option<Timestamp> {
    let starts = jobs.iter().map(|job| job.start);
    let proven = starts.clone().filter_map(|start| match start {
        Start::At(time) => Some(time).filter(|time| *time >= attempt_began),
        Start::Never | Start::Maybe(_) => None,
    });
    let first = proven.min()?;
    let may_precede = |start| match start {
        Start::Maybe(time) => time.is_none_or(|time| (attempt_began..first).contains(&time)),
        Start::Never | Start::At(_) => false,
    };
    (!starts.into_iter().any(may_precede)).then_some(first)
}

/// Returns the time between two moments, unless the later one is the first.
fn milliseconds((from, to): (Timestamp, Timestamp)) -> Option<u64> {
    let micros = to.as_micros().checked_sub(from.as_micros())?;
    u64::try_from(micros).ok().map(|micros| micros / 1000)
}

#[cfg(test)]
mod tests;
