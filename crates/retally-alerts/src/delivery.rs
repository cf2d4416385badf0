//! Where alerts are told beside stdout, as the file of rules says.

use crate::rules::{Reason, count, number};
use retally_log::short_hash;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;

/// Where alerts are told.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Alerts that came to be longer ago are not delivered: a first start tells no history.
    pub max_age: Duration,
    /// Each place, in the order of the file: files, commands, webhooks.
    pub targets: Vec<Target>,
}

/// A place where alerts are told.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// A file that each alert is appended to as a line of JSON.
    File {
        /// The file.
        path: PathBuf,
    },
    /// A program that is started for each alert, which it gets as JSON on its stdin.
    Command {
        /// The program and its arguments; nothing of an alert is put in.
        argv: Vec<String>,
        /// How long it may take.
        timeout: Duration,
    },
    /// An address to which each alert is sent as JSON.
    Webhook {
        /// Where the address stands.
        url: WebhookUrl,
        /// How long one attempt may take.
        timeout: Duration,
        /// How often it is tried.
        attempts: usize,
    },
}

impl Target {
    /// Returns what tells it apart from others: the same in every process, and no secret.
    pub fn id(&self) -> String {
        short_hash(&match self {
            Self::File { path } => format!("file\n{}", path.display()),
            Self::Command { argv, .. } => format!("command\n{}", argv.join("\n")),
            Self::Webhook { url, .. } => match url {
                WebhookUrl::Text(url) => format!("url\n{url}"),
                WebhookUrl::Variable(name) => format!("variable\n{name}"),
            },
        })
    }
}

/// Where the address of a webhook stands. It may hold a secret.
#[derive(Clone, PartialEq, Eq)]
pub enum WebhookUrl {
    /// In the file.
    Text(String),
    /// In the environment variable of this name.
    Variable(String),
}

/// Shows no address.
impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { path } => write!(f, "file {}", path.display()),
            Self::Command { argv, .. } => {
                write!(f, "command {}", argv.first().map_or("", |it| it.as_str()))
            }
            Self::Webhook { .. } => f.write_str("webhook"),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeliveryEntry {
    max_age_hours: Option<Spanned<f64>>,
    #[serde(default)]
    file: Vec<FileEntry>,
    #[serde(default)]
    command: Vec<CommandEntry>,
    #[serde(default)]
    webhook: Vec<Spanned<WebhookEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileEntry {
    path: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandEntry {
    argv: Spanned<Vec<String>>,
    timeout_seconds: Option<Spanned<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookEntry {
    url: Option<String>,
    url_env: Option<String>,
    timeout_seconds: Option<Spanned<f64>>,
    attempts: Option<Spanned<f64>>,
}

/// How many places a file may name.
const TARGETS_MAX: usize = 20;

impl DeliveryEntry {
    pub(crate) fn delivery(self) -> Result<Delivery, Reason> {
        let hours = number("max_age_hours", self.max_age_hours, 24.0, 0.01..=8784.0)?;
        let mut targets = Vec::new();
        let files = self.file.into_iter().map(FileEntry::target);
        let commands = self.command.into_iter().map(CommandEntry::target);
        let webhooks = self.webhook.into_iter().map(webhook);
        for target in files.chain(commands).chain(webhooks) {
            targets.push(target?);
        }
        if targets.len() > TARGETS_MAX {
            let reason = format!("more than {TARGETS_MAX} places to deliver to (leave some out)");
            return Err((0, reason));
        }
        let max_age = Duration::from_secs_f64(hours * 3600.0);
        Ok(Delivery { max_age, targets })
    }
}

impl FileEntry {
    fn target(self) -> Result<Target, Reason> {
        let at = self.path.span().start;
        let path = self.path.into_inner();
        if path.is_empty() {
            return Err((at, "`path` is empty (name a file)".to_owned()));
        }
        Ok(Target::File { path: path.into() })
    }
}

impl CommandEntry {
    fn target(self) -> Result<Target, Reason> {
        let at = self.argv.span().start;
        let argv = self.argv.into_inner();
        if argv.first().is_none_or(String::is_empty) {
            return Err((at, "`argv` names no program (write it first)".to_owned()));
        }
        let timeout = number("timeout_seconds", self.timeout_seconds, 30.0, 0.1..=3600.0)?;
        let timeout = Duration::from_secs_f64(timeout);
        Ok(Target::Command { argv, timeout })
    }
}

fn webhook(entry: Spanned<WebhookEntry>) -> Result<Target, Reason> {
    let at = entry.span().start;
    let entry = entry.into_inner();
    let url = match (entry.url, entry.url_env) {
        (Some(url), None) if is_address(&url) => WebhookUrl::Text(url),
        (Some(_), None) => {
            let reason = "`url` is no address (begin it with `https://` or `http://`)";
            return Err((at, reason.to_owned()));
        }
        (None, Some(name)) if !name.is_empty() => WebhookUrl::Variable(name),
        _ => {
            let reason = "`[[delivery.webhook]]` wants either `url` or `url_env`";
            return Err((at, reason.to_owned()));
        }
    };
    let timeout = number("timeout_seconds", entry.timeout_seconds, 10.0, 0.1..=300.0)?;
    Ok(Target::Webhook {
        url,
        timeout: Duration::from_secs_f64(timeout),
        attempts: count("attempts", entry.attempts, 8, 1..=20)?,
    })
}

/// Returns whether a text begins as the address of a webhook does.
pub fn is_address(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}
