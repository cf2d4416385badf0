use crate::issue_work::{IssueKey, IssueWork};
use retally_reduce::{DETAILS_MAX, IssueReport, PipelineDetail, RunState, pipeline_success};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What one run did, as [`Insights`](crate::Insights) look at it.
#[derive(Clone, Debug, PartialEq)]
pub struct RunWork {
    /// The run.
    pub run: String,
    /// When it was started, else its first event, in microseconds since 1970; `None` without times.
    pub started_at_micros: Option<i64>,
    /// The model that it was started with.
    pub model: Option<String>,
    /// The sampling temperature, as it was written.
    pub temperature: Option<String>,
    /// What it did on each issue, sorted by issue.
    pub issues: Vec<IssueStory>,
    /// The attempts of pipelines that succeeded or failed, in log order within an issue.
    pub pipelines: Vec<PipelineTry>,
    /// The errors that name no issue, by type.
    pub errors_without_issue: BTreeMap<String, ErrorCounts>,
    /// How many entries the lists in reports left out, which are counted nowhere here.
    pub left_out: u64,
}

/// What one run did on one issue, with what comparisons have no use for.
#[derive(Clone, Debug, PartialEq)]
pub struct IssueStory {
    /// What is compared.
    pub work: IssueWork,
    /// Lines added and deleted; `None` where no change of lines is recorded.
    pub changed_lines: Option<f64>,
    /// The agents that had to rework.
    pub agents: Vec<AgentRework>,
    /// By pipeline name, whether its first attempt that succeeded or failed succeeded.
    pub first_pass: BTreeMap<Option<String>, bool>,
    /// The errors, by type.
    pub errors: BTreeMap<String, ErrorCounts>,
}

/// The rework of an agent on an issue; not both numbers are 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentRework {
    /// The agent.
    pub agent: String,
    /// Attempts at fixes.
    pub retries: u64,
    /// Debugging cycles.
    pub cycles: u64,
}

/// How often an error of one type occurred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErrorCounts {
    /// Debugging cycles and recorded errors.
    pub errors: u64,
    /// The debugging cycles among them.
    pub cycles: u64,
    /// The cycles that were resolved.
    pub resolved: u64,
}

/// An attempt of a pipeline that succeeded or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineTry {
    /// The project of its run.
    pub project: Option<Arc<str>>,
    /// The workflow's name.
    pub name: Option<String>,
    /// Its id at its CI service, and the number of the attempt: the same in each run that saw it.
    pub id: (String, u64),
    /// The commit that it ran on.
    pub commit: Option<String>,
    /// When that was recorded, in microseconds since 1970.
    pub at_micros: Option<i64>,
    /// Whether it succeeded.
    pub success: bool,
}

impl ErrorCounts {
    /// Adds to all counts.
    pub(crate) fn add(&mut self, other: Self) {
        self.errors += other.errors;
        self.cycles += other.cycles;
        self.resolved += other.resolved;
    }
}

impl RunWork {
    /// Takes what a run did out of its state.
    pub fn of(state: &RunState) -> Self {
        let metadata = state.metadata();
        let llm = metadata.llm_configuration;
        let project: Option<Arc<str>> = metadata.project_id.map(Arc::from);
        let without_issue = state.run_report();
        let left_out = |name| without_issue.omitted.get(name).copied().unwrap_or(0);
        let mut work = Self {
            run: metadata.run_id,
            started_at_micros: metadata.started_at.map(|time| time.as_micros()),
            model: llm.as_ref().and_then(|llm| llm.model.clone()),
            temperature: llm.and_then(|llm| Some(llm.temperature?.as_str().to_owned())),
            issues: Vec::new(),
            pipelines: Vec::new(),
            errors_without_issue: BTreeMap::new(),
            left_out: left_out("errors"),
        };
        const COUNTED: [&str; 3] = ["debugging_details", "pipeline_details", "errors"];
        for (issue_work, report) in IssueWork::of_run(state) {
            work.add_pipelines(&issue_work.key.project, &report.pipeline_details);
            let left_out = COUNTED.map(|list| report.omitted.get(list).copied().unwrap_or(0));
            work.left_out += left_out.iter().sum::<u64>();
            work.issues.push(IssueStory::of(issue_work, &report));
        }
        let pipelines = state.pipelines_without_issue();
        work.add_pipelines(&project, pipelines);
        let all = state.pipelines_without_issue_count();
        work.left_out += all.saturating_sub(pipelines.len() as u64);
        for error in &without_issue.errors {
            let of_type = work.errors_without_issue.entry(error.error_type.clone());
            of_type.or_default().errors += 1;
        }
        work
    }

    fn add_pipelines(&mut self, project: &Option<Arc<str>>, details: &[PipelineDetail]) {
        debug_assert!(details.len() <= DETAILS_MAX, "reports have limits");
        let tries = details.iter().filter_map(|detail| {
            Some(PipelineTry {
                project: project.clone(),
                name: detail.name.clone(),
                id: (detail.pipeline_id.clone(), detail.attempt),
                commit: detail.commit_sha.clone(),
                at_micros: detail.recorded_at.map(|time| time.as_micros()),
                success: pipeline_success(&detail.status)?,
            })
        });
        self.pipelines.extend(tries);
    }
}

impl IssueStory {
    fn of(work: IssueWork, report: &IssueReport) -> Self {
        let mut agents: Vec<AgentRework> = Vec::new();
        let mut errors: BTreeMap<String, ErrorCounts> = BTreeMap::new();
        for (agent, metrics) in &report.agent_metrics {
            let own = report.debugging_details.iter();
            let cycles = own.filter(|cycle| cycle.agent == *agent).count() as u64;
            if metrics.retries > 0 || cycles > 0 {
                agents.push(AgentRework {
                    agent: agent.clone(),
                    retries: metrics.retries,
                    cycles,
                });
            }
        }
        for cycle in &report.debugging_details {
            let of_type = errors.entry(cycle.error_type.clone()).or_default();
            of_type.add(ErrorCounts {
                errors: 1,
                cycles: 1,
                resolved: u64::from(cycle.resolved),
            });
        }
        for error in &report.errors {
            errors.entry(error.error_type.clone()).or_default().errors += 1;
        }
        let mut first_pass = BTreeMap::new();
        for detail in &report.pipeline_details {
            if let Some(success) = pipeline_success(&detail.status) {
                first_pass.entry(detail.name.clone()).or_insert(success);
            }
        }
        let code = &report.code;
        let lines = code.lines_added.saturating_add(code.lines_deleted);
        Self {
            work,
            changed_lines: (lines > 0).then_some(lines as f64),
            agents,
            first_pass,
            errors,
        }
    }

    /// Returns the issue.
    pub fn key(&self) -> &IssueKey {
        &self.work.key
    }
}
