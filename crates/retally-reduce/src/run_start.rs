//! What a run was started with.

use crate::report_json::optional_number;
use retally_log::{IssueId, Llm, Number, Object, RunStarted};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::BTreeMap;

/// The language model that a run is configured with. What was not stated is `None`, printed as
/// `null`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LlmConfiguration {
    /// Who serves it, such as `deepseek`.
    pub provider: Option<String>,
    /// Its name at the provider, such as `deepseek-chat`.
    pub model: Option<String>,
    /// The sampling temperature, as it was written.
    pub temperature: Option<Number<'static>>,
    /// All other members, printed behind the three, sorted by name.
    pub other: Object,
}

impl LlmConfiguration {
    pub(crate) fn new(llm: &Llm<'_>) -> Self {
        Self {
            provider: llm.provider.clone().map(String::from),
            model: llm.model.clone().map(String::from),
            temperature: llm.temperature.clone().map(Number::into_owned),
            other: llm.other.clone(),
        }
    }
}

impl Serialize for LlmConfiguration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Temperature<'a>(&'a Option<Number<'static>>);
        impl Serialize for Temperature<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                optional_number(self.0, serializer)
            }
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("provider", &self.provider)?;
        map.serialize_entry("model", &self.model)?;
        map.serialize_entry("temperature", &Temperature(&self.temperature))?;
        for (key, value) in &self.other {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// The payload of the `run.started` that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunStart {
    pub(crate) project_id: String,
    pub(crate) llm: Option<LlmConfiguration>,
    pub(crate) mode: Option<String>,
    pub(crate) specific_issue: Option<IssueId<'static>>,
    pub(crate) config: Object,
    pub(crate) tags: BTreeMap<String, String>,
}

impl RunStart {
    pub(crate) fn new(event: &RunStarted<'_>) -> Self {
        let tags = event.tags.iter().flatten();
        Self {
            project_id: event.project_id.as_str().to_owned(),
            llm: event.llm.as_ref().map(LlmConfiguration::new),
            mode: event.mode.clone().map(String::from),
            specific_issue: event.specific_issue.clone().map(IssueId::into_owned),
            config: event.config.clone().unwrap_or_default(),
            tags: tags
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
        }
    }
}
