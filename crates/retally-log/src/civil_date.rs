//! Dates and days since 1970, which each line needs: chrono's, in a third of the time.
//!
//! Source: Howard Hinnant, chrono-Compatible Low-Level Date Algorithms. Years begin in March here,
//! so that the leap day is their last, and 400 years earlier than ours, so that none is negative.

/// From the first day counted here to 1970.
const DAYS_TO_1970: i64 = 719_468 + DAYS_OF_400_YEARS as i64;
const DAYS_OF_400_YEARS: u32 = 146_097;

/// Returns how many days after 1970 began a date is, or `None` where there is no such date in the
/// years 0000 to 9999.
#[inline]
pub(crate) fn days(year: u32, month: u32, day: u32) -> Option<i64> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days_of_month = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(is_leap),
        1..=12 => 31,
        _ => return None,
    };
    if year > 9999 || !(1..=days_of_month).contains(&day) {
        return None;
    }
    let year = year + 400 - u32::from(month <= 2);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = 365 * year + year / 4 - year / 100 + year / 400 + day_of_year;
    Some(i64::from(days) - DAYS_TO_1970)
}

/// Returns the year, month and day of a day after 1970 began, in the years 0000 to 9999.
#[inline]
pub(crate) fn date(days: i64) -> (u32, u32, u32) {
    let days = u32::try_from(days + DAYS_TO_1970).unwrap_or(0);
    let (era, day) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = (year + 400 * era + u32::from(month <= 2)).saturating_sub(400);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{Datelike, NaiveDate};

    #[test]
    fn every_date_is_chronos() {
        let first = NaiveDate::from_ymd_opt(0, 1, 1).expect("it is a date");
        let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).expect("it is a date");
        let all = first.iter_days().take_while(|it| it.year() < 10_000);
        for (expected, chronos) in ((first - epoch).num_days()..).zip(all) {
            let year = u32::try_from(chronos.year()).expect("no year is negative");
            let parts = (year, chronos.month(), chronos.day());
            assert_eq!(date(expected), parts);
            assert_eq!(days(parts.0, parts.1, parts.2), Some(expected), "{chronos}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for year in 0..=10_001 {
            for month in 0..=13 {
                for day in [0, 28, 29, 30, 31, 32, u32::MAX] {
                    let chronos = i32::try_from(year)
                        .ok()
                        .and_then(|year| NaiveDate::from_ymd_opt(year, month, day));
                    let is_date = chronos.is_some() && year < 10_000;
                    let found = days(year, month, day);
                    assert_eq!(found.is_some(), is_date, "{year}-{month}-{day}");
                }
            }
        }
    }
}
