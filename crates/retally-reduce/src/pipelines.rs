//! The pipeline attempts of one issue.

use crate::detail_list::DETAILS_MAX;
use crate::moment::Moment;
use crate::pipeline_status::{Finality, normalize};
use crate::quantity::Seconds;
use retally_log::{PipelineRecorded, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One pipeline attempt in a report. What no event stated is `None`; of what several stated, the
/// last stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineDetail {
    /// The pipeline's id at its CI service.
    pub pipeline_id: String,
    /// The last status that counted, in its usual spelling.
    pub status: String,
    /// The commit that it ran on.
    pub commit_sha: Option<String>,
    /// The workflow's name.
    pub name: Option<String>,
    /// The branch or tag that it ran on.
    #[serde(rename = "ref")]
    pub git_ref: Option<String>,
    /// The number of the attempt, from 1, as the CI service counts.
    pub attempt: u64,
    /// When it was recorded in the status that is shown.
    pub recorded_at: Option<Timestamp>,
    /// Who or what triggered it.
    pub triggered_by: Option<String>,
    /// The names of the jobs that failed.
    pub failed_jobs: Option<Vec<String>>,
    /// What kind of error it failed with.
    pub error_type: Option<String>,
    /// How long it waited for a runner.
    pub queue_seconds: Option<Seconds>,
    /// How long it ran.
    pub duration_seconds: Option<Seconds>,
    /// Where a person can look at it.
    pub url: Option<String>,
}

/// The pipeline attempts of one issue, numbered from 0 in log order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pipelines {
    /// The attempts whose number is below [`DETAILS_MAX`].
    details: Vec<PipelineDetail>,
    /// The newest attempt of each identity.
    newest: BTreeMap<Identity, Attempt>,
    /// By name, the first attempt that succeeded or failed, and whether it succeeded.
    decisive: BTreeMap<Option<String>, (u64, bool)>,
    count: u64,
    succeeded: u64,
    failed: u64,
    first_pass: u64,
}

/// What tells attempts apart, but for retries under the same identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Identity {
    pipeline_id: String,
    name: Option<String>,
    attempt: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Attempt {
    number: u64,
    /// In its usual spelling.
    status: String,
    /// When it was seen in that status.
    since: Moment,
}

/// What an event does to the newest attempt of its identity.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// It begins another attempt.
    Begins,
    /// It gives the attempt a status.
    Replaces,
    /// The status says nothing new; the other fields still stand.
    Repeats,
}

impl Pipelines {
    /// Takes in a status.
    pub(crate) fn record(&mut self, moment: Moment, event: &PipelineRecorded<'_>) {
        let identity = Identity {
            pipeline_id: event.pipeline_id.as_str().to_owned(),
            name: event.name.clone().map(String::from),
            attempt: event.attempt.unwrap_or(1),
        };
        let status = normalize(&event.status);
        let newest = self.newest.get(&identity);
        let effect = newest.map_or(Effect::Begins, |attempt| attempt.effect_of(status, moment));
        let number = match newest {
            Some(attempt) if effect != Effect::Begins => attempt.number,
            _ => self.begin(&identity),
        };
        let detail = usize::try_from(number)
            .ok()
            .and_then(|at| self.details.get_mut(at));
        if let Some(detail) = detail {
            detail.update(event);
            if effect != Effect::Repeats {
                status.clone_into(&mut detail.status);
                detail.recorded_at = moment;
            }
        }
        if effect != Effect::Repeats {
            self.tally(number, &identity.name, Finality::of(status));
            let (status, since) = (status.to_owned(), moment);
            let attempt = Attempt {
                number,
                status,
                since,
            };
            self.newest.insert(identity, attempt);
        }
    }

    fn begin(&mut self, identity: &Identity) -> u64 {
        let number = self.count;
        self.count += 1;
        if self.details.len() < DETAILS_MAX {
            self.details.push(PipelineDetail::new(identity));
        }
        number
    }

    /// Counts the status of an attempt that was not final before.
    fn tally(&mut self, number: u64, name: &Option<String>, finality: Finality) {
        if !finality.is_decisive() {
            return;
        }
        let is_success = finality == Finality::Succeeded;
        if is_success {
            self.succeeded += 1;
        } else {
            self.failed += 1;
        }
        let first = self.decisive.get(name).copied();
        if first.is_some_and(|(first, _)| first < number) {
            return;
        }
        self.decisive.insert(name.clone(), (number, is_success));
        self.first_pass += u64::from(is_success);
        self.first_pass -= u64::from(first.is_some_and(|(_, was_success)| was_success));
    }

    /// Returns how many attempts there were.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Returns how many attempts ended in success.
    pub(crate) fn succeeded(&self) -> u64 {
        self.succeeded
    }

