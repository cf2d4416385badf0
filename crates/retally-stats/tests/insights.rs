//! What insights say of runs that are made up: what is plainly so, what too few runs cannot tell,
//! and how often chance alone is called a finding.
#![expect(clippy::print_stdout, reason = "docs/statistics.md quotes it")]

use retally_reduce::IssueOutcome;
use retally_stats::{
    AgentRework, Bootstrap, Confidence, ErrorCounts, Insights, IssueKey, IssueStory, IssueWork,
    PipelineTry, RunWork,
};
use std::collections::BTreeMap;
use std::sync::Arc;

const BOOTSTRAP: Bootstrap = Bootstrap {
    confidence: Confidence::USUAL,
    seed: 1,
};

fn insights(runs: &[RunWork]) -> Insights {
    Insights::of(runs, BOOTSTRAP)
}

fn story(issue: usize, is_completed: bool) -> IssueStory {
    let outcome = match is_completed {
        true => IssueOutcome::Completed,
        false => IssueOutcome::Failed,
    };
    let work = IssueWork {
        key: IssueKey {
            project: None,
            issue: Arc::from(issue.to_string()),
        },
        outcome,
        success: Some(is_completed),
        first_pass: None,
        retries: 0,
        cycles: (0, 0),
        errors: Some(0),
        seconds: None,
        seconds_to_green: None,
        seconds_to_resolution: Vec::new(),
        input_tokens: None,
        output_tokens: None,
        cost: None,
        lacks_cost: false,
    };
    IssueStory {
        work,
        changed_lines: None,
        agents: Vec::new(),
        first_pass: BTreeMap::new(),
        errors: BTreeMap::new(),
    }
}

fn run(name: &str, model: &str, issues: Vec<IssueStory>) -> RunWork {
    RunWork {
        run: name.to_owned(),
        started_at_micros: None,
        model: Some(model.to_owned()),
        temperature: None,
        issues,
        pipelines: Vec::new(),
        errors_without_issue: BTreeMap::new(),
        left_out: 0,
    }
}

/// Returns an issue on which agents had so many retries.
fn reworked(issue: usize, retries: &[(&str, u64)]) -> IssueStory {
    let agents = retries.iter().map(|(agent, retries)| AgentRework {
        agent: (*agent).to_owned(),
        retries: *retries,
        cycles: 1,
    });
    let mut story = story(issue, true);
    story.agents = agents.collect();
    story.work.retries = retries.iter().map(|(_, retries)| retries).sum();
    story
}

#[test]
fn of_no_runs_nothing_is_told() {
    let found = insights(&[]);
    assert!(found.models.groups.is_empty() && !found.models.is_settled());
    assert_eq!(found.temperatures.model, None);
    assert!(found.first_pass.value.is_none() && found.first_pass_by_name.is_empty());
    assert!(found.cycles.iter().all(|figure| figure.base == 0));
    assert!(found.rework.agents.is_empty() && !found.rework.is_settled());
    assert!(found.difficulty.iter().all(|it| it.found.is_none()));
    assert!(found.costs.outliers.is_empty() && found.errors.types.is_empty());
    assert!(found.flaky.pipelines.is_empty());
    assert!(found.trends.iter().all(|it| it.found.is_none()));
}

#[test]
fn a_model_is_best_only_where_it_beats_each_other_one() {
    let of = |name: &str, completed: usize| {
        let issues = (0..40).map(|at| story(name.len() * 100 + at, at < completed));
        run(name, name, issues.collect())
    };
    let found = insights(&[of("bad", 10), of("best!", 38)]).models;
    assert_eq!(found.groups[0].name, "best!");
    assert!(found.is_settled() && found.tests == 1);
    let found = insights(&[of("bad", 10), of("best!", 38), of("good", 37)]).models;
    assert_eq!((found.is_settled(), found.tests), (false, 3));
    let rivals: Vec<&str> = found.rivals().map(|group| &*group.name).collect();
    assert_eq!(rivals, ["good"]);
    // One issue that succeeded makes no best model.
    let lucky = run("lucky", "lucky", vec![story(1, true)]);
    let found = insights(&[of("bad", 10), lucky]).models;
    assert_eq!((found.groups[0].name.as_str(), found.ranked), ("bad", 1));
    assert!(!found.is_settled());
}

