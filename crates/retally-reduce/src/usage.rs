//! What was called, and what that used up.

use crate::moment::Moment;
use crate::named::Named;
use crate::price_book::PriceBook;
use crate::quantity::{Seconds, Usd};
use retally_log::{Event, LlmCalled, ToolCalled};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The numbers of one tool in one issue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolMetrics {
    /// How often it was called.
    pub calls: u128,
    /// The calls that were said to succeed.
    pub successes: u128,
    /// The calls that were said not to.
    pub failures: u128,
    /// The sum of the durations that were stated; `None` where none was.
    pub duration_seconds: Option<Seconds>,
}

/// Sums over model and tool calls that only ever grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UsageSums {
    pub(crate) llm_calls: u128,
    pub(crate) tool_calls: u128,
    pub(crate) input_tokens: Sum,
    pub(crate) output_tokens: Sum,
    pub(crate) cache_read_tokens: Sum,
    pub(crate) cache_write_tokens: Sum,
    pub(crate) reasoning_tokens: Sum,
    pub(crate) cost_nanos: Sum,
    /// The calls whose cost is not known.
    pub(crate) calls_without_cost: u128,
}

/// A sum that tells 0 from nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sum(Option<u128>);

impl Sum {
    /// Returns the sum, or `None` where no amount was stated.
    pub(crate) fn get(self) -> Option<u128> {
        self.0
    }

    fn add(&mut self, amount: Option<u128>) {
        if let Some(amount) = amount {
            self.0 = Some(self.0.unwrap_or(0).saturating_add(amount));
        }
    }
}

/// What one event used up.
#[derive(Clone, Copy)]
pub(crate) enum Used<'e, 'l> {
    ToolCalls(u64),
    /// A call of a model, and its cost in nano-dollars where that is known.
    LlmCall(&'e LlmCalled<'l>, Option<u128>),
}

impl<'e, 'l> Used<'e, 'l> {
    /// Returns what an event used up, or `None` where it is no call; `time` is `None` where it is
    /// not known.
    pub(crate) fn by(time: Moment, event: &'e Event<'l>, prices: &PriceBook) -> Option<Self> {
        match event {
            Event::LlmCalled(call) => {
                let cost = prices.cost_of(time, call).map(Usd::as_nanos);
                Some(Self::LlmCall(call, cost))
            }
            Event::ToolCalled(call) => Some(Self::ToolCalls(call.calls.unwrap_or(1))),
            _ => None,
        }
    }
}

impl UsageSums {
    /// Adds what an event used up.
    pub(crate) fn add(&mut self, used: Used<'_, '_>) {
        let add = |sum: &mut u128, calls: u64| *sum = sum.saturating_add(calls.into());
        let (call, cost) = match used {
            Used::ToolCalls(calls) => return add(&mut self.tool_calls, calls),
            Used::LlmCall(call, cost) => (call, cost),
        };
        let calls = call.calls.unwrap_or(1);
        add(&mut self.llm_calls, calls);
        for (sum, amount) in [
            (&mut self.input_tokens, call.input_tokens),
            (&mut self.output_tokens, call.output_tokens),
            (&mut self.cache_read_tokens, call.cache_read_tokens),
            (&mut self.cache_write_tokens, call.cache_write_tokens),
            (&mut self.reasoning_tokens, call.reasoning_tokens),
        ] {
            sum.add(amount.map(u128::from));
        }
        self.cost_nanos.add(cost);
        if cost.is_none() {
            add(&mut self.calls_without_cost, calls);
        }
    }

    /// Returns the known cost, or `None` where none is known.
    pub(crate) fn cost(&self) -> Option<Usd> {
        self.cost_nanos.get().map(Usd::from_nanos)
    }
}

/// The tools that were called, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tools(Named<ToolMetrics>);

