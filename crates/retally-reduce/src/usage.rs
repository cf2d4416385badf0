//! What was called, and what that used up.

use crate::moment::Moment;
use crate::price_book::PriceBook;
use crate::quantity::{Seconds, Usd};
use retally_log::{Event, LlmCalled, ToolCalled};
use serde::Serialize;
use std::collections::BTreeMap;

/// The numbers of one tool in one issue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum(Option<u128>);

impl Sum {
    /// Returns the sum, or `None` where no amount was stated.
    pub(crate) fn get(self) -> Option<u128> {
        self.0
    }

    fn add(&mut self, other: Self) {
        if let Some(amount) = other.0 {
            self.0 = Some(self.0.unwrap_or(0).saturating_add(amount));
        }
    }
}

impl From<Option<u64>> for Sum {
    fn from(amount: Option<u64>) -> Self {
        Self(amount.map(u128::from))
    }
}

impl UsageSums {
    /// Returns what one event uses up; `time` is `None` where it is not known.
    pub(crate) fn of(time: Moment, event: &Event<'_>, prices: &PriceBook) -> Self {
        match event {
            Event::LlmCalled(event) => Self::of_llm_call(time, event, prices),
            Event::ToolCalled(event) => Self {
                tool_calls: event.calls.unwrap_or(1).into(),
                ..Self::default()
            },
            _ => Self::default(),
        }
    }

    /// A price holds for a time, so a call without one is priced only by what it recorded.
    fn of_llm_call(time: Moment, event: &LlmCalled<'_>, prices: &PriceBook) -> Self {
        let calls = u128::from(event.calls.unwrap_or(1));
        let recorded = event.cost_usd.map(|usd| usd.as_nanos().into());
        let cost = recorded.or_else(|| prices.cost(time?, event).map(Usd::as_nanos));
        Self {
            llm_calls: calls,
            tool_calls: 0,
            input_tokens: event.input_tokens.into(),
            output_tokens: event.output_tokens.into(),
            cache_read_tokens: event.cache_read_tokens.into(),
            cache_write_tokens: event.cache_write_tokens.into(),
            reasoning_tokens: event.reasoning_tokens.into(),
            cost_nanos: Sum(cost),
            calls_without_cost: if cost.is_none() { calls } else { 0 },
        }
    }

    /// Adds what an event, or many, used up.
    pub(crate) fn add(&mut self, other: &Self) {
        self.llm_calls = self.llm_calls.saturating_add(other.llm_calls);
        self.tool_calls = self.tool_calls.saturating_add(other.tool_calls);
        self.input_tokens.add(other.input_tokens);
        self.output_tokens.add(other.output_tokens);
        self.cache_read_tokens.add(other.cache_read_tokens);
        self.cache_write_tokens.add(other.cache_write_tokens);
        self.reasoning_tokens.add(other.reasoning_tokens);
        self.cost_nanos.add(other.cost_nanos);
        self.calls_without_cost = self
            .calls_without_cost
            .saturating_add(other.calls_without_cost);
    }

    /// Returns the known cost, or `None` where none is known.
    pub(crate) fn cost(&self) -> Option<Usd> {
        self.cost_nanos.get().map(Usd::from_nanos)
    }
}

/// The tools that were called, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tools(BTreeMap<String, ToolMetrics>);

impl Tools {
    /// Takes in a call.
    pub(crate) fn call(&mut self, event: &ToolCalled<'_>) {
        let tool = match self.0.get_mut(&*event.tool) {
            Some(tool) => tool,
            None => self.0.entry(event.tool.clone().into_owned()).or_default(),
        };
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
    pub(crate) fn metrics(&self) -> &BTreeMap<String, ToolMetrics> {
        &self.0
    }
}