    /// Returns how many attempts failed or timed out.
    pub(crate) fn failed(&self) -> u64 {
        self.failed
    }

    /// Returns how many names passed with their first decisive attempt.
    pub(crate) fn first_pass(&self) -> u64 {
        self.first_pass
    }

    /// Returns how many names have a decisive attempt.
    pub(crate) fn first_pass_base(&self) -> u64 {
        self.decisive.len() as u64
    }

    /// Returns the first attempts in log order.
    pub(crate) fn details(&self) -> &[PipelineDetail] {
        &self.details
    }
}

impl Attempt {
    fn effect_of(&self, status: &str, moment: Moment) -> Effect {
        if !Finality::of(&self.status).is_final() {
            return Effect::Replaces;
        }
        let begins = if Finality::of(status).is_final() {
            status != self.status
        } else {
            // Where a segment has no times, its order tells what came later.
            self.since.is_none() || moment.is_none() || moment > self.since
        };
        if begins {
            Effect::Begins
        } else {
            Effect::Repeats
        }
    }
}

impl PipelineDetail {
    fn new(identity: &Identity) -> Self {
        Self {
            pipeline_id: identity.pipeline_id.clone(),
            status: String::new(),
            commit_sha: None,
            name: identity.name.clone(),
            git_ref: None,
            attempt: identity.attempt,
            recorded_at: None,
            triggered_by: None,
            failed_jobs: None,
            error_type: None,
            queue_seconds: None,
            duration_seconds: None,
            url: None,
        }
    }

    /// Takes over what the event states.
    fn update(&mut self, event: &PipelineRecorded<'_>) {
        let replace = |slot: &mut Option<String>, stated: Option<&str>| {
            if let Some(text) = stated {
                *slot = Some(text.to_owned());
            }
        };
        replace(&mut self.commit_sha, event.commit_sha.as_deref());
        replace(&mut self.git_ref, event.git_ref.as_deref());
        replace(&mut self.triggered_by, event.triggered_by.as_deref());
        replace(&mut self.error_type, event.error_type.as_deref());
        replace(&mut self.url, event.url.as_deref());
        if let Some(jobs) = &event.failed_jobs {
            self.failed_jobs = Some(jobs.iter().map(|job| job.to_string()).collect());
        }
        let seconds = |millis: Option<u64>| millis.map(|ms| Seconds::from_millis(ms.into()));
        self.queue_seconds = seconds(event.queue_ms).or(self.queue_seconds);
        self.duration_seconds = seconds(event.duration_ms).or(self.duration_seconds);
    }
}

#[cfg(test)]
mod tests {
    use crate::test_helpers::{check, fold, log};
    use retally_log::IssueId;