#[test]
fn temperatures_are_compared_within_the_model_of_most_tries() {
    let of = |name: &str, model: &str, temperature: &str, issues: usize| RunWork {
        temperature: Some(temperature.to_owned()),
        ..run(name, model, (0..issues).map(|at| story(at, true)).collect())
    };
    let one = [of("a", "m", "0.0", 9), of("b", "m", "0.0", 9)];
    assert_eq!(insights(&one).temperatures.model, None);
    let runs = [
        of("a", "m", "0.0", 9),
        of("b", "m", "0.7", 9),
        of("c", "n", "0.0", 3),
        of("d", "n", "1.0", 3),
    ];
    let found = insights(&runs).temperatures;
    assert_eq!(found.model.as_deref(), Some("m"));
    let names: Vec<&str> = found.ranking.groups.iter().map(|it| &*it.name).collect();
    assert_eq!(names, ["0.0", "0.7"]);
}

#[test]
fn the_agent_of_most_rework_is_told_with_its_share_of_all() {
    let issues = |second: u64| -> Vec<IssueStory> {
        let of = |at: u64| reworked(at as usize, &[("testing", 3 + at % 2), ("coding", second)]);
        (0..12).map(of).collect()
    };
    let found = insights(&[run("a", "m", issues(1))]).rework;
    assert_eq!(
        (found.retries, found.issues, found.is_settled()),
        (54, 12, true)
    );
    let first = &found.agents[0];
    assert_eq!(
        (first.agent.as_str(), first.retries, first.cycles),
        ("testing", 42, 12)
    );
    assert_eq!(first.share, Some(42.0 / 54.0));
    assert!(first.interval.is_some_and(|it| it.contains(42.0 / 54.0)));
    // Where all issues are alike there is no interval; their number is evidence all the same.
    assert!(insights(&[run("a", "m", issues(0))]).rework.is_settled());
    assert!(
        !insights(&[run("a", "m", issues(0)[..3].to_vec())])
            .rework
            .is_settled()
    );
    let even = |at: usize| match at % 2 {
        0 => reworked(at, &[("testing", 4), ("coding", 1)]),
        _ => reworked(at, &[("testing", 1), ("coding", 3)]),
    };
    let found = insights(&[run("a", "m", (0..12).map(even).collect())]).rework;
    assert!(!found.is_settled(), "30 to 24 may be chance");
}

#[test]
fn the_first_of_many_is_the_first_of_all_and_not_of_its_neighbour_alone() {
    let one = |at: usize| match at {
        0 => reworked(at, &[("first", 2), ("second", 1), ("third", 19)]),
        _ => reworked(at, &[("first", 2), ("second", 1)]),
    };
    let found = insights(&[run("a", "m", (0..20).map(one).collect())]).rework;
    let agents: Vec<&str> = found.agents.iter().map(|it| &*it.agent).collect();
    assert_eq!(agents, ["first", "second", "third"]);
    assert_eq!(found.rival, Some(2), "its retries are all on one issue");
}

#[test]
fn what_means_and_ranks_say_against_each_other_is_no_evidence() {
    // One issue is completed sixty times, and thirty others never.
    let mut stories = vec![story(1, true); 60];
    stories.extend((2..32).map(|issue| story(issue, false)));
    let other = (101..131)
        .map(|issue| story(issue, issue % 5 < 3))
        .collect();
    let found = insights(&[run("a", "rerun", stories), run("b", "plain", other)]).models;
    assert_eq!(found.groups[0].name, "rerun");
    assert!(!found.is_settled());
    let contrast = found.groups[1].first_against.expect("they are compared");
    assert!(contrast.is_contradictory && contrast.p == 1.0);
}

fn attempt(name: &str, commit: &str, at_micros: Option<i64>, success: bool) -> PipelineTry {
    PipelineTry {
        project: None,
        name: Some(name.to_owned()),
        id: (format!("{name} {commit} {at_micros:?}"), 1),
        commit: Some(commit.to_owned()),
        at_micros,
        success,
    }
}

#[test]
fn a_pipeline_is_flaky_on_a_commit_where_it_failed_and_succeeded_later() {
    let mut one = run("a", "m", Vec::new());
    one.pipelines = vec![
        attempt("ci", "c1", Some(1), false),
        attempt("ci", "c1", Some(3), true),
        attempt("ci", "c2", Some(1), true),
        attempt("ci", "c2", Some(2), false),
        attempt("ci", "c3", Some(2), true),
        attempt("ci", "c3", Some(1), false),
        attempt("ci", "c4", Some(1), false),
        attempt("ci", "c4", Some(2), false),
        attempt("lint", "c1", Some(1), false),
        attempt("lint", "c2", None, true),
        PipelineTry {
            commit: None,
            ..attempt("lint", "", None, true)
        },
    ];
    let mut other = run("b", "m", Vec::new());
    other.pipelines = vec![
        attempt("lint", "c1", Some(2), true),
        // Seen by both runs, which is no other try.
        attempt("ci", "c1", Some(1), false),
        attempt("lint", "c2", None, true),
    ];
    let found = insights(&[one, other]).flaky;
    assert_eq!(found.without_commit, 1);
    let counts = |at: usize| {
        let it: &retally_stats::Flakiness = &found.pipelines[at];
        (it.name.as_deref(), it.flaky, it.tried_again, it.commits)
    };
    assert_eq!(counts(0), (Some("ci"), 2, 3, 4));
    assert_eq!(counts(1), (Some("lint"), 1, 1, 2));
}

