//! Functions of a time in seconds since 1970, in UTC.

/// Seconds in a day.
const DAY: i128 = 86_400;

/// `minute()`: from 0 to 59.
pub(super) fn minute(seconds: f64) -> f64 {
    (whole(seconds).rem_euclid(3_600) / 60) as f64
}

/// `hour()`: from 0 to 23.
pub(super) fn hour(seconds: f64) -> f64 {
    (whole(seconds).rem_euclid(DAY) / 3_600) as f64
}

/// `day_of_week()`: from 0, Sunday, to 6.
pub(super) fn day_of_week(seconds: f64) -> f64 {
    // 1 January 1970 was a Thursday.
    (day_number(seconds) + 4).rem_euclid(7) as f64
}

/// `day_of_month()`: from 1.
pub(super) fn day_of_month(seconds: f64) -> f64 {
    Date::of(seconds).day as f64
}

/// `day_of_year()`: from 1.
pub(super) fn day_of_year(seconds: f64) -> f64 {
    let number = day_number(seconds);
    let first = Date { year: Date::of_day(number).year, month: 1, day: 1 };
    (number - first.number() + 1) as f64
}

/// `days_in_month()`: from 28 to 31.
pub(super) fn days_in_month(seconds: f64) -> f64 {
    let Date { year, month, .. } = Date::of(seconds);
    let first = Date { year, month, day: 1 };
    let next = if month == 12 { Date { year: year + 1, month: 1, day: 1 } } else { Date { month: month + 1, ..first } };
    (next.number() - first.number()) as f64
}

/// `month()`: from 1.
pub(super) fn month(seconds: f64) -> f64 {
    Date::of(seconds).month as f64
}

/// `year()`.
pub(super) fn year(seconds: f64) -> f64 {
    Date::of(seconds).year as f64
}

/// Where Go's calendar begins, in seconds before 1970 (`unixToInternal + internalToAbsolute` in its
/// package `time`).
const CALENDAR: u64 = 9_223_372_028_715_321_600;

/// As Go takes a float for a time on 64-bit x86: what no 64-bit integer can hold, NaN included, is the
/// smallest one, and what lies before its calendar comes behind its end.
fn whole(seconds: f64) -> i128 {
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&seconds);
    let seconds = if fits { seconds as i64 } else { i64::MIN };
    i128::from((seconds as u64).wrapping_add(CALENDAR)) - i128::from(CALENDAR)
}

/// Days since 1 January 1970.
fn day_number(seconds: f64) -> i64 {
    whole(seconds).div_euclid(DAY) as i64
}

/// A day of the Gregorian calendar, which Go extends to all times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Date {
    year: i64,
    /// From 1.
    month: i64,
    /// From 1.
    day: i64,
}

impl Date {
    fn of(seconds: f64) -> Self {
        Self::of_day(day_number(seconds))
    }

    /// Years are counted from March, so that the leap day is the last of its year; 400 years have
    /// 146 097 days and begin, 719 468 days before 1970, with 1 March of the year 0.
    fn of_day(number: i64) -> Self {
        let days = number + 719_468;
        let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self { year, month, day: of_year - (153 * from_march + 2) / 5 + 1 }
    }

    /// The inverse of [`of_day`](Self::of_day).
    fn number(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let from_march = if self.month > 2 { self.month - 3 } else { self.month + 9 };
        let of_year = (153 * from_march + 2) / 5 + self.day - 1;
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the values are whole numbers")]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let parts = |s| [year(s), month(s), day_of_month(s), day_of_week(s), hour(s), minute(s)];
        assert_eq!(parts(0.0), [1970.0, 1.0, 1.0, 4.0, 0.0, 0.0]);
        assert_eq!(parts(-1.0), [1969.0, 12.0, 31.0, 3.0, 23.0, 59.0]);
        assert_eq!(parts(1_709_210_096.5), [2024.0, 2.0, 29.0, 4.0, 12.0, 34.0]);
        assert_eq!([day_of_year(1_709_210_096.0), days_in_month(1_709_210_096.0)], [60.0, 29.0]);
        assert_eq!([day_of_year(1_735_603_200.0), days_in_month(1_735_603_200.0)], [366.0, 31.0]);
        assert_eq!(parts(f64::NAN)[1..], [12.0, 4.0, 0.0, 15.0, 30.0]);
        assert_eq!([days_in_month(-2_205_100_800.0), days_in_month(951_782_400.0)], [28.0, 29.0], "1900 and 2000");
    }

    #[test]
    fn days_and_their_numbers_are_one_to_one() {
        for number in (-800_000..800_000).step_by(97) {
            assert_eq!(Date::of_day(number).number(), number);
        }
    }
}
