//! How large a run is.

/// The number in an environment variable, or `small`: what `./test` takes.
pub fn of(variable: &str, small: u64) -> u64 {
    std::env::var_os(variable).and_then(|text| text.to_str()?.parse().ok()).unwrap_or(small)
}
