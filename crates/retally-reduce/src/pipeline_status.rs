//! The statuses of pipelines, in the words of GitLab and GitHub.

/// What a status says about its attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finality {
    /// The attempt goes on, or nobody knows what the word means.
    Open,
    /// It ended in success.
    Succeeded,
    /// It ended in failure or ran out of time.
    Failed,
    /// It ended in neither.
    Ended,
}

impl Finality {
    /// Returns what a status in its usual spelling says.
    pub(crate) fn of(status: &str) -> Self {
        match status {
            "success" => Self::Succeeded,
            "failed" | "timed_out" => Self::Failed,
            "canceled" | "skipped" | "action_required" | "neutral" | "stale"
            | "startup_failure" => Self::Ended,
            _ => Self::Open,
        }
    }

    /// Returns whether the attempt ended.
    pub(crate) fn is_final(self) -> bool {
        self != Self::Open
    }

    /// Returns whether the attempt decides about first-pass.
    pub(crate) fn is_decisive(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// Returns whether a status, in any spelling, says that a pipeline succeeded; `None` where it is not
/// final, or says neither that nor failure.
pub fn pipeline_success(status: &str) -> Option<bool> {
    match Finality::of(normalize(status)) {
        Finality::Succeeded => Some(true),
        Finality::Failed => Some(false),
        Finality::Ended | Finality::Open => None,
    }
}

/// Returns the usual spelling of a status; one that is not known stays as it is.
pub(crate) fn normalize(status: &str) -> &str {
    match status {
        "failure" => "failed",
        "cancelled" => "canceled",
        "in_progress" | "requested" => "running",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_of_the_format_has_its_finality() {
        use Finality::*;
        for (status, expected) in [
            ("created", Open),
            ("waiting_for_resource", Open),
            ("preparing", Open),
            ("pending", Open),
            ("queued", Open),
            ("scheduled", Open),
            ("manual", Open),
            ("running", Open),
            ("in_progress", Open),
            ("requested", Open),
            ("completed", Open),
            ("something new", Open),
            ("success", Succeeded),
            ("failed", Failed),
            ("failure", Failed),
            ("timed_out", Failed),
            ("canceled", Ended),
            ("cancelled", Ended),
            ("skipped", Ended),
            ("action_required", Ended),
            ("neutral", Ended),
            ("stale", Ended),
            ("startup_failure", Ended),
        ] {
            assert_eq!(Finality::of(normalize(status)), expected, "{status}");
        }
    }
}