    /// Records statuses of one identity at the given seconds and compares the attempts' statuses.
    fn check_statuses(records: &[(u32, &str)], expected: &[&str]) {
        let line = |(at, status): &(u32, &str)| {
            format!(r#"{at} "pipeline.recorded","issue":1,"pipeline_id":7,"status":"{status}""#)
        };
        let lines: Vec<String> = records.iter().map(line).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let state = fold(&log(&lines));
        let report = state.issue_report(&IssueId::from("1")).expect("issue 1");
        let details = report.pipeline_details.iter();
        let statuses: Vec<&str> = details.map(|detail| &*detail.status).collect();
        assert_eq!(statuses, expected, "{records:?}");
        assert_eq!(report.pipeline_attempts, expected.len() as u64);
    }

    #[test]
    fn a_status_replaces_one_that_is_not_final() {
        check_statuses(
            &[(1, "created"), (2, "running"), (3, "success")],
            &["success"],
        );
        check_statuses(&[(1, "created"), (2, "requested")], &["running"]);
        check_statuses(&[(1, "brand new"), (2, "failure")], &["failed"]);
    }

    #[test]
    fn an_equal_final_status_is_a_repeat() {
        check_statuses(&[(1, "success"), (2, "success")], &["success"]);
        check_statuses(&[(1, "failed"), (2, "failure")], &["failed"]);
        check_statuses(&[(1, "cancelled"), (9, "canceled")], &["canceled"]);
    }

    #[test]
    fn after_a_final_status_another_one_begins_a_new_attempt() {
        check_statuses(&[(1, "failed"), (2, "success")], &["failed", "success"]);
        check_statuses(&[(1, "failed"), (2, "running")], &["failed", "running"]);
        check_statuses(
            &[(1, "failed"), (2, "running"), (3, "failed")],
            &["failed", "failed"],
        );
        // Of the same time or an earlier one, `running` is old news; another end never is.
        check_statuses(&[(2, "success"), (2, "running")], &["success"]);
        check_statuses(&[(2, "success"), (1, "running")], &["success"]);
        check_statuses(&[(2, "success"), (2, "failed")], &["success", "failed"]);
        check_statuses(&[(2, "success"), (1, "failed")], &["success", "failed"]);
        // A repeat does not move the time of the end.
        check_statuses(
            &[(10, "success"), (20, "success"), (15, "running")],
            &["success", "running"],
        );
    }

    #[test]
    fn attempts_are_told_apart_by_issue_id_name_and_attempt() {
        let record = |more: &str| format!(r#"1 "pipeline.recorded","status":"success"{more}"#);
        let lines = [
            record(r#","issue":1,"pipeline_id":7"#),
            record(r#","issue":1,"pipeline_id":"7","attempt":1"#),
            record(r#","issue":2,"pipeline_id":7"#),
            record(r#","issue":1,"pipeline_id":8"#),
            record(r#","issue":1,"pipeline_id":7,"name":"ci""#),
            record(r#","issue":1,"pipeline_id":7,"attempt":2"#),
            record(r#","pipeline_id":7"#),
        ];
        let lines = lines.each_ref().map(String::as_str);
        check(
            &lines,
            &[
                ("1/pipeline_attempts", "4"),
                ("2/pipeline_attempts", "1"),
                ("final/pipeline_attempts", "6"),
                ("final/first_pass_base", "4"),
                ("final/total_issues", "2"),
            ],
        );
    }

    #[test]
    fn rates_are_of_all_attempts() {
        let record = |id: u32, status: &str| {
            format!(r#"1 "pipeline.recorded","issue":1,"pipeline_id":{id},"status":"{status}""#)
        };
        let lines = [
            record(1, "success"),
            record(2, "failed"),
            record(3, "timed_out"),
            record(4, "canceled"),
            record(5, "running"),
            record(6, "skipped"),
        ];
        let lines = lines.each_ref().map(String::as_str);
        check(
            &lines,
            &[
                ("1/succeeded_pipelines", "1"),
                ("1/failed_pipelines", "2"),
                ("1/pipeline_success_rate", "16.67"),
            ],
        );
        let note = r#"1 "note.added","issue":1,"text":"t""#;
        check(&[note], &[("1/pipeline_success_rate", "null")]);
    }

    #[test]
    fn first_pass_is_of_the_first_attempt_that_succeeded_or_failed() {
        let record = |id: &str, name: &str, status: &str| {
            format!(
                r#"1 "pipeline.recorded","issue":1,"pipeline_id":"{id}","name":"{name}","status":"{status}""#
            )
        };
        let mut lines = vec![
            record("1", "ci", "canceled"),
            record("2", "ci", "success"),
            record("3", "ci", "failed"),
            record("4", "lint", "failed"),
            record("5", "lint", "success"),
            record("6", "docs", "canceled"),
            record("7", "slow", "running"),
            record("8", "slow", "success"),
        ];
        let expected = |passed: &'static str, rate: &'static str| {
            [
                ("final/first_pass_pipelines", passed),
                ("final/first_pass_base", "3"),
                ("final/first_pass_rate", rate),
            ]
        };
        let texts: Vec<&str> = lines.iter().map(String::as_str).collect();
        check(&texts, &expected("2", "66.67"));
        // The first attempt of `slow` ends after the second did, and still is the first.
        lines.push(record("7", "slow", "failed"));
        let texts: Vec<&str> = lines.iter().map(String::as_str).collect();
        check(&texts, &expected("1", "33.33"));
    }

    #[test]
    fn the_last_that_was_stated_of_an_attempt_stands() {
        check(
            &[
                r#"1 "pipeline.recorded","issue":1,"pipeline_id":7,"status":"running","commit_sha":"a","ref":"main","name":"ci""#,
                r#"2 "pipeline.recorded","issue":1,"pipeline_id":7,"status":"failed","name":"ci","failed_jobs":["j"],"queue_ms":1500,"duration_ms":60000,"url":"u","triggered_by":"t","error_type":"e""#,
                r#"3 "pipeline.recorded","issue":1,"pipeline_id":7,"status":"failed","name":"ci","commit_sha":"b""#,
            ],
            &[(
                "1/pipeline_details",
                r#"[{"pipeline_id":"7","status":"failed","commit_sha":"b","name":"ci","ref":"main",
                    "attempt":1,"recorded_at":"2024-12-03T12:00:02.000000Z","triggered_by":"t",
                    "failed_jobs":["j"],"error_type":"e","queue_seconds":1.5,
                    "duration_seconds":60.0,"url":"u"}]"#,
            )],
        );
    }
}