#[test]
fn errors_count_by_type_and_not_by_issue() {
    let with = |issue, errors: &[(&str, u64)]| {
        let counts = errors.iter().map(|(name, errors)| {
            let counts = ErrorCounts {
                errors: *errors,
                cycles: *errors,
                resolved: 1,
            };
            ((*name).to_owned(), counts)
        });
        IssueStory {
            errors: counts.collect(),
            ..story(issue, true)
        }
    };
    let issues = vec![
        with(1, &[("build", 2), ("test", 1)]),
        with(2, &[("test", 4)]),
    ];
    let mut one = run("a", "m", issues.clone());
    let outage = ErrorCounts {
        errors: 1,
        ..ErrorCounts::default()
    };
    one.errors_without_issue.insert("outage".to_owned(), outage);
    let found = insights(&[one, run("b", "m", issues)]).errors;
    assert_eq!((found.errors, found.all_types, found.clusters), (15, 3, 3));
    let first = &found.types[0];
    assert_eq!((first.error_type.as_str(), first.issues), ("test", 2));
    assert_eq!((first.counts.errors, first.counts.resolved), (10, 4));
    assert_eq!(first.share.map(|it| it.value), Some(10.0 / 15.0));
    assert_eq!(
        (found.types[2].issues, found.types[2].counts.cycles),
        (0, 0)
    );
}

/// Returns a run of one issue each, that bear these costs.
fn costing(model: &str, costs: &[f64]) -> RunWork {
    let of = |(at, cost): (usize, &f64)| {
        let mut story = story(at, true);
        story.work.cost = Some(*cost);
        story
    };
    run("a", model, costs.iter().enumerate().map(of).collect())
}

#[test]
fn a_cost_is_unusual_only_among_those_of_its_model() {
    let cheap: Vec<f64> = (0..30).map(|at| 0.1 + f64::from(at % 5) / 100.0).collect();
    let dear: Vec<f64> = cheap.iter().map(|cost| cost * 50.0).collect();
    let both = [costing("cheap", &cheap), costing("dear", &dear[..20])];
    assert_eq!(insights(&both).costs.outliers, []);
    let found = insights(&[costing("cheap", &[&cheap[..], &[2.0, 1e-6, 0.0]].concat())]).costs;
    let outliers: Vec<f64> = found.outliers.iter().map(|it| it.cost).collect();
    assert_eq!((outliers, found.judged), (vec![2.0], 32));
    let found = insights(&[costing("cheap", &cheap), costing("dear", &dear[..19])]).costs;
    assert_eq!((found.judged, found.of_rare_models), (30, 19));
}

#[test]
fn trends_follow_the_start_of_runs_and_count_each_once() {
    let at = |place: i64, is_completed: bool, issues: usize| RunWork {
        started_at_micros: Some(place),
        ..run(
            "r",
            "m",
            (0..issues).map(|at| story(at, is_completed)).collect(),
        )
    };
    let runs: Vec<RunWork> = (0..12).map(|place| at(place, place >= 6, 3)).collect();
    let found = insights(&runs).trends[0];
    assert_eq!(
        (found.runs, found.earlier, found.later),
        (12, Some(0.0), Some(1.0))
    );
    assert!(found.holm_p.is_some_and(|p| p < 0.01));
    assert!(found.found.is_some_and(|it| it.rho > 0.8));
    let few = insights(&runs[3..10]).trends[0];
    assert_eq!((few.runs, few.found), (7, None));
    assert!(few.earlier.is_some());
}

