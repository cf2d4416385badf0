use retally_log::Timestamp;
use std::time::Duration;

/// How old something has to be: so long, or from before a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// That time before now.
    Past(Duration),
    /// The start of a day, in UTC.
    Before(Timestamp),
}

impl Age {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Ok(day) = Timestamp::parse(&format!("{text}T00:00:00Z")) {
            return Ok(Self::Before(day));
        }
        let wanted = "want a time such as 90d or 12h, or a day such as 2025-01-31";
        let age = humantime::parse_duration(text).map_err(|_| wanted.to_owned())?;
        Ok(Self::Past(age))
    }

    /// Returns the moment before which things are old enough.
    pub(crate) fn limit(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Before(day) => day,
            Self::Past(age) => {
                let micros = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
                now.saturating_add_micros(-micros)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_a_time_or_a_day() {
        let now: Timestamp = "2024-12-03T14:30:22Z".parse().expect("a time");
        for (text, limit) in [
            ("90d", "2024-09-04T14:30:22.000000Z"),
            ("1h 30m", "2024-12-03T13:00:22.000000Z"),
            ("0s", "2024-12-03T14:30:22.000000Z"),
            ("9999y", "0000-01-01T00:00:00.000000Z"),
            ("2024-02-29", "2024-02-29T00:00:00.000000Z"),
        ] {
            let age = Age::parse(text).expect("an age");
            assert_eq!(age.limit(now).to_string(), limit, "{text}");
        }
        for text in ["", "90", "-1d", "2024-02-30", "soon", "1d x"] {
            assert!(Age::parse(text).is_err(), "{text}");
        }
    }
}
