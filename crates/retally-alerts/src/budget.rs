//! What costs more than it may.

use crate::alert::{Alert, Evidence, RuleName, Spot, quoted, said};
use crate::fact::Origin;
use crate::rules::BudgetRule;
use retally_log::short_hash;

/// Returns a cost and its budget in USD, where there is one and it is exceeded.
pub(crate) fn exceeds(nanos: u128, budget: Option<f64>) -> Option<(f64, f64)> {
    let usd = nanos as f64 / 1e9;
    let budget = budget.filter(|budget| usd > *budget)?;
    Some((usd, budget))
}

/// Returns that a run, or an issue of it, cost more than it may.
pub(crate) fn over_budget(
    origin: &Origin,
    spot: &Spot,
    id: Option<&str>,
    usd: f64,
    budget: f64,
    rule: &BudgetRule,
) -> Alert {
    let (what, key) = match id {
        Some(id) => (
            format!("issue {}", quoted(id)),
            format!("issue:{}", short_hash(id)),
        ),
        None => ("the run".to_owned(), "run".to_owned()),
    };
    let mut alert = origin.alert_at(RuleName::Budget, rule.severity, spot, &key);
    alert.issue = id.map(str::to_owned);
    let (cost, limit) = (said(usd), said(budget));
    alert.text = format!("{what} cost {cost} USD so far, and may cost {limit} USD");
    alert.evidence = Evidence::default()
        .figure("cost_usd", usd)
        .figure("budget_usd", budget);
    alert
}