impl Tools {
    /// Takes in a call.
    pub(crate) fn call(&mut self, event: &ToolCalled<'_>) {
        let tool = self.0.get_or_insert_with(&event.tool, ToolMetrics::default);
        let calls = u128::from(event.calls.unwrap_or(1));
        tool.calls = tool.calls.saturating_add(calls);
        match event.success {
            Some(true) => tool.successes = tool.successes.saturating_add(calls),
            Some(false) => tool.failures = tool.failures.saturating_add(calls),
            None => {}
        }
        if let Some(millis) = event.duration_ms {
            let sum = tool.duration_seconds.unwrap_or_default().as_micros();
            let micros = u128::from(millis) * 1000;
            tool.duration_seconds = Some(Seconds::from_micros(sum.saturating_add(micros)));
        }
    }

    /// Returns the numbers by the tool's name.
    pub(crate) fn metrics(&self) -> BTreeMap<String, ToolMetrics> {
        let tools = self.0.iter();
        tools
            .map(|(name, tool)| (name.clone(), tool.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::test_helpers::check;

    #[test]
    fn a_recorded_cost_comes_before_a_price_and_unknown_is_not_0() {
        let recorded =
            r#"1 "llm.called","issue":1,"model":"m","input_tokens":1000000,"cost_usd":0.5"#;
        let priced = r#"1 "llm.called","issue":1,"model":"m","input_tokens":1000000"#;
        let unknown = r#"1 "llm.called","issue":1,"model":"x","input_tokens":5,"calls":3"#;
        let untimed = r#"1 none "llm.called","issue":1,"model":"m","input_tokens":5"#;
        let untimed_recorded = r#"1 none "llm.called","issue":1,"model":"x","cost_usd":2"#;
        for (line, cost, without) in [
            (recorded, "0.5", "0"),
            (priced, "1.0", "0"),
            (unknown, "null", "3"),
            (untimed, "null", "1"),
            (untimed_recorded, "2.0", "0"),
        ] {
            let expected = [
                ("1/cost_usd", cost),
                ("1/calls_without_cost", without),
                ("final/cost_usd", cost),
                ("metadata/calls_without_cost", without),
            ];
            check(&[line], &expected);
        }
        check(
            &[recorded, priced, unknown],
            &[
                ("1/llm_calls", "5"),
                ("1/cost_usd", "1.5"),
                ("1/calls_without_cost", "3"),
            ],
        );
    }

    #[test]
    fn token_sums_are_null_where_no_call_states_them() {
        check(
            &[
                r#"1 "llm.called","issue":1,"model":"m","input_tokens":3,"cache_read_tokens":0"#,
                r#"2 "llm.called","issue":1,"model":"m","input_tokens":4,"reasoning_tokens":2"#,
                r#"3 "llm.called","model":"m","output_tokens":9"#,
            ],
            &[
                ("1/input_tokens", "7"),
                ("1/output_tokens", "null"),
                ("1/cache_read_tokens", "0"),
                ("1/cache_write_tokens", "null"),
                ("1/reasoning_tokens", "2"),
                ("final/input_tokens", "7"),
                ("final/output_tokens", "9"),
                ("final/llm_calls", "3"),
                ("final/cache_write_tokens", "null"),
            ],
        );
    }

    #[test]
    fn sums_of_the_largest_counts_stay_exact() {
        let call = r#"1 "llm.called","issue":1,"model":"x","input_tokens":9007199254740991"#;
        check(
            &[call; 3000],
            &[("final/input_tokens", "27021597764222973000")],
        );
    }

    #[test]
    fn tools_are_counted_by_name() {
        check(
            &[
                r#"1 "tool.called","issue":1,"tool":"bash","success":true,"duration_ms":1500"#,
                r#"2 "tool.called","issue":1,"tool":"bash","success":false,"calls":2"#,
                r#"3 "tool.called","issue":1,"tool":"bash","duration_ms":1"#,
                r#"4 "tool.called","issue":1,"tool":"a""#,
                r#"5 "tool.called","tool":"a""#,
            ],
            &[
                (
                    "1/tools",
                    r#"{"a":{"calls":1,"successes":0,"failures":0,"duration_seconds":null},
                        "bash":{"calls":4,"successes":1,"failures":2,"duration_seconds":1.501}}"#,
                ),
                ("1/tool_calls", "5"),
                ("final/tool_calls", "6"),
            ],
        );
    }
}
