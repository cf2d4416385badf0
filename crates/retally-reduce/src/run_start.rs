//! What a run was started with.

use retally_log::{IssueId, Llm, Number, Object, RunStarted};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Deserializer, Serialize};
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

/// Prints the other members as members of its own; where the form is binary, one by one.
impl Serialize for LlmConfiguration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            provider,
            model,
            temperature,
            other,
        } = self;
        if !serializer.is_human_readable() {
            return (provider, model, temperature, other).serialize(serializer);
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("provider", provider)?;
        map.serialize_entry("model", model)?;
        map.serialize_entry("temperature", temperature)?;
        for (key, value) in other {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// Read in its binary form.
impl<'de> Deserialize<'de> for LlmConfiguration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (provider, model, temperature, other) = Deserialize::deserialize(deserializer)?;
        Ok(Self {
            provider,
            model,
            temperature,
            other,
        })
    }
}

/// The payload of the `run.started` that counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
