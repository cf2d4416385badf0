use std::time::Duration;

/// The longest pause between two events, in show time: nights are passed over.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Speeds between which one can choose.
const SPEED_MIN: f64 = 1.0 / 64.0;
const SPEED_MAX: f64 = 1_000_000.0;

/// How much faster than it happened a run is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Speed {
    Times(f64),
    /// As fast as it can be.
    Max,
}

impl Speed {
    /// Reads a number above 0, or `max`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let speed = text.parse().ok();
        let speed = speed.filter(|speed| (SPEED_MIN..=SPEED_MAX).contains(speed));
        let want = || format!("want a number from {SPEED_MIN} to {SPEED_MAX}, or `max`");
        speed.map(Self::Times).ok_or_else(want)
    }
}

/// When the next event of a run is shown, by the times of the events and a speed; reads no clock.
/// Times of the show count from any moment that is kept.
#[derive(Debug)]
pub(crate) struct Playback {
    speed: Speed,
    is_paused: bool,
    /// When the last event was shown; `None` before the first.
    shown_at: Option<Duration>,
}

impl Playback {
    pub(crate) fn new(speed: Speed) -> Self {
        Self {
            speed,
            is_paused: false,
            shown_at: None,
        }
    }

    /// Returns how long to wait for the next event, which came `gap` after the last one; `None`
    /// while it is paused.
    pub(crate) fn wait(&self, gap: Duration, now: Duration) -> Option<Duration> {
        if self.is_paused {
            return None;
        }
        let (Speed::Times(speed), Some(shown_at)) = (self.speed, self.shown_at) else {
            return Some(Duration::ZERO);
        };
        let pause = (gap.as_secs_f64() / speed).min(PAUSE_MAX.as_secs_f64());
        let due = shown_at + Duration::from_secs_f64(pause);
        Some(due.saturating_sub(now))
    }

    /// Takes in that an event was shown.
    pub(crate) fn show(&mut self, now: Duration) {
        self.shown_at = Some(now);
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.is_paused
    }

    pub(crate) fn pause(&mut self, yes: bool) {
        self.is_paused = yes;
    }

    /// Plays twice as fast, or half as fast.
    pub(crate) fn change_speed(&mut self, faster: bool) {
        let factor = if faster { 2.0 } else { 0.5 };
        let speed = match self.speed {
            Speed::Times(speed) => speed,
            Speed::Max => SPEED_MAX,
        };
        self.speed = Speed::Times((speed * factor).clamp(SPEED_MIN, SPEED_MAX));
    }

    /// Returns the speed as people read it.
    pub(crate) fn speed_text(&self) -> String {
        match self.speed {
            Speed::Max => "as fast as it can be".to_owned(),
            Speed::Times(speed) if speed >= 1.0 => format!("{speed:.0} ×"),
            Speed::Times(speed) => format!("1/{:.0} ×", 1.0 / speed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn events_come_as_far_apart_as_they_happened_divided_by_the_speed() {
        let mut playback = Playback::new(Speed::Times(10.0));
        assert_eq!(
            playback.wait(SECOND, Duration::ZERO),
            Some(Duration::ZERO),
            "the first"
        );
        playback.show(SECOND);
        let at = SECOND + SECOND / 20;
        assert_eq!(playback.wait(SECOND, at), Some(SECOND / 20));
        assert_eq!(
            playback.wait(SECOND, 2 * SECOND),
            Some(Duration::ZERO),
            "late"
        );
        assert_eq!(
            playback.wait(3600 * SECOND, SECOND),
            Some(PAUSE_MAX),
            "a long pause"
        );
        playback.pause(true);
        assert_eq!(playback.wait(SECOND, 2 * SECOND), None);
        playback.pause(false);
        playback.change_speed(false);
        assert_eq!(playback.wait(SECOND, SECOND), Some(SECOND / 5));
    }

    #[test]
    fn a_speed_has_limits() {
        assert_eq!(Speed::parse("60"), Ok(Speed::Times(60.0)));
        assert_eq!(Speed::parse("max"), Ok(Speed::Max));
        for text in ["0", "-1", "NaN", "inf", "1e9", "", "fast"] {
            assert!(Speed::parse(text).is_err(), "{text}");
        }
        let mut playback = Playback::new(Speed::Times(1.0));
        (0..99).for_each(|_| playback.change_speed(false));
        assert_eq!(playback.speed_text(), "1/64 ×");
        (0..99).for_each(|_| playback.change_speed(true));
        assert_eq!(playback.speed_text(), "1000000 ×");
    }
}
