use crate::cli::Start;
use crate::exit::{Exit, wrong_usage};
use crate::setting::Setting;
use anyhow::Result;
use retally_log::{Identifier, Json, Llm, Number, Object, RunId, RunStarted, Writer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;

pub(crate) fn run(setting: &Setting, options: Start) -> Result<Exit> {
    let event = event(&options)?;
    let writer_options = setting.writer_options()?;
    let redactor = writer_options.redactor.as_deref();
    // The project is in the name of the folder too.
    let project = redactor.map_or(options.project.as_str().into(), |it| {
        it.redact_name(&options.project)
    });
    let id = match Setting::pinned_run_id()? {
        Some(id) => id,
        None => RunId::for_project(setting.clock.now(), &project),
    };
    let run = setting.root.create_run(&id)?;
    let id = run.id().clone();
    Writer::new(run, writer_options).append(event)?;
    writeln!(std::io::stdout(), "{id}")?;
    Ok(Exit::Done)
}

fn event(options: &Start) -> Result<RunStarted<'_>> {
    if options.project.is_empty() {
        return Err(wrong_usage("--project is empty (an unset variable?)"));
    }
    let temperature = match &options.temperature {
        Some(text) => Some(Number::new(text.as_str()).ok_or_else(|| {
            wrong_usage(format!(
                "--temperature is `{text}`, want a number such as 0.7"
            ))
        })?),
        None => None,
    };
    let llm = Llm {
        provider: options.provider.as_deref().map(Cow::Borrowed),
        model: options.model.as_deref().map(Cow::Borrowed),
        temperature,
        other: Object::new(),
    };
    let config = config(&options.config)?;
    let tags = tags(&options.tags)?;
    Ok(RunStarted {
        project_id: Identifier::from(options.project.as_str()),
        llm: (llm != Llm::default()).then_some(llm),
        mode: options.mode.as_deref().map(Cow::Borrowed),
        specific_issue: options.specific_issue.as_deref().map(Into::into),
        config: (!config.is_empty()).then_some(config),
        tags: (!tags.is_empty()).then_some(tags),
    })
}

fn tags(pairs: &[String]) -> Result<BTreeMap<Cow<'_, str>, Cow<'_, str>>> {
    let mut tags = BTreeMap::new();
    for pair in pairs {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| wrong_usage(format!("--tag is `{pair}`, want NAME=VALUE")))?;
        if tags
            .insert(Cow::Borrowed(name), Cow::Borrowed(value))
            .is_some()
        {
            return Err(wrong_usage(format!("--tag names `{name}` twice")));
        }
    }
    Ok(tags)
}

fn config(pairs: &[String]) -> Result<Object> {
    let mut config = Object::new();
    for pair in pairs {
        let (name, value) = pair.split_once('=').ok_or_else(|| {
            wrong_usage(format!(
                "--config is `{pair}`, want NAME=TEXT or NAME:=JSON"
            ))
        })?;
        let (name, value) = match name.strip_suffix(':') {
            Some(name) => {
                let json = Json::parse(value);
                (
                    name,
                    json.map_err(|error| {
                        wrong_usage(format!(
                            "--config `{name}` is `{value}`, want JSON: {error}"
                        ))
                    })?,
                )
            }
            None => (name, Json::Text(value.to_owned())),
        };
        if config.insert(name.to_owned(), value).is_some() {
            return Err(wrong_usage(format!("--config names `{name}` twice")));
        }
    }
    Ok(config)
}
