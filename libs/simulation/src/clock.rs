//! The simulators' own clock reading, and the two ways vendors write a point in time.

use domain::time::Timestamp;

/// The current time.
#[expect(
    clippy::disallowed_methods,
    reason = "a simulator stands for a vendor, which has a clock of its own"
)]
pub fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_millisecond())
}

/// `2026-11-02T09:00:00.000Z`
pub fn iso_millis(at: Timestamp) -> String {
    written(at, "%Y-%m-%dT%H:%M:%S%.3fZ")
}

/// `2026-11-02T09:00:00.000000Z`
pub fn iso_micros(at: Timestamp) -> String {
    written(at, "%Y-%m-%dT%H:%M:%S%.6fZ")
}

/// Reads RFC 3339; `None` for anything else.
pub fn read_iso(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(|at| Timestamp(at.as_millisecond()))
}

fn written(at: Timestamp, format: &str) -> String {
    jiff::Timestamp::from_millisecond(at.0).unwrap_or_default().strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_in_time_is_written_as_vendors_do_and_read_back() {
        let at = Timestamp(1_793_610_000_123);
        assert_eq!(iso_millis(at), "2026-11-02T09:00:00.123Z");
        assert_eq!(iso_micros(at), "2026-11-02T09:00:00.123000Z");
        assert_eq!(read_iso(&iso_millis(at)), Some(at));
    }
}
