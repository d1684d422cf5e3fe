//! What can be wrong with a configuration, and how it is said.

use std::fmt;

/// One mistake in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The stable code, with a page in `docs/errors`.
    pub code: &'static str,
    /// Where in the file, for example `flows[0].when.connection`; empty for the file as a whole.
    pub path: String,
    /// The line in the file, from 1, where known.
    pub line: Option<u64>,
    /// What is wrong. Never a secret.
    pub what: String,
    /// How it is mended.
    pub mend: String,
}

/// The text is not the YAML that is expected.
pub(super) const UNREADABLE: &str = "CS-CONFIG-001";
/// A key nobody knows.
pub(super) const UNKNOWN_KEY: &str = "CS-CONFIG-002";
/// A name that is used but not defined.
pub(super) const UNKNOWN_NAME: &str = "CS-CONFIG-003";
/// A secret in the file, or a reference that refers to nothing.
pub(super) const SECRET_REFERENCE: &str = "CS-CONFIG-004";
/// A secret that cannot be used.
pub(super) const SECRET_UNUSABLE: &str = "CS-CONFIG-005";
/// A connection without the keys its kind needs.
pub(super) const KEY_MISSING: &str = "CS-CONFIG-006";
/// A flow that would start a flow again by what it writes.
pub(super) const LOOP: &str = "CS-CONFIG-007";
/// An expression that does not parse.
pub(super) const EXPRESSION: &str = "CS-CONFIG-008";
/// A flow that contradicts itself.
pub(super) const FLOW: &str = "CS-CONFIG-009";
/// A value that is not allowed.
pub(super) const VALUE: &str = "CS-CONFIG-010";

impl Mistake {
    pub(super) fn new(
        code: &'static str,
        path: impl Into<String>,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { code, path: path.into(), line: None, what: what.into(), mend: mend.into() }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(line) = self.line {
            write!(f, " line {line}")?;
        }
        if !self.path.is_empty() {
            write!(f, " {}", self.path)?;
        }
        write!(f, ": {}; {}", self.what, self.mend)
    }
}

/// Everything that is wrong with a configuration; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigurationError {
    /// The mistakes, in the order of the file where their lines are known.
    pub mistakes: Vec<Mistake>,
}

impl ConfigurationError {
    pub(super) fn new(mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by_key(|mistake| mistake.line.unwrap_or(u64::MAX));
        Self { mistakes }
    }
}

impl fmt::Display for ConfigurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mistakes.len() {
            1 => write!(f, "the configuration has a mistake")?,
            count => write!(f, "the configuration has {count} mistakes")?,
        }
        self.mistakes.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

impl std::error::Error for ConfigurationError {}

pub(super) fn unreadable(line: Option<u64>, what: String) -> ConfigurationError {
    let mend = "compare it with `countersign config schema`";
    ConfigurationError::new(vec![Mistake { line, ..Mistake::new(UNREADABLE, "", what, mend) }])
}

/// What the parser says, on one line and without the excerpt of the file it would add.
pub(super) fn from_yaml(error: &serde_saphyr::Error) -> ConfigurationError {
    let line = error.location().map(|location| location.line()).filter(|line| *line > 0);
    let said = error.without_snippet().to_string();
    let first = said.lines().next().unwrap_or_default();
    // The line stands in front of the mistake already.
    let first = first.split_once(" at line ").map_or(first, |(what, _)| what);
    unreadable(line, first.trim().to_owned())
}
