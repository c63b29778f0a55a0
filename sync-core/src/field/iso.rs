//! The canonical ISO 8601 text of dates and times in documents: the same for every crate that an app takes its date types from.
//!
//! Fractions are the shortest exact ones, UTC is `Z`, years outside of 0 to 9999 carry a sign. Reading is left to the crates.

/// `2024-02-29`.
pub(super) fn date(year: i32, month: u32, day: u32) -> String {
    match year {
        0..=9999 => format!("{year:04}-{month:02}-{day:02}"),
        ..0 => format!("{year:05}-{month:02}-{day:02}"),
        _ => format!("+{year}-{month:02}-{day:02}"),
    }
}

/// `13:05:09`, `13:05:09.25`. `second` may be 60, a leap second.
pub(super) fn time(hour: u32, minute: u32, second: u32, nanosecond: u32) -> String {
    let whole = format!("{hour:02}:{minute:02}:{second:02}");
    if nanosecond == 0 {
        return whole;
    }
    let digits = format!("{nanosecond:09}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

/// `Z`, `+02:00`, `-03:30`.
pub(super) fn offset(minutes: i32) -> String {
    if minutes == 0 {
        return "Z".into();
    }
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.abs();
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}