#[test]
fn retries_go_with_the_size_of_issues_where_they_do() {
    let sized = |at: usize| {
        let mut story = reworked(at, &[("testing", (at / 3) as u64)]);
        story.changed_lines = Some(10.0 * at as f64 + 1.0);
        story.work.seconds = Some(60.0 + 30.0 * (at % 2) as f64);
        story
    };
    let found = insights(&[run("a", "m", (0..30).map(sized).collect())]).difficulty;
    assert!(found[0].found.is_some_and(|it| it.rho > 0.9));
    assert!(found[0].holm_p.is_some_and(|p| p < 0.001));
    assert!(found[1].holm_p.is_some_and(|p| p > 0.05));
    let found = insights(&[run("a", "m", (0..9).map(sized).collect())]).difficulty;
    assert_eq!((found[0].issues, found[0].found), (9, None));
}

/// A generator of its own, so that the one under test is not its own judge.
struct Chance(u64);

impl Chance {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// Returns how often something is found in made-up runs in which there is nothing to find.
fn false_alarms(of: &str, rounds: usize, mut is_found: impl FnMut(&mut Chance) -> bool) -> f64 {
    let mut chance = Chance(0x2545_f491_4f6c_dd1d);
    let found = (0..rounds).filter(|_| is_found(&mut chance)).count();
    let share = found as f64 / rounds as f64;
    println!("{of}: {found} of {rounds} found");
    share
}

/// Three standard errors of a share of 5 % that is counted over so many rounds.
fn bound(rounds: usize) -> f64 {
    0.05 + 3.0 * (0.95 * 0.05 / rounds as f64).sqrt()
}

#[test]
fn chance_alone_seldom_makes_a_best_model() {
    for models in [2, 5] {
        let share = false_alarms(&format!("best of {models} equal models"), 400, |chance| {
            let of = |model: usize| {
                let one = |at| story(model * 100 + at, chance.uniform() < 0.6);
                let name = model.to_string();
                run(&name, &name, (0..30).map(one).collect())
            };
            insights(&(0..models).map(of).collect::<Vec<_>>())
                .models
                .is_settled()
        });
        assert!(share <= bound(400), "{models} models: {share}");
    }
}

#[test]
fn chance_alone_seldom_makes_an_agent_of_most_rework() {
    for agents in [2, 4] {
        let share = false_alarms(&format!("worst of {agents} equal agents"), 400, |chance| {
            let mut one = |at| {
                let names = &["a", "b", "c", "d"][..agents];
                let mut of = |name: &&'static str| (*name, (chance.uniform() * 4.0) as u64);
                reworked(at, &names.iter().map(&mut of).collect::<Vec<_>>())
            };
            let issues = (0..30).map(&mut one).collect();
            insights(&[run("a", "m", issues)]).rework.is_settled()
        });
        assert!(share <= bound(400), "{agents} agents: {share}");
    }
}

#[test]
fn chance_alone_seldom_makes_a_trend_or_a_difficulty() {
    let share = false_alarms("any of two trends over 12 runs", 400, |chance| {
        let mut of = |place: i64| {
            let mut one = |at| {
                let mut story = story(at, chance.uniform() < 0.6);
                story.work.seconds = Some(chance.normal().exp());
                story
            };
            let issues = (0..10).map(&mut one).collect();
            RunWork {
                started_at_micros: Some(place),
                ..run("r", "m", issues)
            }
        };
        let trends = insights(&(0..12).map(&mut of).collect::<Vec<_>>()).trends;
        trends.iter().any(|it| it.holm_p.is_some_and(|p| p <= 0.05))
    });
    assert!(share <= bound(400), "{share}");
    let share = false_alarms("any of two correlations of 20 issues", 400, |chance| {
        let mut one = |at| {
            let mut story = reworked(at, &[("a", (chance.uniform() * 4.0) as u64)]);
            story.changed_lines = Some(chance.normal().exp());
            story.work.seconds = Some(chance.normal().exp());
            story
        };
        let runs = [run("a", "m", (0..20).map(&mut one).collect())];
        let found = insights(&runs).difficulty;
        found.iter().any(|it| it.holm_p.is_some_and(|p| p <= 0.05))
    });
    assert!(share <= bound(400), "{share}");
}

#[test]
fn few_costs_that_are_nothing_special_are_outliers() {
    for (issues, share_max) in [(20, 0.006), (100, 0.001)] {
        let (mut chance, mut found) = (Chance(0x2545_f491_4f6c_dd1d), 0);
        let rounds = 40_000 / issues;
        for _ in 0..rounds {
            let costs: Vec<f64> = (0..issues).map(|_| (0.6 * chance.normal()).exp()).collect();
            found += insights(&[costing("m", &costs)]).costs.outliers.len();
        }
        let share = found as f64 / (rounds * issues) as f64;
        println!(
            "log-normal costs of {issues} issues: {found} of {} told",
            rounds * issues
        );
        assert!(share <= share_max, "{share} of {issues}");
    }
}
