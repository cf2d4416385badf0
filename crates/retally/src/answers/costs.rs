use super::{NOT_ENOUGH, Question};
use crate::answer::{Answer, Names, ROWS_MAX, count_tries};
use crate::comparison_json::{in_unit, rounded};
use crate::sheet::Sheet;
use crate::verdict::{number, percent};
use retally_stats::{COSTS_MIN, CostOutliers, Counts, Insights};
use serde_json::json;

pub(super) fn outliers(insights: &Insights, names: Names) -> Answer {
    let costs = &insights.costs;
    let mut sheet = Sheet::new()
        .name("issue", "Issue")
        .name("run", "Run")
        .whole()
        .name("model", "Model")
        .minor()
        .number("cost_usd", "USD")
        .number("times_median", "× median")
        .number("z", "z")
        .name("project", "Project")
        .minor();
    for it in costs.outliers.iter().take(ROWS_MAX) {
        sheet.push(vec![
            json!(&*it.issue.issue),
            json!(it.run),
            json!(it.model),
            in_unit("cost_usd", false, it.cost),
            rounded(it.cost / it.median, 1),
            rounded(it.z, 1),
            json!(it.issue.project.as_deref()),
        ]);
    }
    Answer {
        key: Question::CostOutliers,
        question: "Which issues cost far more than is usual?",
        text: text(costs, insights.counts, names),
        is_enough: costs.judged > 0,
        sheet,
        more_rows: costs.outliers.len().saturating_sub(ROWS_MAX),
    }
}

fn text(costs: &CostOutliers, counts: Counts, names: Names) -> String {
    let mut beside = String::new();
    if costs.without_cost > 0 {
        let without = count_tries(costs.without_cost, counts);
        beside += &format!(" Of {without} the cost is not known.");
    }
    if costs.without_model > 0 {
        let without = count_tries(costs.without_model, counts);
        beside += &format!(" {without} of runs that state no model cannot be judged.");
    }
    if costs.free > 0 {
        beside += &format!(" {} cost nothing.", count_tries(costs.free, counts));
    }
    if costs.judged == 0 {
        return format!(
            "{NOT_ENOUGH}: no model has {COSTS_MIN} tries at issues that ended with a known cost; the most \
             is {}.{beside}",
            costs.most_of_rare_models
        );
    }
    if costs.of_rare_models > 0 {
        let rare = count_tries(costs.of_rare_models, counts);
        beside += &format!(" {rare} of models with fewer than {COSTS_MIN} cannot be judged.");
    }
    let judged = count_tries(costs.judged, counts);
    let Some(first) = costs.outliers.first() else {
        return format!("None of {judged} costs far more than others with the same model.{beside}");
    };
    let cost: f64 = costs.outliers.iter().map(|it| it.cost).sum();
    let share = percent(cost / costs.judged_cost);
    let few = match costs.outliers.len() {
        1 => format!("1 of {judged} costs"),
        several => format!("{several} of {judged} cost"),
    };
    format!(
        "{few} far more than others with the same model: {share} % of what all these cost. The \
         dearest is {}, {} USD and {} times the median.{beside}",
        names.show(&first.issue.issue),
        number(first.cost),
        number(first.cost / first.median)
    )
}
