//! Alerts that are sent to an address.

use anyhow::{Context, Result, anyhow, bail};
use retally_alerts::{WebhookUrl, is_address};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Error};

/// The wait behind the first attempt; each further one is twice as long.
const WAIT_FIRST: Duration = Duration::from_millis(500);
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// An address that alerts are sent to. It may hold a secret, and is never said but for its host.
pub(crate) struct Webhook {
    agent: Agent,
    url: String,
    attempts: usize,
}

/// What came of an attempt.
enum Attempt {
    Done,
    /// Trying again may help.
    Failed(String),
    Refused(String),
}

impl Webhook {
    /// # Errors
    /// The variable that is to hold the address does not.
    pub(crate) fn new(url: &WebhookUrl, timeout: Duration, attempts: usize) -> Result<Self> {
        let url = match url {
            WebhookUrl::Text(url) => url.clone(),
            WebhookUrl::Variable(name) => {
                let value = std::env::var(name);
                let value = value.ok().filter(|value| is_address(value));
                value.with_context(|| {
                    format!("the environment variable `{name}` holds no address of a webhook")
                })?
            }
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(trusted())))
            .unversioned_rustls_crypto_provider(provider)
            .build();
        // An alert goes where the file says and nowhere else.
        let config = Agent::config_builder()
            .timeout_global(Some(timeout))
            .max_redirects(0)
            .http_status_as_error(false)
            .tls_config(tls)
            .build();
        Ok(Self {
            agent: config.into(),
            url,
            attempts,
        })
    }

    /// Returns the host alone.
    pub(crate) fn host(&self) -> &str {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        authority.rsplit('@').next().unwrap_or_default()
    }

    /// Sends a JSON text, several times if need be; `wait` waits, and says whether to go on.
    ///
    /// # Errors
    /// It was refused, or all attempts failed; the text holds nothing of the address.
    pub(crate) fn send(&self, json: &str, wait: impl Fn(Duration) -> bool) -> Result<()> {
        let mut pause = WAIT_FIRST;
        for attempt in 1.. {
            let reason = match self.attempt(json) {
                Attempt::Done => return Ok(()),
                Attempt::Refused(reason) => bail!("{reason}"),
                Attempt::Failed(reason) => reason,
            };
            if attempt >= self.attempts || !wait(with_jitter(pause)) {
                bail!("{reason} (tried {attempt} times)");
            }
            pause = (pause * 2).min(WAIT_MAX);
        }
        Err(anyhow!("no attempt"))
    }

    fn attempt(&self, json: &str) -> Attempt {
        let request = self.agent.post(&self.url);
        let sent = request
            .header("content-type", "application/json")
            .send(json.as_bytes());
        let status = match sent {
            Ok(response) => response.status().as_u16(),
            Err(error) => return Attempt::Failed(reason(&error)),
        };
        let text = format!("it answered with status {status}");
        match status {
            200..=299 => Attempt::Done,
            408 | 425 | 429 | 500..=599 => Attempt::Failed(text),
            _ => Attempt::Refused(text),
        }
    }
}

/// Returns the certificates that the system trusts; where there are none, nobody is.
fn trusted() -> Vec<Certificate<'static>> {
    let found = rustls_native_certs::load_native_certs().certs;
    let certificates = found.iter().map(|it| Certificate::from_der(it).to_owned());
    certificates.collect()
}

/// Returns why a request failed, in words that hold nothing of its address.
fn reason(error: &Error) -> String {
    match error {
        // So the encryption says that a certificate is not trusted.
        Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
            "no trusted encryption".to_owned()
        }
        Error::Io(error) => format!("cannot be reached: {}", error.kind()),
        Error::Timeout(_) => "took too long".to_owned(),
        Error::HostNotFound => "the host is not found".to_owned(),
        Error::ConnectionFailed => "cannot be reached".to_owned(),
        Error::Tls(_) | Error::Rustls(_) => "no trusted encryption".to_owned(),
        Error::BadUri(_) | Error::Http(_) => "the address is malformed".to_owned(),
        _ => "the request failed".to_owned(),
    }
}

/// Returns half to all of a wait, so that not all who wait try again at once.
fn with_jitter(wait: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    let share = (random >> 11) as f64 / (1_u64 << 53) as f64;
    wait.mul_f64(0.5 + share / 2.0)
}
